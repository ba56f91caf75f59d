"""The projection discriminator."""

from typing import ClassVar

import tensorflow as tf

from rumi_tf.objectives.conditional import Conditional


class CGANPD(Conditional):
    """CGAN with a projection discriminator (Miyato and Koyama, ICLR 2018, Eq. 3).

    The score of an image with label y is l(phi) + <V_y, phi>, with phi the last features of D and
    V a learnt K x F matrix. D has the head `projection`, (B, K), of <V_k, phi> for every class k.
    The published code of Rumi-GAN multiplies scalars instead, which is no projection. The
    adversarial loss is the hinge of Miyato and Koyama; the Rumi paper does not state one. Their
    generator has class-conditional batch normalisation, which none of the networks here has.
    """

    defaults: ClassVar = {**Conditional.defaults, "adversarial_loss": "hinge"}

    def heads(self):
        return ("projection",)

    def score(self, outputs):
        own = tf.gather(outputs["projection"], outputs["label"], batch_dims=1)
        return outputs["score"] + own
