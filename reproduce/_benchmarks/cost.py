"""Hours that Table 1 of the Rumi-GAN paper takes, from a few iterations of each of its networks."""

import gc
import heapq
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from reproduce._benchmarks.metrics import random_inception
from reproduce._benchmarks.steps import ITERATIONS, stepper
from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages, from_memory
from rumi_tf.evaluation.embeddings import Embedding
from rumi_tf.evaluation.evaluator import Evaluator
from rumi_tf.evaluation.features import extract
from rumi_tf.evaluation.protocols import rumi_unbalanced
from rumi_tf.experiments import paper_grid
from rumi_tf.export.sampler import evaluation_batches
from rumi_tf.training import build

IMAGES = 4_000  # random ones: what they show does not matter to the time
REFERENCE = {"mnist": 6_000, "cifar10": 5_000, "celeba": 10_000}  # real images compared with
EVALUATIONS = 10  # of a run, as reproduce.table1 has them; the last one measures everything
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
    everything: dict[int, list[float]] = {length: [] for length in LENGTHS}
    chosen = {"width": width, "batch_size": batch_size, "cache_dir": ""}
    for dataset in DATASETS:
        names = paper_grid.class_names(dataset)
        cells = paper_grid.unbalanced_cells(
            "classes", dataset, names[0], paper_grid.MODELS, [0], chosen
        )
        seconds = {}
        for cell in cells:
            step = stepper(cell.config, random_images(cell.config, names))
            seconds[cell.place["model"]] = _median(step, repetitions) / ITERATIONS
            del step
            gc.collect()
        evaluations = _evaluations(cells[0].config, names, embedding)
        runs = durations(len(names), seconds, *evaluations)
        everything = {length: everything[length] + runs[length] for length in LENGTHS}
        measured = {f"{model}, ms": f"{1000 * value:.0f}" for model, value in seconds.items()}
        for name, value in zip(("evaluation, s", "last one, s"), evaluations, strict=True):
            measured[name] = f"{value:.0f}"
        yield row(dataset, measured, runs)
    yield row("all", dict.fromkeys(measured, ""), everything)


def durations(
    classes: int, seconds: dict[str, float], evaluation: float, last: float
) -> dict[int, list[float]]:
    """Iterations -> seconds of every run of a data set.

    Args:
        classes: that are a cell each, for each of the models.
        seconds: of an iteration, by model.
        evaluation, last: seconds of an evaluation, and of the last one.
    """
    evaluating = (EVALUATIONS - 1) * evaluation + last
    return {n: [n * value + evaluating for value in seconds.values()] * classes for n in LENGTHS}


def row(dataset: str, measured: dict[str, str], runs: dict[int, list[float]]) -> dict[str, str]:
    """What was measured, and the hours that runs of several lengths take."""
    found = {"data set": dataset, "cells": str(len(runs[LENGTHS[0]])), **measured}
    for length in LENGTHS:
        for workers in WORKERS:
            hours = makespan(runs[length], workers) / 3600
            found[f"hours, {length:,} iterations, {workers} at once"] = f"{hours:.1f}"
    return found


def makespan(durations: list[float], workers: int) -> float:
    """Time until the last is done, if each of `workers` takes the next that nobody works on."""
    busy_until = [0.0] * workers
    for duration in durations:
        heapq.heappush(busy_until, heapq.heappop(busy_until) + duration)
    return max(busy_until)


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


def _evaluations(
    config: RunConfig, names: tuple[str, ...], embedding: Embedding
) -> tuple[float, float]:
    """Seconds of an evaluation, and of the last one, with what comes once left out."""
    images = random_images(config, names)
    model = build.make_model(config, images.image_shape)
    generate = tf.function(lambda noise: model.sample(noise))
    protocol = rumi_unbalanced(dataset=config.dataset)
    draw = np.random.default_rng(1)
    shape = (100, *images.image_shape)
    real = REFERENCE[config.dataset] // 100
    reference = extract(
        embedding, (draw.uniform(-1, 1, shape).astype(np.float32) for _ in range(real))
    )
    evaluator = Evaluator(protocol, embedding, reference, None)
    total = protocol.num_generated

    def seconds(complete: bool) -> float:
        batches = evaluation_batches(generate, config.latent_dim, total, 0, 1)
        return evaluator(batches, total=total, complete=complete).seconds

    return seconds(False), seconds(True)
