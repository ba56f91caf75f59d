"""TensorFlow and Keras, imported at first use.

Configurations and flags are built from the objectives. With these names an objective's module
loads in milliseconds, so `--help` and a mistyped flag do not wait for TensorFlow.
"""

from typing import Any


class _TensorFlow:
    def __getattr__(self, name: str) -> Any:
        import tensorflow

        return getattr(tensorflow, name)


class _Keras:
    def __getattr__(self, name: str) -> Any:
        import keras

        return getattr(keras, name)


tf: Any = _TensorFlow()
keras: Any = _Keras()
