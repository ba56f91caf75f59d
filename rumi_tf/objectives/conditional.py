"""What the conditional objectives share: labels, and a choice of adversarial losses."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import tensorflow as tf

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import Objective

_Loss = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """Losses of (B,) scores: D's for real and for generated images, and G's."""

    real: _Loss
    fake: _Loss
    generator: _Loss


# The labels of lsgan are those of Mao et al. (2017), (a, b, c) = (0, 1, 1).
ADVERSARIAL = {
    "sgan": Adversarial(
        losses.log_probability_real, losses.log_probability_fake, losses.log_probability_real
    ),
    "lsgan": Adversarial(
        lambda scores: losses.least_squares(scores, 1.0),
        lambda scores: losses.least_squares(scores, 0.0),
        lambda scores: losses.least_squares(scores, 1.0),
    ),
    "hinge": Adversarial(
        losses.hinge_real, losses.hinge_fake, lambda scores: -tf.reduce_mean(scores)
    ),
}


class Conditional(Objective):
    """A GAN whose generator is told a class; it learns from all images with their labels.

    `label_distribution`, from which the labels of generated images are drawn, acts in
    `rumi_tf.data.splits.class_shares`.
    """

    subsets: ClassVar = {"real": "all"}
    defaults: ClassVar = {"adversarial_loss": "sgan", "label_distribution": "uniform"}
    conditional: ClassVar = True
    adversarial_loss: str

    @property
    def adversarial(self) -> Adversarial:
        """The losses that --adversarial_loss names."""
        return ADVERSARIAL[self.adversarial_loss]

    def terms(self):
        return {
            "real": lambda out: self.adversarial.real(self.score(out)),
            "fake": lambda out: self.adversarial.fake(self.score(out)),
        }

    def generator_loss(self, outputs):
        return self.adversarial.generator(self.score(outputs))
