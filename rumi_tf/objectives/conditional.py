"""Base class of the conditional objectives, and their adversarial losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import Objective, parameter
from rumi_tf.utils.lazy import tf

_Loss = Callable[[Any], Any]  # (B,) scores -> scalar


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """Losses of (B,) scores: D's for real images, D's for generated images, and G's."""

    real: _Loss
    fake: _Loss
    generator: _Loss


# lsgan has the targets of Mao et al. (2017), (a, b, c) = (0, 1, 1).
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
    """A GAN whose generator is given a class; it learns from all images with their labels.

    `label_distribution` is read by `rumi_tf.training.build.make_class_shares`.
    """

    subsets: ClassVar = {"real": "all"}
    conditional: ClassVar = True
    adversarial_loss: str = parameter(
        "sgan", "Loss of the scores. UAC-GAN's paper: sgan; Rumi-GAN's does not say.",
        choices=tuple(ADVERSARIAL),
    )  # fmt: skip
    label_distribution: str = parameter(
        "uniform", "Classes of the generated images in training. uniform: all classes equally "
        "often. frequency: as often as in the data.", choices=("uniform", "frequency"),
    )  # fmt: skip

    @property
    def adversarial(self) -> Adversarial:
        """Losses selected by `adversarial_loss`."""
        return ADVERSARIAL[self.adversarial_loss]

    def terms(self):
        return {
            "real": lambda out: self.adversarial.real(self.score(out)),
            "fake": lambda out: self.adversarial.fake(self.score(out)),
        }

    def generator_loss(self, outputs):
        return self.adversarial.generator(self.score(outputs))
