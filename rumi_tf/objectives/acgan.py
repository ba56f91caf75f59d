"""The auxiliary-classifier GANs: AC-GAN and TAC-GAN."""

from __future__ import annotations

from collections.abc import Mapping

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import parameter
from rumi_tf.objectives.conditional import Conditional
from rumi_tf.utils.lazy import tf


class ACGAN(Conditional):
    """AC-GAN (Odena et al., ICML 2017; UAC-GAN, Eq. 1).

    D minimises its adversarial loss - E_real log C(x, y) - E_fake log C(x, y). G minimises its
    adversarial loss - E_fake log C(x, y). C is the head `class` of D.

    By default (`classifier_on_fakes` false) D's loss has no term E_fake log C. With the term, C and
    G share a loss on generated images, and in our runs converged on a class signal that resembles
    no digit (docs/results.md). The Rumi paper does not state the adversarial loss
    of its AC-GAN; cross-entropy is that of Odena et al.
    """

    classifier_on_fakes: bool = parameter(
        False, "Whether D's classifier also learns from generated images. If true, it and G may "
        "converge on a class signal that people cannot see.",
    )  # fmt: skip

    def heads(self):
        return ("class",)

    def terms(self):
        base = super().terms()
        on_fakes = float(self.classifier_on_fakes)
        return {
            "real": lambda out: base["real"](out) + _classification("class", out),
            "fake": lambda out: base["fake"](out) + on_fakes * _classification("class", out),
        }

    def generator_loss(self, outputs):
        return super().generator_loss(outputs) + _classification("class", outputs)


class TACGAN(ACGAN):
    """TAC-GAN (Gong et al., NeurIPS 2019; UAC-GAN, Eq. 4-5).

    The head `twin`, Cmi, learns the classes of generated images, and G works against it. The terms
    - E_fake log Cmi(x, y) in D's loss and + lambda E_fake log Cmi(x, y) in G's loss are added, with
    lambda = `twin_weight`. As in the published code D's term has no weight. With lambda = 0 there
    is no such head, which is AC-GAN.
    """

    twin_weight: float = parameter(
        1.0, "Weight of the twin classifier in G's loss; 0 is acgan. Paper: 1.", low=0
    )

    def heads(self):
        return (*super().heads(), "twin") if self.twin_weight else super().heads()

    def terms(self):
        base = super().terms()
        if not self.twin_weight:
            return base
        return {**base, "fake": lambda out: base["fake"](out) + _classification("twin", out)}

    def generator_loss(self, outputs):
        base = super().generator_loss(outputs)
        if not self.twin_weight:
            return base
        return base - self.twin_weight * _classification("twin", outputs)


def _classification(head: str, outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    return losses.class_cross_entropy(outputs[head], outputs["label"])
