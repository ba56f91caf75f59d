"""UAC-GAN's mixture of three Gaussians: data, vectorized training of many runs, evaluation.

Section 5.1 of the paper; details that it leaves open follow its published code.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.config.mixture import DEVIATIONS, MEANS, NUM_CLASSES, MixtureConfig
from rumi_tf.evaluation.protocols import uac_mixture
from rumi_tf.evaluation.results import Row, read_rows, rows_as_text, with_evaluation_id
from rumi_tf.experiments.vectorized import Adam, Batches, VectorizedTraining
from rumi_tf.metrics import polynomial_mmd2
from rumi_tf.networks.registry import conditional_pair
from rumi_tf.objectives import OBJECTIVES, Objective
from rumi_tf.runs.directories import check_writable, locked, read_summary
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils import rng
from rumi_tf.utils.environment import record_environment
from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.io import (
    atomic_path,
    read_npz,
    remove_temporaries,
    write_csv,
    write_json,
    write_text,
)

CLASSES = tuple(f"class_{k}" for k in range(NUM_CLASSES))
TARGETS = (*CLASSES, "marginal")
SHARES = (1 / NUM_CLASSES,) * NUM_CLASSES
LATENT_DIM = 2
CHUNK = 25  # runs per compiled call; more exceed the cache of a core


def config_for(objective: str, **values: Any) -> MixtureConfig:
    """The configuration of an objective.

    Settings that the objective does not have stay at their defaults, so that they do not change
    the hash of its runs.
    """
    others = {name for kind in OBJECTIVES.values() for name in kind.parameters}
    others -= set(OBJECTIVES[objective].parameters)
    values = {name: value for name, value in values.items() if name not in others}
    return MixtureConfig(objective=objective, **values)


def make_objective(config: MixtureConfig) -> Objective:
    """The objective, with those of its parameters that the configuration has."""
    kind, fields = OBJECTIVES[config.objective], {f.name for f in dataclasses.fields(config)}
    return kind(**{name: getattr(config, name) for name in kind.parameters if name in fields})


# ----- data -----------------------------------------------------------------------------------


def draw_classes(count: int, seed: int, stream: str) -> np.ndarray:
    """(3, count) float32 samples of the three classes."""
    normal = rng.numpy_generator(seed, stream).standard_normal(
        (len(MEANS), count), dtype=np.float32
    )
    means, deviations = (np.array([row], np.float32).T for row in (MEANS, DEVIATIONS))
    return means + deviations * normal


def epoch_batches(
    data: np.ndarray, config: MixtureConfig, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The real batches of an epoch of one run, in an order that depends on the seed and the epoch.

    Args:
        data: (3, samples) points.
        config: gives the shape of the batches.
        seed: seed of the run.
        epoch: number of the epoch.

    Returns:
        Points (iterations, d_steps, B, 1) float32, and labels (iterations, d_steps, B) uint8.
    """
    draw = np.random.default_rng([seed, rng.stream_number("mixture/shuffle"), epoch])
    shape = config.iterations, config.d_steps, config.batch_size
    steps = config.iterations * config.d_steps
    classes = len(data)
    if config.stratified:
        per_class = config.batch_size // classes
        points = draw.permuted(data, axis=1)[:, : steps * per_class]
        points = points.reshape(classes, steps, per_class).swapaxes(0, 1)
        labels = np.broadcast_to(np.repeat(np.arange(classes, dtype=np.uint8), per_class), shape)
    else:
        order = draw.permutation(data.size)[: steps * config.batch_size]
        points, labels = data.ravel()[order], (order // data.shape[1]).astype(np.uint8)
    return np.ascontiguousarray(points).reshape(*shape, 1), labels.reshape(shape)


def _batches(
    config: MixtureConfig,
    data: np.ndarray,
    seeds: range,
    epoch: int,
    draws: Sequence[tuple[str, str]],
) -> Batches:
    """All batches of an epoch of some runs; random numbers are functions of (run seed, epoch)."""
    shape = config.iterations, config.d_steps + 1, config.batch_size
    real = [
        epoch_batches(points, config, seed, epoch) for points, seed in zip(data, seeds, strict=True)
    ]
    noise = [rng.normal((*shape, LATENT_DIM), s, "mixture/noise", epoch) for s in seeds]
    labels = [
        tf.cast(rng.labels_of(_uniform(shape, s, "labels", epoch), SHARES), tf.uint8) for s in seeds
    ]
    drawn = {
        (kind, stream): tf.stack([_DRAW[kind](shape, s, stream, epoch) for s in seeds])
        for kind, stream in draws
    }
    return Batches(
        # Stacked by NumPy: tf.stack takes seconds for NumPy arrays.
        tf.constant(np.stack([points for points, _ in real])),
        tf.constant(np.stack([label for _, label in real])),
        tf.stack(noise), tf.stack(labels), drawn,
    )  # fmt: skip


def _uniform(shape: Sequence[int], seed: int, stream: str, epoch: int) -> tf.Tensor:
    return rng.uniform(shape, seed, f"mixture/{stream}", epoch)


def _permutations(shape: Sequence[int], seed: int, stream: str, epoch: int) -> tf.Tensor:
    draw = np.random.default_rng([seed, rng.stream_number(f"mixture/{stream}"), epoch])
    identity = np.broadcast_to(np.arange(shape[-1], dtype=np.uint16), shape)
    return tf.constant(draw.permuted(identity, axis=-1))


_DRAW = {"uniform": _uniform, "permutation": _permutations}


# ----- training -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class MixtureRuns:
    """A finished set of runs.

    Attributes:
        config: configuration of the runs.
        rows: results, one row per run and target.
        points: (R, 3, eval_samples) generated points.
        seconds: training time, summed over interruptions.
        reused: whether the runs had been finished before.
    """

    config: MixtureConfig
    rows: list[Row]
    points: np.ndarray
    seconds: float
    reused: bool


def make_training(config: MixtureConfig, jit_compile: bool = True) -> VectorizedTraining:
    """The untrained runs of a configuration."""
    objective = make_objective(config)
    generator, discriminator = conditional_pair(config.network)

    def networks(seed: int) -> dict[str, keras.Model]:
        common = {
            "network": config.network, "image_shape": (1,), "num_classes": NUM_CLASSES,
            "seed": seed,
        }  # fmt: skip
        models = {
            "generator": generator(latent_dim=LATENT_DIM, **common),
            "discriminator": discriminator(heads=objective.heads(), **common),
        }
        for name, player in objective.players().items():
            features = models["discriminator"].features
            models[name] = player.make(name=name, features=features, **common)
        return models

    return VectorizedTraining(
        objective, networks, config.run_seeds, d_steps=config.d_steps,
        batch_size=config.batch_size, class_shares=SHARES,
        adam=Adam(config.learning_rate, config.beta_1, config.beta_2), jit_compile=jit_compile,
    )  # fmt: skip


def train_epochs(
    config: MixtureConfig, training: VectorizedTraining, stop: int | None = None
) -> Iterator[int]:
    """Continues training; yields the number of finished epochs after each epoch.

    Args:
        config: configuration of the runs.
        training: the runs, at the end of an epoch.
        stop: number of finished epochs to stop at; by default all.
    """
    data = np.stack([draw_classes(config.samples, s, "mixture/data") for s in config.run_seeds])
    draws = training.draws()
    chunks = math.ceil(config.num_runs / CHUNK)
    for epoch in range(int(training.iteration) // config.iterations, stop or config.epochs):

        def batches_of(runs: slice, epoch: int = epoch) -> Batches:
            return _batches(config, data[runs], config.run_seeds[runs], epoch, draws)

        training.train(batches_of, chunks)
        yield epoch + 1


def train(
    config: MixtureConfig,
    jit_compile: bool = True,
    report: Callable[[int, float], None] = lambda epoch, left: None,
) -> MixtureRuns:
    """Trains or resumes the runs of a configuration, or loads them if they are finished.

    Args:
        config: configuration of the runs.
        jit_compile: whether XLA compiles the training loop.
        report: called after every epoch with the number of finished epochs and the seconds left.

    Raises:
        InvalidInput: the output directory cannot be used.
        RunBusy: another process is training these runs.
        RunDamaged: their files cannot be used.
    """
    directory = config.directory
    summary = read_summary(directory, config.epochs * config.iterations)
    if summary:
        return _load_finished(config, summary)
    check_writable(str(directory.parent))
    with locked(directory):
        summary = read_summary(directory, config.epochs * config.iterations)
        if summary:
            return _load_finished(config, summary)
        _check_or_write_config(config)
        remove_temporaries(directory)
        record_environment(directory / "environment.json")
        training = make_training(config, jit_compile)
        spent = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        checkpoints = Checkpoints(
            directory / "checkpoints", {**training.state(), "seconds": [spent]}
        )
        checkpoints.restore()
        checkpoints.remove_parts()
        start = int(training.iteration) // config.iterations
        began = previous = time.monotonic()
        for epoch in train_epochs(config, training):
            now = time.monotonic()
            spent.assign_add(now - previous)
            previous = now
            checkpoints.save()
            report(epoch, (now - began) / (epoch - start) * (config.epochs - epoch))
        points = generate_points(config, training)
        rows = with_evaluation_id(evaluate(config, points))
        with atomic_path(directory / "points.npz") as path:
            np.savez(path, points=points)
        write_csv(directory / "metrics.csv", rows_as_text(rows))
        summary = {"seconds": float(spent), "iterations": int(training.iteration)}
        write_json(directory / "summary.json", summary)
    return MixtureRuns(config, rows, points, float(spent), reused=False)


def _load_finished(config: MixtureConfig, summary: dict) -> MixtureRuns:
    directory = config.directory
    try:
        seconds = float(summary["seconds"])
        rows: list[Row] = read_rows(directory / "metrics.csv")
        points = read_npz(directory / "points.npz")["points"]
        if [(row.seed, row.target) for row in rows] != [
            (seed, target) for seed in config.run_seeds for target in TARGETS
        ]:
            raise ValueError("metrics.csv does not have one row per run and target")
        if points.shape != (config.num_runs, NUM_CLASSES, config.eval_samples):
            raise ValueError(f"points.npz has shape {points.shape}")
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise RunDamaged(f"{directory} is damaged: {error}; delete it to train anew") from error
    return MixtureRuns(config, rows, points, seconds, reused=True)


def _check_or_write_config(config: MixtureConfig) -> None:
    """Writes config.json, or raises `RunDamaged` if it describes other runs."""
    path = config.directory / "config.json"
    try:
        saved = MixtureConfig.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_text(path, config.to_json())
        return
    except ValueError as error:
        raise RunDamaged(f"{path} is damaged: {error}") from error
    if saved.identity() != config.identity():
        raise RunDamaged(f"{path} describes other runs")


# ----- evaluation -----------------------------------------------------------------------------


def generate_points(config: MixtureConfig, training: VectorizedTraining) -> np.ndarray:
    """(R, 3, eval_samples) generated points of every run and class."""
    count = config.eval_samples
    noise = tf.stack(
        [rng.normal((count, LATENT_DIM), s, "mixture/evaluation", 0, k)
         for s in config.run_seeds for k in range(NUM_CLASSES)]
    )  # fmt: skip
    noise = tf.reshape(noise, (config.num_runs, NUM_CLASSES * count, LATENT_DIM))
    labels = tf.repeat(tf.range(NUM_CLASSES), count)
    labels = tf.broadcast_to(labels, (config.num_runs, len(labels)))
    points = training.generate(noise, labels).numpy()
    return points.reshape(config.num_runs, NUM_CLASSES, count)


def evaluate(config: MixtureConfig, points: np.ndarray) -> list[Row]:
    """Squared MMD of every run, for each class and for all classes together.

    As in the published code, the protocol's number of points is drawn with replacement from the
    generated points and from the data. A perfect generator is therefore slightly above 0: its
    finite sample serves as the distribution, and the moments of that sample are not exact.

    Args:
        config: configuration of the runs.
        points: (R, 3, n) generated points; a run with a non-finite value has diverged, and its
            rows have no value.
    """
    protocol = uac_mixture()
    rows: list[Row] = []
    for seed, run_points in zip(config.run_seeds, points, strict=True):
        began = time.monotonic()
        values = mmd_by_target(config, run_points, seed)
        seconds = time.monotonic() - began
        for target, value in values.items():
            rows.append(
                Row(
                    dataset="mixture",
                    split="classes",
                    target=target,
                    objective=config.objective,
                    config_hash=config.hash(),
                    seed=seed,
                    iteration=config.epochs * config.iterations,
                    reference=f"{config.samples} points of each class",
                    protocol=protocol.name,
                    embedding=protocol.embedding,
                    metric="mmd2",
                    value=value,
                    std=None,
                    n_generated=protocol.num_generated,
                    n_reference=protocol.num_reference,
                    seconds=round(seconds, 3),
                    note="" if value is not None else "diverged",
                )
            )
    return rows


def mmd_by_target(config: MixtureConfig, points: np.ndarray, seed: int) -> dict[str, float | None]:
    """Target -> squared MMD of the (3, n) points of one run, `None` if any is not finite."""
    if not np.isfinite(points).all():
        return dict.fromkeys(TARGETS)
    protocol = uac_mixture()
    data = draw_classes(config.samples, seed, "mixture/data")
    draw = rng.numpy_generator(seed, "mixture/resampling")
    pairs = zip((*points, points.ravel()), (*data, data.ravel()), strict=True)
    return {
        target: polynomial_mmd2(
            draw.choice(fakes, protocol.num_generated), draw.choice(real, protocol.num_reference)
        )
        for target, (fakes, real) in zip(TARGETS, pairs, strict=True)
    }


def perfect_points(config: MixtureConfig) -> np.ndarray:
    """(R, 3, eval_samples) points of perfect generators, drawn from the mixture."""
    return np.stack(
        [draw_classes(config.eval_samples, s, "mixture/perfect") for s in config.run_seeds]
    )
