"""What classifiers with and without generated images say: a table and a paragraph in words."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from rumi_tf.experiments.augment import ARMS, GENERATED, METRICS, TITLES, ArmRow
from rumi_tf.metrics.diversity import diversity

DECISIVE = ("minority_recall", "balanced_accuracy")
CONFIDENCE = 0.95  # of the interval of a difference
ROUNDING = 1e-9  # within which differences are the same
ALIKE = 0.5  # of the deviation of real images
FEW = 30  # images to test on, below which a single one moves recall by more than 1/30


def values_of(rows: Iterable[ArmRow], arm: str, metric: str) -> np.ndarray:
    """(trials,) values of an arm, in the order of the trials; NaN where there is none."""
    found = [row.value for row in rows if row.arm == arm and row.metric == metric]
    return np.array([np.nan if value is None else value for value in found], np.float64)


def spread(values: np.ndarray) -> str:
    """Mean ± sample deviation of the values that there are, e.g. `0.812 ± 0.031`."""
    there = values[~np.isnan(values)]
    if not len(there):
        return "-"
    deviation = f" ± {there.std(ddof=1):.3f}" if len(there) > 1 else ""
    return f"{there.mean():.3f}{deviation}"


def summarise(rows: Sequence[ArmRow]) -> list[dict[str, str]]:
    """A row of text for every arm: mean and deviation of each metric over the trials."""
    table = []
    for arm, title in TITLES.items():
        mine = [row for row in rows if row.arm == arm]
        cells = {
            metric.replace("_", " "): spread(values_of(mine, arm, metric)) for metric in METRICS
        }
        counts = {"trained on": f"{mine[0].n_train:,}", "tested on": f"{mine[0].n_reference:,}"}
        seeds = ", ".join(str(row.classifier_seed) for row in mine if row.metric == METRICS[0])
        table.append({"against the imbalance": title, **cells, **counts, "seeds": seeds})
    return table


@dataclasses.dataclass(frozen=True)
class Difference:
    """Generated images less another arm.

    Attributes:
        rival: the other arm.
        mean: of the differences of single trials.
        low, high: interval of that mean with `CONFIDENCE`, by Student's t; infinite where there is
            no spread to judge by: of one trial, or of differences that are all the same.
    """

    rival: str
    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 if generated images are better, -1 if worse, 0 if that cannot be told."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        words = {1: "better", 0: "not distinguishable", -1: "worse"}[self.sign]
        inside = f"{self.low:+.3f} to {self.high:+.3f}, "
        if math.isinf(self.low):
            inside = "no spread, "
        return f"{self.mean:+.3f} ({inside}{words})"


def difference(ours: np.ndarray, theirs: np.ndarray, rival: str = "") -> Difference:
    """Compares arms trial by trial, so that what all arms of a trial share drops out.

    Args:
        ours, theirs: (trials,) values, better if higher.
        rival: name of the other arm.
    """
    each = np.asarray(ours) - np.asarray(theirs)
    mean, half = float(each.mean()), math.inf
    if len(each) > 1 and np.ptp(each) > ROUNDING:
        error = each.std(ddof=1) / math.sqrt(len(each))
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(each) - 1) * error)
    return Difference(rival, mean, mean - half, mean + half)


# By the best and the worst sign among the decisive metrics.
ANSWERS = {
    (1, 1): "Yes",
    (1, 0): "Yes",
    (0, 0): "Not distinguishable",
    (0, -1): "No",
    (-1, -1): "No",
    (1, -1): "Mixed",
}


def small_test_note(tested: int) -> str:
    """What so few test images of the class mean for its recall; empty if they are not few."""
    if tested >= FEW:
        return ""
    return (
        f"Only {tested} of the images tested on are of the class, so recall moves in steps of "
        f"{1 / tested:.2f}."
    )


def sameness_note(generated: Mapping[int, np.ndarray], real: np.ndarray) -> str:
    """Which GAN runs made images that are nearly alike; empty if none did.

    Args:
        generated: seed of a run -> (N, H, W, C) images of it.
        real: (M, H, W, C) real ones, in the same range of values.
    """
    enough = ALIKE * diversity(real)
    seeds = [
        str(seed)
        for seed, images in generated.items()
        if len(images) > 1 and diversity(images) < enough
    ]
    if not seeds:
        return ""
    return (
        f"The generated images of seed {', '.join(seeds)} are nearly alike, less than half as "
        "different as real ones: more --iterations or a higher --learning_rate may help."
    )


def verdict(rows: Sequence[ArmRow], class_name: str, tested: int) -> str:
    """A paragraph: whether generated images helped, against the best other arm and against none.

    The answer is `yes` where they are better in minority recall or balanced accuracy and worse in
    neither, beyond the spread over the trials.

    Args:
        rows: of all arms and trials.
        class_name: of the scarce class.
        tested: number of images tested on that are of the class, at least 1.
    """
    best = {metric: _against(rows, metric, _best_rival(rows, metric)) for metric in DECISIVE}
    signs = [found.sign for found in best.values()]
    ours = [row for row in rows if row.arm == GENERATED and row.metric == METRICS[0]]
    parts = [
        f"Did generated images of {class_name} help? {ANSWERS[max(signs), min(signs)]}.",
        "Differences are between classifiers of the same seed, and are given with their "
        f"{CONFIDENCE:.0%} interval over {len(ours)} seeds."
        if len(ours) > 1
        else "One seed has no spread, so nothing can be told apart: give several --seeds.",
    ]
    for metric, found in best.items():
        parts.append(
            f"{metric.replace('_', ' ').capitalize()} is "
            f"{spread(values_of(rows, GENERATED, metric))} with them and "
            f"{spread(values_of(rows, found.rival, metric))} with {TITLES[found.rival]}, the best "
            f"of the other ways: {found}."
        )
        if found.rival != "none":
            parts.append(
                f"With nothing done it is {spread(values_of(rows, 'none', metric))}: "
                f"{_against(rows, metric, 'none')}."
            )
    if len(ours) > 1 and len({row.config_hash for row in ours}) == 1:
        parts.append(
            "All seeds share one GAN run and one choice of images: the spread is that of the "
            "classifiers alone."
        )
    return " ".join(filter(None, [*parts, small_test_note(tested)]))


def _best_rival(rows: Sequence[ArmRow], metric: str) -> str:
    rivals = [arm for arm in ARMS if arm != GENERATED]
    return max(rivals, key=lambda arm: values_of(rows, arm, metric).mean())


def _against(rows: Sequence[ArmRow], metric: str, rival: str) -> Difference:
    ours, theirs = (values_of(rows, arm, metric) for arm in (GENERATED, rival))
    return difference(ours, theirs, rival)
