"""Builds images, split, networks and batches from a resolved configuration."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.data.loaders import load_images
from rumi_tf.data.pipeline import batch_stream
from rumi_tf.data.splits import Split, class_shares, make_split
from rumi_tf.networks.dcgan import Discriminator, Generator
from rumi_tf.networks.diff_augment import DiffAugment
from rumi_tf.networks.registry import conditional_pair
from rumi_tf.runs.resolve import make_objective, objective_class
from rumi_tf.training.model import AdversarialModel, Schedule
from rumi_tf.utils import distribute, rng


def prepare(config: RunConfig) -> tuple[LabelledImages, Split]:
    """Loads the data of a resolved configuration and splits it."""
    images = load_images(config)
    split = make_split(config, images.labels, images.class_names)
    make_class_shares(config, images, split)  # raises if a conditional objective has no classes
    return images, split


def make_class_shares(config: RunConfig, images: LabelledImages, split: Split) -> np.ndarray | None:
    """(K,) distribution of generated labels; `None` for an unconditional objective."""
    if not objective_class(config).conditional:
        return None
    return class_shares(
        config.label_distribution, images.labels, split.indices["all"], len(images.class_names)
    )


def make_model(
    config: RunConfig,
    image_shape: Sequence[int],
    class_shares: np.ndarray | None = None,
) -> AdversarialModel:
    """Compiled model with the networks, objective, schedule and optimizers of a configuration.

    Args:
        config: resolved.
        image_shape: (H, W, C).
        class_shares: result of `make_class_shares`, for a conditional objective.
    """
    objective = make_objective(config)
    common: dict[str, Any] = {
        "network": config.network,
        "image_shape": tuple(image_shape),
        "width": config.width,
        "seed": config.seed,
        "dtype": config.precision,
    }
    d_options: dict[str, Any] = {"batch_norm": config.d_batch_norm != "none"}
    pair = Generator, Discriminator
    if objective.conditional:
        common["num_classes"] = len(class_shares)
        d_options["heads"] = objective.heads()
        pair = conditional_pair(config.network)

    def make_generator() -> keras.Model:
        return pair[0](latent_dim=config.latent_dim, **common)

    generator = make_generator()
    discriminator = pair[1](**d_options, **common)
    networks = {
        name: player.make(name=name, features=discriminator.features, **common)
        for name, player in objective.players().items()
    }
    model = AdversarialModel(
        generator,
        discriminator,
        objective,
        Schedule(
            objective.schedule(config.d_schedule, config.d_steps),
            config.fakes,
            config.update,
            config.d_batch_norm,
        ),
        batch_size=config.batch_size,
        seed=config.seed,
        networks=networks,
        class_shares=class_shares,
        augment=DiffAugment(config.d_augment, config.d_augment_fill) if config.d_augment else None,
        average=make_generator() if config.generator_ema else None,
        average_decay=config.generator_ema,
    )

    def adam(player: str) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(
            learning_rate=config.learning_rate, beta_1=config.beta_1, beta_2=config.beta_2,
            name=f"{player}_adam",
        )  # fmt: skip

    alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
    if config.sync_batch_norm and not alone:
        for network in (generator, discriminator, *networks.values()):
            distribute.synchronise_batch_norm(network)
    on_gpu = alone and bool(tf.config.list_physical_devices("GPU"))
    model.compile(
        adam("generator"),
        adam("discriminator"),
        jit_compile={"auto": on_gpu, "on": True, "off": False}[config.jit],
        player_optimizers={name: adam(name) for name in networks},
        steps_per_execution=config.steps_per_execution,
    )
    return model


def make_batches(
    config: RunConfig, model: AdversarialModel, images: LabelledImages, split: Split, start: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches from iteration `start` to the last, divided over the model's replicas."""
    subsets = model.objective.subsets
    updates = [{r: subsets[r] for r in u if r != "fake"} for u in model.schedule.d_updates]

    def stream(parts: Sequence[int] = (0,), of: int = 1) -> tf.data.Dataset:
        return batch_stream(
            images, split.indices, updates, batch_size=config.batch_size, seed=config.seed,
            start=start, stop=config.iterations, parts=parts, of=of,
        )  # fmt: skip

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        each = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * each
        return stream(range(first, first + each), context.num_replicas_in_sync)

    if config.strategy == "none":
        return stream()
    return model.distribute_strategy.distribute_datasets_from_function(of_worker)


def real_positives(images: LabelledImages, split: Split, num: int, seed: int) -> np.ndarray:
    """Up to `num` random positive images: (n, H, W, C) float32 in [-1, 1]."""
    order = rng.numpy_generator(seed, "real").permutation(split.indices["positive"])
    return images.gather(tf.constant(order[:num])).numpy()
