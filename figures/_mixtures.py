"""Small mixtures of Gaussians for testing the lemmas, and the lemmas' predictions.

A `Setting` names densities, an objective and its parameters; adding one is one line of `SETTINGS`.
`figures._toy` trains on them.
"""

import dataclasses
import functools
from collections.abc import Mapping
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
        """Dimension of the space."""
        return len(self.means[0])

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """Exact probability of each cell of the grid `edges` x ... x `edges`, (n,) * d."""
        total = np.zeros((len(edges) - 1,) * self.dimension)
        for weight, mean, deviation in zip(self.weights, self.means, self.deviations, strict=True):
            axes = [np.diff(ndtr((edges - m) / deviation)) for m in mean]
            total = total + weight * functools.reduce(np.multiply.outer, axes)
        return total


def line(*components: tuple[float, float, float]) -> Mixture:
    """A mixture in one dimension; components are (weight, mean, standard deviation)."""
    weights, means, deviations = zip(*components, strict=True)
    return Mixture(weights, tuple((m,) for m in means), deviations)


def plane(*components: tuple[float, tuple[float, float], float]) -> Mixture:
    """A mixture in two dimensions; components are (weight, mean, standard deviation)."""
    return Mixture(*zip(*components, strict=True))


@dataclasses.dataclass(frozen=True)
class Setting:
    """A training task: two densities, an objective by name, and its parameters."""

    title: str
    positive: Mixture
    negative: Mixture
    objective: str
    parameters: dict[str, float]

    @property
    def edges(self) -> np.ndarray:
        """Edges of the cells, the same along every axis; the mass outside is negligible.

        Cells are narrow compared with the mixtures, so that comparing cells compares densities, and
        wide enough for the sampling noise to be small (`figures._toy.SAMPLES`).
        """
        return np.linspace(-5.0, 5.0, 81 if self.positive.dimension == 1 else 33)

    @property
    def volume(self) -> float:
        """Volume of a cell."""
        return float((self.edges[1] - self.edges[0]) ** self.positive.dimension)

    def density(self, mixture: Mixture) -> np.ndarray:
        """Average density of a mixture in each cell."""
        return mixture.masses(self.edges) / self.volume

    def prediction(self) -> theory.Optimum:
        """The closed-form optimum for the two densities averaged over cells."""
        positive, negative = self.density(self.positive), self.density(self.negative)
        return predict(self.objective, positive, negative, self.edges, **self.parameters)

    def total_variation(self, learnt: np.ndarray, other: np.ndarray) -> float:
        """Total variation distance of two densities, in [0, 1]; missing mass lies outside."""
        outside = abs(float(np.sum(learnt - other))) * self.volume
        return 0.5 * (float(np.abs(learnt - other).sum()) * self.volume + outside)


def predict(
    objective: str,
    positive: np.ndarray,
    negative: np.ndarray,
    edges: np.ndarray,
    **parameters: Any,
) -> theory.Optimum:
    """The optimum of an objective from `rumi_tf.theory`.

    Args:
        objective: a key of `OBJECTIVES`.
        positive, negative: densities, (n,) or (n, n).
        edges: (n + 1,) equidistant edges of the cells along every axis.
        parameters: parameters of the objective; those that do not affect the optimum are ignored.

    Raises:
        KeyError: the objective has no closed-form optimum.
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


def predicted_shares(
    labels: np.ndarray, indices: Mapping[str, np.ndarray], alpha_pos: float, alpha_neg: float
) -> np.ndarray:
    """(K,) shares of the classes of a data set at the optimum of Lemma 3.1.

    Exact if each class has the same density among positives and negatives; classes act as cells.

    Args:
        labels: (N,) labels of the data set.
        indices: indices of the `positive` and the `negative` images.
        alpha_pos, alpha_neg: the weights.
    """
    count = int(labels.max()) + 1
    sides = [np.bincount(labels[indices[side]], minlength=count) / len(indices[side])
             for side in ("positive", "negative")]  # fmt: skip
    return theory.rumi_sgan_optimum(*sides, alpha_pos=alpha_pos, alpha_neg=alpha_neg).generator


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


# lsgan_islands shows a limitation: a continuous G connects the two islands by a bridge and does not
# get close to the prediction in this time.
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
