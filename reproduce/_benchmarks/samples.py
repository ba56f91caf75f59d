"""What the metrics say of generators whose quality is known, when there are few real images.

The generators are made of real images: one without fault, and two with a known one. What a metric
says of the first is its bias, and how much that varies its spread; by how many spreads it sets the
others apart from the first is what it can be trusted to tell.
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

SIZES = (20, 50, 100, 200, 500, 1000)  # real images that there are
JUDGED = 1000  # images that stand for generated ones; of a small class half of it
LABEL = 5  # the class that is to be learnt
OTHERS = 1000  # images of other classes at hand
WRONG = 0.1  # share of them in what the second generator makes
COPIED = 20  # images that are all the third one makes

_Draw = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _perfect(own: np.ndarray, others: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    del others, draw
    return own


def _wrong(own: np.ndarray, others: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    count = round(WRONG * len(own))
    return draw.permutation(
        np.concatenate([draw.choice(others, count, replace=False), own[count:]])
    )


def _few(own: np.ndarray, others: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    del others
    return draw.choice(own[:COPIED], len(own))


# (images of the class, images of others, generator of random numbers) -> what is generated.
GENERATORS: dict[str, _Draw] = {
    "perfect": _perfect,
    "one in ten of another class": _wrong,
    f"copies of {COPIED} images": _few,
}


def table(config: RunConfig, repetitions: int) -> Iterator[dict[str, str | int | float]]:
    """Yields a row per number of real images, metric and generator.

    Every repetition has other images. `mean` and `std` are over the repetitions, `apart` is how far
    a generator's mean is from the perfect one's, in the root of their mean variance.

    Args:
        config: names the data set, its directory and the cache of the classifier.
        repetitions: at least 2.
    """
    known, own, others, identity = _features(config)
    judged = min(JUDGED, len(own) // 2)
    for size in (n for n in SIZES if n <= len(own) - judged):
        found = [_values(known, own, others, judged, size, seed) for seed in range(repetitions)]
        for metric in found[0]["perfect"]:
            values = {
                name: np.array([values[name][metric] for values in found]) for name in GENERATORS
            }
            for name, measured in values.items():
                yield {
                    "dataset": config.dataset, "n_reference": size, "n_generated": judged,
                    "metric": metric, "generator": name, "mean": f"{measured.mean():.4g}",
                    "std": f"{measured.std(ddof=1):.2g}",
                    "apart": _apart(measured, values["perfect"]),
                    "repetitions": repetitions, "embedding": identity,
                }  # fmt: skip


def _features(config: RunConfig) -> tuple[Features, np.ndarray, np.ndarray, str]:
    """Of all images of the class and of some others: rows, those of the class, those of others."""
    config = resolve(config)
    images, _ = prepare(config)
    embedding = load_embedding(config, images, "classifier")
    order = np.random.default_rng(0).permutation(len(images))
    own = order[images.labels[order] == LABEL]
    chosen = np.concatenate([own, order[images.labels[order] != LABEL][:OTHERS]])
    known = extract(embedding, image_batches(images, chosen), len(chosen))
    rows = np.arange(len(chosen))
    return known, rows[: len(own)], rows[len(own) :], embedding.identity


def _values(
    known: Features, own: np.ndarray, others: np.ndarray, judged: int, size: int, seed: int
) -> dict[str, dict[str, float]]:
    """Generator -> metric -> value, of one choice of images."""
    draw = np.random.default_rng([size, seed])
    own = draw.permutation(own)
    real = _rows(known, own[judged : judged + size])
    found = {}
    for name, generate in GENERATORS.items():
        made = _rows(known, generate(own[:judged], others, draw))
        measured, _ = compare(made, real, seed=seed, extrapolate=True)
        found[name] = {
            m.metric: np.nan if m.value is None else m.value
            for m in measured
            if m.metric != "inception_score"  # it does not look at real images
        }
        found[name]["share_of_the_class"] = metrics.class_histogram(made.classes)[LABEL]
    return found


def _rows(known: Features, rows: np.ndarray) -> Features:
    kept = known.kept[rows]
    statistics = metrics.GaussianStatistics().update(kept)
    return Features(statistics, kept, known.scores[rows], known.classes[rows])


def _apart(values: np.ndarray, perfect: np.ndarray) -> str:
    spread = np.sqrt((values.var(ddof=1) + perfect.var(ddof=1)) / 2)
    if values is perfect or not spread:
        return ""
    return f"{(values.mean() - perfect.mean()) / spread:.1f}"


def wide(rows: list[dict[str, str | int | float]]) -> list[dict[str, str]]:
    """The same for people: a line per metric and number of images, a column per generator."""
    lines: dict[tuple, dict[str, str]] = {}
    for row in rows:
        key = str(row["metric"]), str(row["n_reference"])
        line = lines.setdefault(key, {"metric": key[0], "real": key[1]})
        apart = f" ({row['apart']})" if row["apart"] else ""
        line[str(row["generator"])] = f"{row['mean']} ± {row['std']}{apart}"
    return sorted(lines.values(), key=lambda line: line["metric"])
