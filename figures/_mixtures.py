"""Small mixtures of Gaussians on which the lemmas are put to the test, and what they predict.

A `Setting` names densities, an objective and its parameters; adding one is one line of `SETTINGS`.
Nothing here trains: see `figures._toy`.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from scipy.special import ndtr

from rumi_tf import theory

ITERATIONS = 1500


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Isotropic Gaussians: (K,) weights that sum to 1, (K, d) means, (K,) standard deviations."""

    weights: tuple[float, ...]
    means: tuple[tuple[float, ...], ...]
    deviations: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """Coordinates of a point."""
        return len(self.means[0])

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """Exact probability of every cell of the grid `edges` x ... x `edges`, (n,) * d."""
        total = np.zeros((len(edges) - 1,) * self.dimension)
        for weight, mean, deviation in zip(self.weights, self.means, self.deviations, strict=True):
            axes = [np.diff(ndtr((edges - m) / deviation)) for m in mean]
            total = total + weight * functools.reduce(np.multiply.outer, axes)
        return total


def line(*components: tuple[float, float, float]) -> Mixture:
    """A mixture in one dimension, of (weight, mean, standard deviation)."""
    weights, means, deviations = zip(*components, strict=True)
    return Mixture(weights, tuple((m,) for m in means), deviations)


def plane(*components: tuple[float, tuple[float, float], float]) -> Mixture:
    """A mixture in two dimensions, of (weight, mean, standard deviation)."""
    return Mixture(*zip(*components, strict=True))


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is trained: two densities, an objective by name, and its parameters."""

    title: str
    positive: Mixture
    negative: Mixture
    objective: str
    parameters: dict[str, float]

    @property
    def edges(self) -> np.ndarray:
        """Edges of the cells, the same along every axis; what lies outside has no mass to speak of.

        Narrow against the mixtures, so that comparing cells is comparing densities; wide against
        the noise of the samples (`figures._toy.SAMPLES`).
        """
        return np.linspace(-5.0, 5.0, 81 if self.positive.dimension == 1 else 33)

    @property
    def volume(self) -> float:
        """Volume of a cell."""
        return float((self.edges[1] - self.edges[0]) ** self.positive.dimension)

    def density(self, mixture: Mixture) -> np.ndarray:
        """Average density of a mixture in every cell."""
        return mixture.masses(self.edges) / self.volume

    def prediction(self) -> theory.Optimum:
        """The closed form for the cells' averages of the two densities."""
        positive, negative = self.density(self.positive), self.density(self.negative)
        return predict(self.objective, positive, negative, self.edges, **self.parameters)

    def total_variation(self, learnt: np.ndarray, other: np.ndarray) -> float:
        """Distance of two densities, in [0, 1]; what either lacks of mass 1 lies elsewhere."""
        outside = abs(float(np.sum(learnt - other))) * self.volume
        return 0.5 * (float(np.abs(learnt - other).sum()) * self.volume + outside)


def predict(
    objective: str,
    positive: np.ndarray,
    negative: np.ndarray,
    edges: np.ndarray,
    **parameters: Any,
) -> theory.Optimum:
    """The optimum that `rumi_tf.theory` gives for the objective of this name.

    Args:
        objective: a key of `OBJECTIVES`.
        positive, negative: densities, (n,) or (n, n).
        edges: (n + 1,) equidistant edges of the cells along every axis.
        parameters: those of the objective; what plays no part at the optimum is left out.

    Raises:
        KeyError: there is no closed form for it.
    """
    cells = (edges[1] - edges[0]) ** positive.ndim
    if objective == "rumi_lsgan":
        return theory.rumi_lsgan_optimum(positive, negative, cells, **parameters)
    weights = {name: parameters[name] for name in ("alpha_pos", "alpha_neg")}
    if objective.startswith("rumi_wgan"):
        points = (edges[1:] + edges[:-1]) / 2 if positive.ndim == 1 else None
        return theory.rumi_ipm_optimum(positive, negative, cells, **weights, points=points)
    if objective == "rumi_sgan" or objective.startswith("rumi_fgan_"):
        return theory.rumi_sgan_optimum(positive, negative, cells, **weights)
    raise KeyError(objective)


LEFT, RIGHT = line((1.0, -1.5, 0.6)), line((1.0, 1.5, 0.6))
NEAR_LEFT, NEAR_RIGHT = line((1.0, -0.5, 1.0)), line((1.0, 0.5, 1.0))
MIDDLE_LEFT, MIDDLE_RIGHT = line((1.0, -1.0, 0.7)), line((1.0, 1.0, 0.7))
CLASSES_AB = line((0.5, -2.0, 0.6), (0.5, 0.0, 0.6))
CLASSES_BC = line((0.5, 0.0, 0.6), (0.5, 2.0, 0.6))
DISC, CORE = plane((1.0, (0.0, 0.0), 1.2)), plane((1.0, (0.0, 0.0), 0.6))
PAIR_LOW = plane((0.5, (-1.2, -0.8), 0.8), (0.5, (1.2, -0.8), 0.8))
PAIR_MIXED = plane((0.5, (1.2, -0.8), 0.8), (0.5, (0.0, 1.2), 0.8))

PAPER_LABELS = {"label_b_neg": -1.0, "label_a": 0.0, "label_b_pos": 2.0, "label_c": 1.5}
CODE_LABELS = {"label_b_neg": -2.0, "label_a": -0.5, "label_b_pos": 2.0, "label_c": 2.0}
RAISED_LABELS = {"label_b_neg": 1.0, "label_a": 0.0, "label_b_pos": 2.0, "label_c": 2.0}


def _weighted(objective: str, alpha_pos: float, alpha_neg: float) -> tuple[str, dict[str, float]]:
    return objective, {"alpha_pos": alpha_pos, "alpha_neg": alpha_neg}


def _sgan(alpha_pos: float, alpha_neg: float) -> tuple[str, dict[str, float]]:
    return _weighted("rumi_sgan", alpha_pos, alpha_neg)


def _lsgan(
    labels: dict[str, float], beta_pos: float, beta_neg: float
) -> tuple[str, dict[str, float]]:
    return "rumi_lsgan", {**labels, "beta_pos": beta_pos, "beta_neg": beta_neg}


# lsgan_islands is there to show a limit: a continuous G joins two islands by a bridge, and does not
# come close in this time.
SETTINGS: dict[str, Setting] = {
    "sgan_positives": Setting("only the positives", LEFT, RIGHT, *_sgan(1, 0)),
    "sgan_separate": Setting("separate classes", LEFT, RIGHT, *_sgan(1, 1)),
    "sgan_mixture": Setting("a weighted mixture", NEAR_LEFT, NEAR_RIGHT, *_sgan(0.6, -0.4)),
    "sgan_overlap": Setting("overlapping classes", NEAR_LEFT, NEAR_RIGHT, *_sgan(1, 1)),
    "sgan_shared": Setting("a class in both sets", CLASSES_AB, CLASSES_BC, *_sgan(1, 0.5)),
    "lsgan_separate": Setting("separate classes", LEFT, RIGHT, *_lsgan(PAPER_LABELS, 1, 1)),
    "lsgan_positives": Setting("only the positives", LEFT, RIGHT, *_lsgan(RAISED_LABELS, 1, 1)),
    "lsgan_mixture": Setting(
        "a weighted mixture", MIDDLE_LEFT, MIDDLE_RIGHT, *_lsgan(RAISED_LABELS, 0.5, 1)
    ),
    "lsgan_islands": Setting(
        "a mixture of separate classes", LEFT, RIGHT, *_lsgan(RAISED_LABELS, 0.5, 1)
    ),
    "lsgan_overlap": Setting(
        "overlapping classes", NEAR_LEFT, NEAR_RIGHT, *_lsgan(PAPER_LABELS, 1, 1)
    ),
    "lsgan_shared": Setting(
        "a class in both sets", CLASSES_AB, CLASSES_BC, *_lsgan(CODE_LABELS, 2.5, 0.5)
    ),
    "fgan_kl_overlap": Setting(
        "overlapping classes", NEAR_LEFT, NEAR_RIGHT, *_weighted("rumi_fgan_kl", 1, 0.5)
    ),
    "fgan_pearson_overlap": Setting(
        "overlapping classes", NEAR_LEFT, NEAR_RIGHT, *_weighted("rumi_fgan_pearson", 1, 0.5)
    ),
    "wgan_lp_mixture": Setting(
        "a weighted mixture", NEAR_LEFT, NEAR_RIGHT, *_weighted("rumi_wgan_lp", 0.5, -0.5)
    ),
    "wgan_lp_overlap": Setting(
        "overlapping classes", NEAR_LEFT, NEAR_RIGHT, *_weighted("rumi_wgan_lp", 1, 0.2)
    ),
    "sgan_hole": Setting("negatives in the middle", DISC, CORE, *_sgan(1, 0.5)),
    "lsgan_plane": Setting(
        "a class in both sets", PAIR_LOW, PAIR_MIXED, *_lsgan(PAPER_LABELS, 1, 0.5)
    ),
}
