"""Hours that Table 1 of the Rumi-GAN paper takes, from a few iterations of each of its networks."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from reproduce import _grid
from reproduce._benchmarks.metrics import random_inception
from reproduce._benchmarks.steps import ITERATIONS, stepper
from rumi_tf import building
from rumi_tf.config import RunConfig
from rumi_tf.data.images import LabelledImages, from_memory
from rumi_tf.embeddings import Embedding
from rumi_tf.evaluation import Evaluator
from rumi_tf.features import extract
from rumi_tf.protocols import rumi_unbalanced
from rumi_tf.sampling import evaluation_batches

IMAGES = 4_000  # random ones: what they show does not matter to the time
REFERENCE = 5_000  # real images that an evaluation compares with
EVALUATIONS = 10  # of a run, as reproduce.table1 has them
LENGTHS = (10_000, 50_000)
DATASETS = ("mnist", "cifar10", "celeba")
WORKERS = (1, 10, 110)


def rows(width: float, batch_size: int, repetitions: int) -> Iterator[dict[str, str]]:
    """Yields a row per data set: seconds measured, and hours extrapolated from them.

    Args:
        width, batch_size: of the networks; the paper's are 1 and 100.
        repetitions: of `ITERATIONS` iterations, whose median counts.
    """
    embedding = random_inception("inception")
    chosen = {"width": width, "batch_size": batch_size, "cache_dir": ""}
    for dataset in DATASETS:
        names = _grid.class_names(dataset)
        cells = _grid.unbalanced_cells("classes", dataset, names[0], _grid.MODELS, [0], chosen)
        seconds = {}
        for cell in cells:
            step = stepper(cell.config, random_images(cell.config, names))
            seconds[cell.place["model"]] = _median(step, repetitions) / ITERATIONS
            del step
            gc.collect()
        evaluation = _evaluation(cells[0].config, names, embedding)
        yield row(dataset, len(names), seconds, evaluation)


def row(dataset: str, classes: int, seconds: dict[str, float], evaluation: float) -> dict[str, str]:
    """What the cells of a data set cost: measured seconds, and hours made of them.

    Args:
        dataset: its name.
        classes: that are a cell each, for each of the models.
        seconds: of an iteration, by model.
        evaluation: seconds of one.
    """
    found = {"data set": dataset, "cells": str(classes * len(seconds))}
    found |= {f"{model}, ms": f"{1000 * value:.0f}" for model, value in seconds.items()}
    found["evaluation, s"] = f"{evaluation:.0f}"
    for length in LENGTHS:
        runs = [length * value + EVALUATIONS * evaluation for value in seconds.values()]
        for workers in WORKERS:
            hours = makespan(runs * classes, workers) / 3600
            found[f"hours, {length:,} iterations, {workers} at once"] = f"{hours:.1f}"
    return found


def makespan(durations: list[float], workers: int) -> float:
    """Time until the last of `workers` is done, if each takes every n-th as --shard does."""
    return max(sum(durations[k::workers]) for k in range(workers))


def random_images(config: RunConfig, names: tuple[str, ...]) -> LabelledImages:
    """Noise of the shape and with the classes of a data set."""
    draw = np.random.default_rng(0)
    size, channels = config.image_size, 1 if config.dataset == "mnist" else 3
    pixels = draw.integers(0, 256, (IMAGES, size, size, channels), np.uint8)
    return from_memory(pixels, np.arange(IMAGES) % len(names), names)


def _median(step: Callable[[], None], repetitions: int) -> float:
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _evaluation(config: RunConfig, names: tuple[str, ...], embedding: Embedding) -> float:
    """Seconds to generate, embed and measure as Section 5 does, with what comes once left out."""
    images = random_images(config, names)
    model = building.make_model(config, images.image_shape)
    generate = tf.function(lambda noise: model.images(noise, None, training=False))
    protocol = rumi_unbalanced(dataset=config.dataset)
    draw = np.random.default_rng(1)
    shape = (100, *images.image_shape)
    reference = extract(
        embedding,
        (draw.uniform(-1, 1, shape).astype(np.float32) for _ in range(REFERENCE // 100)),
    )
    evaluator = Evaluator(protocol, embedding, reference, None)
    total = protocol.num_generated
    batches = evaluation_batches(generate, config.latent_dim, total, 0, 1)
    return evaluator(batches, total=total, complete=False).seconds
