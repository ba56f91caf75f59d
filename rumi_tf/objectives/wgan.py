"""The Wasserstein GANs and their Rumi forms."""

from __future__ import annotations

from typing import ClassVar

from rumi_tf.objectives.base import Objective, parameter
from rumi_tf.objectives.gradient_penalty import Interpolated
from rumi_tf.objectives.rumi import RumiIPM
from rumi_tf.utils.lazy import tf


class Critic(Objective):
    """D minimises E_fake D - E_real D, G minimises -E_fake D (Arjovsky et al., 2017, Eq. 2-3).

    Subclasses bound D's slope.
    """

    def terms(self):
        return {
            "real": lambda out: -tf.reduce_mean(out["score"]),
            "fake": lambda out: tf.reduce_mean(out["score"]),
        }

    def generator_loss(self, outputs):
        return -tf.reduce_mean(outputs["score"])


class WGAN(Critic):
    """WGAN (Arjovsky et al., 2017, Algorithm 1): D's weights are clipped after each update.

    Only trainable weights are clipped, not the moving statistics of batch normalisation. The
    optimiser is Adam, not RMSProp as in the paper.
    """

    clip_value: float = parameter(
        0.01, "Bound of the absolute value of D's weights. Paper (WGAN): 0.01.", above=0
    )
    d_batch_norm: ClassVar = "none"  # its scale would be clipped too

    def after_update(self, player, variables):
        if player == "discriminator":
            for variable in variables:
                variable.assign(tf.clip_by_value(variable, -self.clip_value, self.clip_value))


class RumiWGAN(RumiIPM, WGAN):
    """Rumi-WGAN: the IPM form (`RumiIPM`) with clipped weights."""


class WGANGP(Interpolated, Critic):
    """WGAN-GP (Gulrajani et al., NeurIPS 2017, Eq. 3): lambda E (|dD/dx| - 1)^2 on lines."""


class RumiWGANGP(RumiIPM, WGANGP):
    """Rumi-WGAN-GP: the IPM form with lambda (gp+ + gp-).

    The penalties are on lines from positives, and from negatives, to generated images.
    """


class WGANLP(Interpolated, Critic):
    """WGAN-LP (Petzka et al., ICLR 2018, Eq. 8): lambda E max(0, |dD/dx| - 1)^2 on lines."""

    def deviation(self, norms):
        return tf.nn.relu(norms - 1.0)


class RumiWGANLP(RumiIPM, WGANLP):
    """Rumi-WGAN-LP: Rumi-WGAN-GP with the one-sided penalty."""
