"""TensorFlow and Keras, imported at first use.

Configurations and flags are built from the objectives. With these names an objective's module
loads in milliseconds, so `--help` and a mistyped flag do not wait for TensorFlow.
"""

import importlib
from typing import Any


class _Lazy:
    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


tf: Any = _Lazy("tensorflow")
keras: Any = _Lazy("keras")
