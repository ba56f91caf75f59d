"""The projection discriminator."""

from __future__ import annotations

from rumi_tf.objectives.base import parameter
from rumi_tf.objectives.conditional import ADVERSARIAL, Conditional
from rumi_tf.utils.lazy import tf


class CGANPD(Conditional):
    """CGAN with a projection discriminator (Miyato and Koyama, ICLR 2018, Eq. 3).

    The score of an image with label y is l(phi) + <V_y, phi>, with phi the last features of D and
    V a learnt K x F matrix. D's head `projection`, (B, K), is <V_k, phi> for every class k. The
    published code of Rumi-GAN multiplies scalars instead. The adversarial loss is the hinge loss of
    Miyato and Koyama; the Rumi paper does not state one. Their generator has class-conditional
    batch normalisation, which the networks here do not have.
    """

    adversarial_loss: str = parameter(
        "hinge", "Loss of the scores. Miyato and Koyama: hinge; Rumi-GAN's paper does not say.",
        choices=tuple(ADVERSARIAL),
    )  # fmt: skip

    def heads(self):
        return ("projection",)

    def score(self, outputs):
        own = tf.gather(outputs["projection"], outputs["label"], batch_dims=1)
        return outputs["score"] + own
