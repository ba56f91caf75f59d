"""Gradient penalties, and DRAGAN."""

from __future__ import annotations

import abc
from typing import ClassVar

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import Objective, parameter
from rumi_tf.objectives.rumi import RumiDivergence
from rumi_tf.objectives.sgan import SGAN
from rumi_tf.utils import replicas
from rumi_tf.utils.lazy import tf


class GradientPenalty(Objective):
    """Adds lambda E (|dD/dx| - 1)^2 to D's loss. A mixin: list it before the base objective.

    Each role of the data has its own penalty. So a Rumi form has lambda (gp+ + gp-), like the
    published code of Rumi-WGAN. A role with weight 0 has none, so that the form reduces to its
    base. The expectation is over `points`, which carry no gradient into the generator.

    The penalty is defined per image. With batch normalisation in D the score of an image depends
    on the whole batch, and the gradient of the summed scores is penalised instead. So the default
    is --d_batch_norm=none, the exact form, as Gulrajani et al. (2017, Section 4) advise.
    """

    gp_weight: float = parameter(
        10.0, "Weight lambda of the gradient penalty. Paper: 10. The penalty is exact with "
        "--d_batch_norm=none.", low=0,
    )  # fmt: skip
    d_batch_norm: ClassVar = "none"

    @abc.abstractmethod
    def points(self, view, role):
        """(B, H, W, C) points of the penalty of a role."""

    def deviation(self, norms):
        """(B,) norms of gradients -> their deviation from 1."""
        return norms - 1.0

    def penalties(self, view):
        weights = self.data_weights()
        roles = [role for role in view.images if weights.get(role, 0.0) != 0]
        return [
            *super().penalties(view),
            *(self.gp_weight * self._penalty(view, role) for role in roles if self.gp_weight),
        ]

    def _penalty(self, view, role):
        points = tf.stop_gradient(self.points(view, role))
        with tf.GradientTape() as tape:
            tape.watch(points)
            scores = self.score(view.discriminate(points))
        norms = losses.gradient_norms(tape.gradient(scores, points))
        return tf.reduce_mean(tf.square(self.deviation(norms)))


class Interpolated(GradientPenalty):
    """WGAN-GP's points: uniform on lines between images of the role and generated images."""

    def points(self, view, role):
        real, fake = view.images[role], view.images["fake"]
        one_each = (tf.shape(real)[0], *(1 for _ in real.shape[1:]))
        where = view.uniform(one_each, f"lines/{self.subsets[role]}")
        return real + where * (fake - real)


class Perturbed(GradientPenalty):
    """DRAGAN's points: images of the role plus noise.

    The noise is 0.5 std(batch) U[0, 1) in every pixel, as in the code of Kodali et al. (2017). The
    variance in their text does not suit pixels in [-1, 1]. Their code takes the penalty between the
    image and its noisy copy. Here it is taken at the copy, as in their text.
    """

    def points(self, view, role):
        real = view.images[role]
        noise = view.uniform(tf.shape(real), f"noise/{self.subsets[role]}")
        return real + 0.5 * tf.math.reduce_std(replicas.all_rows(real)) * noise


class DRAGAN(Perturbed, SGAN):
    """DRAGAN (Kodali et al., 2017): SGAN with lambda E (|dD/dx| - 1)^2 around real images.

    D is the raw score, whose sigmoid is the probability in SGAN's loss.
    """


class RumiDRAGAN(RumiDivergence, DRAGAN):
    """Rumi-SGAN (Eq. 1) with DRAGAN's penalty around the positives and around the negatives."""
