"""Penalties on the gradient of D's score in its images, and DRAGAN."""

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
    """Adds lambda E (|dD/dx| - 1)^2 to D's loss; to be put before the base objective.

    The penalty is taken once for every role of the data, so that a Rumi form has
    lambda (gp+ + gp-), as the published code of Rumi-WGAN; a role whose term has weight 0 has
    none, so that the form reduces to its base. The expectation is over the points that `points`
    gives; they carry no gradient into the generator.

    It is defined image by image. With batch normalisation in D the score of an image depends on
    the others of its batch, and what is penalised is the gradient of the batch's summed scores:
    --d_batch_norm=none is the exact form and the default (Gulrajani et al., 2017, Section 4, advise
    against batch normalisation in the critic for that reason).
    """

    gp_weight: float = parameter(
        10.0, "Weight lambda of the gradient penalty. Paper: 10. The penalty is exact with "
        "--d_batch_norm=none.", low=0,
    )  # fmt: skip
    d_batch_norm: ClassVar = "none"

    @abc.abstractmethod
    def points(self, view, role):
        """(B, H, W, C) images at which the penalty of a role is taken."""

    def excess(self, norms):
        """(B,) norms of gradients -> by how much they are too large, or too small."""
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
        return tf.reduce_mean(tf.square(self.excess(norms)))


class Interpolated(GradientPenalty):
    """WGAN-GP's points: uniform on the lines between images of the role and generated ones."""

    def points(self, view, role):
        real, fake = view.images[role], view.images["fake"]
        one_each = (tf.shape(real)[0], *(1 for _ in real.shape[1:]))
        where = view.uniform(one_each, f"lines/{self.subsets[role]}")
        return real + where * (fake - real)


class Perturbed(GradientPenalty):
    """DRAGAN's points: images of the role plus noise.

    The noise is 0.5 std(batch) U[0, 1) in every pixel, that of the code of Kodali et al. (2017);
    the variance that their text gives is not meant for pixels in [-1, 1]. Their code takes the
    penalty between the image and its noisy copy, here it is taken at the copy, as in their text.
    """

    def points(self, view, role):
        real = view.images[role]
        noise = view.uniform(tf.shape(real), f"noise/{self.subsets[role]}")
        return real + 0.5 * tf.math.reduce_std(replicas.all_rows(real)) * noise


class DRAGAN(Perturbed, SGAN):
    """DRAGAN (Kodali et al., 2017): SGAN, and lambda E (|dD/dx| - 1)^2 around real images.

    D is the raw score here, whose sigmoid is the probability of the SGAN's loss.
    """


class RumiDRAGAN(RumiDivergence, DRAGAN):
    """Rumi-SGAN (Eq. 1) with DRAGAN's penalty around the positives and around the negatives."""
