"""Hours that Table 1 of the Rumi-GAN paper takes, extrapolated from a few iterations."""

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
from rumi_tf.data.class_names import class_names
from rumi_tf.data.dataset import LabelledImages, from_memory
from rumi_tf.evaluation.embeddings import Embedding
from rumi_tf.evaluation.evaluator import Evaluator
from rumi_tf.evaluation.features import extract
from rumi_tf.evaluation.protocols import rumi_unbalanced
from rumi_tf.experiments import paper_grid
from rumi_tf.export.sampler import evaluation_batches
from rumi_tf.training import build

IMAGES = 4_000  # noise: the content of the images does not affect the time
REFERENCE = {"mnist": 6_000, "cifar10": 5_000, "celeba": 10_000}  # real images of an evaluation
EVALUATIONS = 10  # per run, as in reproduce.table1; the last one computes all metrics
LENGTHS = (10_000, 50_000)
DATASETS = ("mnist", "cifar10", "celeba")
WORKERS = (1, 10, 110)


def rows(width: float, batch_size: int, repetitions: int) -> Iterator[dict[str, str]]:
    """Yields a row per data set and one for all: measured seconds and extrapolated hours.

    Args:
        width: width of the networks, 1 in the paper.
        batch_size: images per role, 100 in the paper.
        repetitions: number of timings of `ITERATIONS` iterations; the median counts.
    """
    embedding = random_inception("inception")
    all_runs: dict[int, list[float]] = {length: [] for length in LENGTHS}
    settings = {"width": width, "batch_size": batch_size, "cache_dir": ""}
    for dataset in DATASETS:
        names = class_names(dataset)
        cells = paper_grid.unbalanced_cells(
            "classes", dataset, names[0], paper_grid.MODELS, [0], settings
        )
        seconds = {}
        for cell in cells:
            step = stepper(cell.config, random_images(cell.config, names))
            seconds[cell.place["model"]] = _median(step, repetitions) / ITERATIONS
            del step
            gc.collect()
        evaluations = _evaluations(cells[0].config, names, embedding)
        runs = durations(len(names), seconds, *evaluations)
        all_runs = {length: all_runs[length] + runs[length] for length in LENGTHS}
        measured = {f"{model}, ms": f"{1000 * value:.0f}" for model, value in seconds.items()}
        for name, value in zip(("evaluation, s", "last one, s"), evaluations, strict=True):
            measured[name] = f"{value:.0f}"
        yield row(dataset, measured, runs)
    yield row("all", dict.fromkeys(measured, ""), all_runs)


def durations(
    classes: int, seconds: dict[str, float], evaluation: float, last: float
) -> dict[int, list[float]]:
    """Number of iterations -> seconds of each run of a data set.

    Args:
        classes: number of classes; each class and model is a cell.
        seconds: model -> seconds of an iteration.
        evaluation: seconds of an evaluation but the last.
        last: seconds of the last evaluation.
    """
    evaluations = (EVALUATIONS - 1) * evaluation + last
    return {n: [n * value + evaluations for value in seconds.values()] * classes for n in LENGTHS}


def row(dataset: str, measured: dict[str, str], runs: dict[int, list[float]]) -> dict[str, str]:
    """A row with the measured times, and the hours for each number of iterations and workers."""
    columns = {"data set": dataset, "cells": str(len(runs[LENGTHS[0]])), **measured}
    for length in LENGTHS:
        for workers in WORKERS:
            hours = makespan(runs[length], workers) / 3600
            columns[f"hours, {length:,} iterations, {workers} at once"] = f"{hours:.1f}"
    return columns


def makespan(durations: list[float], workers: int) -> float:
    """Time until all jobs are done if each idle worker takes the next one in order."""
    busy_until = [0.0] * workers
    for duration in durations:
        heapq.heappush(busy_until, heapq.heappop(busy_until) + duration)
    return max(busy_until)


def random_images(config: RunConfig, names: tuple[str, ...]) -> LabelledImages:
    """Noise with the shape and the classes of a data set."""
    draw = np.random.default_rng(0)
    size, channels = config.image_size, 1 if config.dataset == "mnist" else 3
    pixels = draw.integers(0, 256, (IMAGES, size, size, channels), np.uint8)
    return from_memory(pixels, np.arange(IMAGES) % len(names), names)


def _median(step: Callable[[], None], repetitions: int) -> float:
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _evaluations(
    config: RunConfig, names: tuple[str, ...], embedding: Embedding
) -> tuple[float, float]:
    """Seconds of an evaluation and of the last one, without what a run computes only once."""
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
