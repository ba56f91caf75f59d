"""TensorFlow and Keras, imported at first use.

Configurations and flags are built from the objectives. With these names an objective's module
loads in milliseconds, so `--help` and a mistyped flag do not wait for TensorFlow.
"""

from collections.abc import Callable
from typing import Any


class _Lazy:
    def __init__(self, load: Callable[[], Any]):
        self._load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)


def _load_tensorflow() -> Any:
    import tensorflow

    return tensorflow


def _load_keras() -> Any:
    import keras

    return keras


tf: Any = _Lazy(_load_tensorflow)
keras: Any = _Lazy(_load_keras)
