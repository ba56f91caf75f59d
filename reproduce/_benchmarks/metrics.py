"""Metrics against straightforward implementations, and their values for real images."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf
from sklearn.cluster import MiniBatchKMeans

from reproduce._benchmarks.timing import Comparison, medians
from rumi_tf import metrics
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.embeddings import (
    Embedding,
    cache_directory,
    image_batches,
    load_embedding,
    load_inception,
)
from rumi_tf.evaluation.evaluator import Evaluator
from rumi_tf.evaluation.features import extract
from rumi_tf.evaluation.protocols import Protocol
from rumi_tf.runs.resolve import resolve
from rumi_tf.training.build import prepare

DIMENSION, GENERATED, REFERENCE = 2048, 10_000, 6_000


def comparisons(repetitions: int) -> Iterator[Comparison]:
    """Yields the comparisons, one per metric or baseline."""
    features = _features()
    yield _frechet(*features, repetitions)
    for starts in (1, 10):
        yield _prd(*features, starts, max(1, repetitions // 2))
    yield _inception(repetitions)


def _features() -> tuple[np.ndarray, np.ndarray]:
    """Clustered, non-negative features, like Inception's."""
    draw = np.random.default_rng(0)
    mix = draw.normal(size=(64, DIMENSION)) / 8
    centres = draw.normal(size=(30, 64)) * 2
    features = []
    for count, shift in ((GENERATED, 0.2), (REFERENCE, 0.0)):
        which = draw.integers(0, len(centres), count)
        inner = centres[which] + draw.normal(size=(count, 64)) + shift
        noise = 0.3 * draw.normal(size=(count, DIMENSION))
        features.append(np.abs(inner @ mix + noise).astype(np.float32))
    return features[0], features[1]


def _frechet(generated: np.ndarray, reference: np.ndarray, repetitions: int) -> Comparison:
    def by_square_root() -> float:
        a, b = generated.astype(np.float64), reference.astype(np.float64)
        c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        root = scipy.linalg.sqrtm(c @ d)
        return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * np.real(root)))

    ours, other = medians(
        lambda: metrics.frechet_distance(generated, reference), by_square_root, repetitions
    )
    return Comparison(
        f"Fréchet distance, {GENERATED:,} against {REFERENCE:,} x {DIMENSION:,}",
        "frechet_distance", "numpy.cov and scipy.linalg.sqrtm", ours[0], other[0],
        "at most 0.15", f"relative difference {abs(ours[1] - other[1]) / other[1]:.1e}",
    )  # fmt: skip


def _prd(generated: np.ndarray, reference: np.ndarray, starts: int, repetitions: int) -> Comparison:
    def plain_loop() -> np.ndarray:
        union = np.concatenate([generated, reference])
        slopes = np.tan(np.linspace(1e-10, np.pi / 2 - 1e-10, 1001))[:, None]
        curves = []
        for run in range(10):
            labels = MiniBatchKMeans(20, n_init=starts, random_state=run).fit_predict(union)
            q = np.bincount(labels[:GENERATED], minlength=20) / GENERATED
            p = np.bincount(labels[GENERATED:], minlength=20) / REFERENCE
            curves.append(np.minimum(slopes * p, q).sum(axis=1))
        precision = np.mean(curves, axis=0)
        return np.stack([precision, precision / slopes[:, 0]])

    ours, other = medians(
        lambda: np.stack(metrics.prd_curve(generated, reference)), plain_loop, repetitions
    )
    return Comparison(
        "PRD, 20 clusters, 10 clusterings, 1,001 angles, same samples", "prd_curve",
        f"loop over MiniBatchKMeans(n_init={starts})", ours[0], other[0], "at most 0.5",
        f"largest difference of the curves {np.abs(ours[1] - other[1]).max():.3f}",
    )  # fmt: skip


def random_inception(name: str, network: keras.Model | None = None) -> Embedding:
    """InceptionV3 with random weights, which do not affect its speed.

    Args:
        name: `inception` or `inception_299`.
        network: network whose weights to use; by default a new one.
    """
    network = network or _random_network()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "random.weights.h5"
        network.save_weights(path)
        return load_inception(name, str(path))


def _random_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.applications.InceptionV3(
        weights=None, include_top=False, pooling="avg", input_shape=(80, 80, 3)
    )


def _inception(repetitions: int, images: int = 500, batch: int = 100) -> Comparison:
    network = _random_network()
    embedding = random_inception("inception", network)
    draw = np.random.default_rng(0)
    small = draw.uniform(-1, 1, (images, 32, 32, 3)).astype(np.float32)
    large = [tf.random.uniform((batch, 80, 80, 3), -1, 1)] * (images // batch)
    bare = tf.function(lambda x: network(x, training=False))
    bare(large[0])
    extract(embedding, [small[:batch]])
    ours, other = medians(
        lambda: extract(embedding, [small]), lambda: [bare(x).numpy() for x in large], repetitions
    )
    return Comparison(
        f"InceptionV3 at 80x80, {images} images from arrays of 32x32",
        f"extract: {images / ours[0]:.0f} images/s, with resizing and statistics",
        f"bare compiled network: {images / other[0]:.0f} images/s", ours[0], other[0],
        f"at most {1 / 0.9:.2f}",
    )  # fmt: skip


def check(config: RunConfig) -> None:
    """Raises `InvalidInput` early if the data or the cache directory cannot be used."""
    prepare(resolve(config))
    cache_directory(config)


def sanity(config: RunConfig) -> list[dict[str, str]]:
    """Metrics of real images: half of a data set against the other half, and a class against itself
    and against another class. The embedding is the classifier.

    Returns:
        A row per metric, a column per comparison.
    """
    config = resolve(config)
    images, _ = prepare(config)
    embedding = load_embedding(config, images, "classifier")
    order = np.random.default_rng(0).permutation(len(images))
    half, rest = order[: len(order) // 2], order[len(order) // 2 :]
    five, three = (order[images.labels[order] == label] for label in (5, 3))
    pairs = {
        "half against half": (half, rest),
        "5 against 5": (five[: len(five) // 2], five[len(five) // 2 :]),
        "5 against 3": (five, three),
    }
    columns = {}
    for name, (sample, reference) in pairs.items():
        features = extract(embedding, image_batches(images, reference))
        protocol = Protocol("sanity", "classifier", len(sample), None, reference="all")
        result = Evaluator(protocol, embedding, features, None)(image_batches(images, sample))
        columns[name] = {"n": f"{result.n_generated} / {result.n_reference}"}
        for m in result.measurements:
            deviation = "" if m.std is None else f" ± {m.std:.2g}"
            columns[name][m.metric] = "-" if m.value is None else f"{m.value:.4g}{deviation}"
    (first, *_) = columns.values()
    return [{"metric": name, **{c: v[name] for c, v in columns.items()}} for name in first]
