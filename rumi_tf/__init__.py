"""Rumi-GAN and UAC-GAN for unbalanced image data, in TensorFlow 2 / Keras.

`RunConfig`, `train`, `load_generator`, `evaluate`, `RumiOverSampler` and `OBJECTIVES` are loaded at
first use, so importing this package loads neither TensorFlow nor matplotlib.
"""

from typing import Any

import wrapt

__version__ = "0.1.0"
__all__ = ["OBJECTIVES", "RumiOverSampler", "RunConfig", "evaluate", "load_generator", "train"]

_GENERATORS = ("Generator", "ConditionalGenerator", "OneHotGenerator", "PointGenerator")


class _Deferred:
    """Entry of Keras's registry that imports a network class when a file needs it."""

    def __init__(self, name: str):
        self.name = name

    def from_config(self, config: dict) -> Any:
        import keras

        from rumi_tf.networks import registry  # noqa: F401  # replaces the entry by the class

        registered = keras.saving.get_custom_objects()[self.name]
        if registered is self:
            raise TypeError(f"no network is named {self.name}")
        return registered.from_config(config)


@wrapt.when_imported("keras")
def _register_generators(keras: Any) -> None:
    """Lets `keras.models.load_model` load the generator.keras of a run, in safe mode."""
    for name in (f"rumi_tf>{name}" for name in _GENERATORS):
        keras.saving.get_custom_objects().setdefault(name, _Deferred(name))


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def __getattr__(name: str) -> Any:
    if name == "RunConfig":
        from rumi_tf.config.run import RunConfig

        return RunConfig
    if name == "OBJECTIVES":
        from rumi_tf.objectives import OBJECTIVES

        return OBJECTIVES
    if name == "train":
        from rumi_tf.training.train import train

        return train
    if name == "load_generator":
        from rumi_tf.export.sampler import load_sampler

        return load_sampler
    if name == "evaluate":
        from rumi_tf.experiments.evaluate_arrays import evaluate

        return evaluate
    if name == "RumiOverSampler":
        from rumi_tf.experiments.oversampler import RumiOverSampler

        return RumiOverSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
