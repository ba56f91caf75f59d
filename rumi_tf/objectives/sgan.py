"""The standard GAN and Rumi-SGAN."""

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import Objective, parameter
from rumi_tf.objectives.rumi import RumiDivergence


class SGAN(Objective):
    """Standard GAN (Goodfellow et al., 2014), trained on the positives alone.

    D minimises -E_real log D - E_fake log(1 - D); G the non-saturating -E_fake log D, or with
    `g_loss=min_max` E_fake log(1 - D), which has no gradient while D is certain.
    """

    # The default is None, which means non_saturating, so that names of older runs stay the same.
    g_loss: str | None = parameter(
        None, "G's loss. non_saturating (default): -E log D; for f-GANs -E g(v). min_max: the "
        "value that D maximises, which has no gradient while D is certain. The paper does not "
        "say.",
        choices=("non_saturating", "min_max"),
    )  # fmt: skip

    def terms(self):
        return {
            "real": lambda out: losses.log_probability_real(out["score"]),
            "fake": lambda out: losses.log_probability_fake(out["score"]),
        }

    def generator_loss(self, outputs):
        if self.g_loss == "min_max":
            return -losses.log_probability_fake(outputs["score"])
        return losses.log_probability_real(outputs["score"])


class RumiSGAN(RumiDivergence, SGAN):
    """Rumi-SGAN (Eq. 1): positives have label 1; negatives, like generated images, label 0.

    D minimises -(alpha+ E+ log D + E_fake log(1 - D) + alpha- E- log(1 - D)); G as in SGAN.
    """
