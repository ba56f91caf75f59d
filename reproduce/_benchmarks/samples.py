"""Metrics of generators of known quality, when there are few real images.

The generators return real images: one is perfect, two have a known fault. A metric's value for the
perfect generator shows its bias, and the variation of that value its spread. A metric is
informative if it separates the other generators from the perfect one by many spreads.
"""

from collections.abc import Callable, Iterator

import numpy as np

from rumi_tf import metrics
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.embeddings import image_batches, load_embedding
from rumi_tf.evaluation.evaluator import compare
from rumi_tf.evaluation.features import Features, extract
from rumi_tf.runs.resolve import resolve
from rumi_tf.training.build import prepare

SIZES = (20, 50, 100, 200, 500, 1000)  # numbers of real images
GENERATED = 1000  # "generated" images; at most half of the class
LABEL = 5  # the target class
OTHERS = 1000  # images of other classes
WRONG = 0.1  # share of other classes in the second generator's images
COPIED = 20  # distinct images of the third generator

_Generator = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _perfect(target: np.ndarray, others: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    del others, draw
    return target


def _wrong(target: np.ndarray, others: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    count = round(WRONG * len(target))
    return draw.permutation(
        np.concatenate([draw.choice(others, count, replace=False), target[count:]])
    )


def _few(target: np.ndarray, others: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    del others
    return draw.choice(target[:COPIED], len(target))


# (images of the class, images of other classes, random generator) -> generated images.
GENERATORS: dict[str, _Generator] = {
    "perfect": _perfect,
    "one in ten of another class": _wrong,
    f"copies of {COPIED} images": _few,
}


def table(config: RunConfig, repetitions: int) -> Iterator[dict[str, str | int | float]]:
    """Yields a row per number of real images, metric and generator.

    Every repetition draws other images. `mean` and `std` are over repetitions; `apart` is the
    difference of a generator's mean from the perfect one's, divided by the root of their mean
    variance.

    Args:
        config: config with the data set, its directory and the cache of the classifier.
        repetitions: at least 2.
    """
    features, target, others, identity = _features(config)
    n_generated = min(GENERATED, len(target) // 2)
    for size in (n for n in SIZES if n <= len(target) - n_generated):
        results = [
            _values(features, target, others, n_generated, size, seed)
            for seed in range(repetitions)
        ]
        for metric in results[0]["perfect"]:
            values = {
                name: np.array([result[name][metric] for result in results]) for name in GENERATORS
            }
            for name, sample in values.items():
                yield {
                    "dataset": config.dataset, "n_reference": size, "n_generated": n_generated,
                    "metric": metric, "generator": name, "mean": f"{sample.mean():.4g}",
                    "std": f"{sample.std(ddof=1):.2g}",
                    "apart": _apart(sample, values["perfect"]),
                    "repetitions": repetitions, "embedding": identity,
                }  # fmt: skip


def _features(config: RunConfig) -> tuple[Features, np.ndarray, np.ndarray, str]:
    """Features of the class and of some other images, rows of each, and the embedding's id."""
    config = resolve(config)
    images, _ = prepare(config)
    embedding = load_embedding(config, images, "classifier")
    order = np.random.default_rng(0).permutation(len(images))
    target = order[images.labels[order] == LABEL]
    indices = np.concatenate([target, order[images.labels[order] != LABEL][:OTHERS]])
    features = extract(embedding, image_batches(images, indices), len(indices))
    rows = np.arange(len(indices))
    return features, rows[: len(target)], rows[len(target) :], embedding.identity


def _values(
    features: Features,
    target: np.ndarray,
    others: np.ndarray,
    n_generated: int,
    size: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Generator -> metric -> value, for one random choice of images."""
    draw = np.random.default_rng([size, seed])
    target = draw.permutation(target)
    real = _rows(features, target[n_generated : n_generated + size])
    values = {}
    for name, generate in GENERATORS.items():
        generated = _rows(features, generate(target[:n_generated], others, draw))
        measurements, _ = compare(generated, real, "fd_classifier", seed=seed, extrapolate=True)
        values[name] = {
            m.metric: np.nan if m.value is None else m.value
            for m in measurements
            if m.metric != "inception_score"  # it does not depend on the real images
        }
        values[name]["share_of_the_class"] = metrics.class_histogram(generated.classes)[LABEL]
    return values


def _rows(features: Features, rows: np.ndarray) -> Features:
    kept = features.kept[rows]
    statistics = metrics.GaussianStatistics().update(kept)
    return Features(statistics, kept, features.scores[rows], features.classes[rows])


def _apart(values: np.ndarray, perfect: np.ndarray) -> str:
    spread = np.sqrt((values.var(ddof=1) + perfect.var(ddof=1)) / 2)
    if values is perfect or not spread:
        return ""
    return f"{(values.mean() - perfect.mean()) / spread:.1f}"


def wide(rows: list[dict[str, str | int | float]]) -> list[dict[str, str]]:
    """`rows` in wide form: a line per metric and number of images, a column per generator."""
    lines: dict[tuple, dict[str, str]] = {}
    for row in rows:
        key = str(row["metric"]), str(row["n_reference"])
        line = lines.setdefault(key, {"metric": key[0], "real": key[1]})
        apart = f" ({row['apart']})" if row["apart"] else ""
        line[str(row["generator"])] = f"{row['mean']} ± {row['std']}{apart}"
    return sorted(lines.values(), key=lambda line: line["metric"])
