"""Summary of the augmentation experiment: a table and a paragraph of text."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from rumi_tf.experiments.augment import ARMS, GENERATED, METRICS, TITLES, ArmRow
from rumi_tf.metrics.diversity import diversity

DECISIVE = ("minority_recall", "balanced_accuracy")
CONFIDENCE = 0.95  # level of the interval of a difference
ROUNDING = 1e-9  # differences closer than this are equal
LOW_DIVERSITY = 0.5  # ratio to the diversity of real images
SMALL_TEST = 30  # test images of a class, below which one image moves recall by over 1/30


def arm_values(rows: Iterable[ArmRow], arm: str, metric: str) -> np.ndarray:
    """(repetitions,) values of a metric of an arm; NaN where a row has no value."""
    values = [row.value for row in rows if row.arm == arm and row.metric == metric]
    return np.array([np.nan if value is None else value for value in values], np.float64)


def mean_and_std(values: np.ndarray) -> str:
    """Mean ± sample standard deviation, ignoring NaN, e.g. `0.812 ± 0.031`."""
    values = values[~np.isnan(values)]
    if not len(values):
        return "-"
    deviation = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def summarise(rows: Sequence[ArmRow]) -> list[dict[str, str]]:
    """Table of text with a row per arm: mean and deviation of each metric over the repetitions."""
    table = []
    for arm, title in TITLES.items():
        arm_rows = [row for row in rows if row.arm == arm]
        cells = {
            metric.replace("_", " "): mean_and_std(arm_values(arm_rows, arm, metric))
            for metric in METRICS
        }
        first = arm_rows[0]
        counts = {"trained on": f"{first.n_train:,}", "tested on": f"{first.n_reference:,}"}
        seeds = ", ".join(str(row.classifier_seed) for row in arm_rows if row.metric == METRICS[0])
        table.append({"against the imbalance": title, **cells, **counts, "seeds": seeds})
    return table


@dataclasses.dataclass(frozen=True)
class Difference:
    """Mean paired difference between generated images and another arm.

    Attributes:
        baseline: the other arm.
        mean: mean of the differences within repetitions.
        low, high: its `CONFIDENCE` interval by Student's t; infinite without spread, that is, for
            one repetition or equal differences.
    """

    baseline: str
    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 if generated images are better, -1 if worse, 0 if the interval contains 0."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        words = {1: "better", 0: "not distinguishable", -1: "worse"}[self.sign]
        interval = "no spread" if math.isinf(self.low) else f"{self.low:+.3f} to {self.high:+.3f}"
        return f"{self.mean:+.3f} ({interval}, {words})"


def difference(ours: np.ndarray, theirs: np.ndarray, baseline: str = "") -> Difference:
    """Compares two arms by a paired t interval, which removes what the arms of a repetition share.

    Args:
        ours, theirs: (repetitions,) values; higher is better.
        baseline: name of the other arm.
    """
    differences = np.asarray(ours) - np.asarray(theirs)
    low, high = -math.inf, math.inf
    if len(differences) > 1 and np.ptp(differences) > ROUNDING:
        low, high = map(float, stats.ttest_rel(ours, theirs).confidence_interval(CONFIDENCE))
    return Difference(baseline, float(differences.mean()), low, high)


# (best sign, worst sign) among the decisive metrics -> answer.
ANSWERS = {
    (1, 1): "Yes",
    (1, 0): "Yes",
    (0, 0): "Not distinguishable",
    (0, -1): "No",
    (-1, -1): "No",
    (1, -1): "Mixed",
}


def small_test_note(num_test: int) -> str:
    """Warning that recall is coarse; empty if the class has at least `SMALL_TEST` test images."""
    if num_test >= SMALL_TEST:
        return ""
    return (
        f"Only {num_test} test images are of the class, so recall moves in steps of "
        f"{1 / num_test:.2f}."
    )


def low_diversity_note(generated: Mapping[int, np.ndarray], real: np.ndarray) -> str:
    """Warning that names the GAN runs whose images are nearly alike; empty if there are none.

    Args:
        generated: seed of a run -> its (N, H, W, C) images.
        real: (M, H, W, C) real images in the same range of values.
    """
    threshold = LOW_DIVERSITY * diversity(real)
    seeds = [
        str(seed)
        for seed, images in generated.items()
        if len(images) > 1 and diversity(images) < threshold
    ]
    if not seeds:
        return ""
    return (
        f"The generated images of seed {', '.join(seeds)} are nearly alike, less than half as "
        "diverse as real ones: more --iterations or a higher --learning_rate may help."
    )


def conclusion(rows: Sequence[ArmRow], class_name: str, num_test: int) -> str:
    """Paragraph that says whether generated images helped, against the best other arm and `none`.

    The answer is yes if they are better in minority recall or balanced accuracy and worse in
    neither, by the `CONFIDENCE` intervals.

    Args:
        rows: results of all arms and repetitions.
        class_name: name of the minority class.
        num_test: number of its test images, at least 1.
    """
    against_best = {
        metric: _against(rows, metric, _best_baseline(rows, metric)) for metric in DECISIVE
    }
    signs = [result.sign for result in against_best.values()]
    generated_rows = [row for row in rows if row.arm == GENERATED and row.metric == METRICS[0]]
    num_seeds = len(generated_rows)
    parts = [
        f"Did generated images of {class_name} help? {ANSWERS[max(signs), min(signs)]}.",
        f"Differences are between classifiers of the same seed, with the {CONFIDENCE:.0%} interval "
        f"over {num_seeds} seeds."
        if num_seeds > 1
        else "One seed has no spread, so the arms cannot be compared: give several --seeds.",
    ]
    for metric, result in against_best.items():
        parts.append(
            f"{metric.replace('_', ' ').capitalize()} is "
            f"{mean_and_std(arm_values(rows, GENERATED, metric))} with generated images and "
            f"{mean_and_std(arm_values(rows, result.baseline, metric))} with "
            f"{TITLES[result.baseline]}, the best alternative: {result}."
        )
        if result.baseline != "none":
            parts.append(
                f"With nothing done it is {mean_and_std(arm_values(rows, 'none', metric))}: "
                f"{_against(rows, metric, 'none')}."
            )
    if num_seeds > 1 and len({row.config_hash for row in generated_rows}) == 1:
        parts.append(
            "All seeds share one GAN run and one choice of images: only the classifiers differ."
        )
    return " ".join(filter(None, [*parts, small_test_note(num_test)]))


def _best_baseline(rows: Sequence[ArmRow], metric: str) -> str:
    baselines = [arm for arm in ARMS if arm != GENERATED]
    return max(baselines, key=lambda arm: arm_values(rows, arm, metric).mean())


def _against(rows: Sequence[ArmRow], metric: str, baseline: str) -> Difference:
    ours, theirs = (arm_values(rows, arm, metric) for arm in (GENERATED, baseline))
    return difference(ours, theirs, baseline)
