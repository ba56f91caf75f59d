"""Rumi-GAN and UAC-GAN for unbalanced image data, in TensorFlow 2 / Keras.

`RunConfig`, `train`, `load_generator`, `RumiOverSampler` and `OBJECTIVES` are loaded at first use,
so importing this package loads neither TensorFlow nor matplotlib.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["OBJECTIVES", "RumiOverSampler", "RunConfig", "load_generator", "train"]


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
    if name == "RumiOverSampler":
        from rumi_tf.experiments.oversampler import RumiOverSampler

        return RumiOverSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
