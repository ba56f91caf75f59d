"""Training iterations as functions to be timed."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.data.loaders import load_images
from rumi_tf.data.splits import make_split
from rumi_tf.experiments.sweep import objective_config
from rumi_tf.training.build import make_batches, make_class_shares, make_model
from rumi_tf.training.model import AdversarialModel

ITERATIONS = 3  # per timed call


def config_of(objective: str, **values: Any) -> RunConfig:
    """Resolved config of an objective or variant, by default on even digits (28x28)."""
    return objective_config(objective, {"dataset": "digits", "split": "even", **values})


def prepared(
    config: RunConfig, images: LabelledImages | None = None
) -> tuple[AdversarialModel, tf.data.Iterator]:
    """The model of a config and its batches, of `images` if given."""
    images = load_images(config) if images is None else images
    split = make_split(config, images.labels, images.class_names)
    model = make_model(config, images.image_shape, make_class_shares(config, images, split))
    return model, iter(make_batches(config, model, images, split, start=0))


def stepper(
    config: RunConfig, images: LabelledImages | None = None, **how: Any
) -> Callable[[], None]:
    """A function that trains for `ITERATIONS` iterations, compiled and already called once.

    Args:
        config: resolved.
        images: training images; by default those of the config.
        how: arguments of `tf.function`, or `eager=True` to run without it.
    """
    model, batches = prepared(config, images)
    step = model.train_step if how.pop("eager", False) else tf.function(model.train_step, **how)

    def train() -> None:
        for _ in range(ITERATIONS):
            logs = step(next(batches))
        float(logs["g_loss"])  # waits for the device

    train()
    return train
