"""The standard GAN and Rumi-SGAN."""

from typing import ClassVar

from rumi_tf import losses
from rumi_tf.errors import InvalidInput
from rumi_tf.objectives.base import Objective


class SGAN(Objective):
    """Standard GAN (Goodfellow et al., 2014), trained on the positives alone.

    D minimises -E_real log D - E_fake log(1 - D); G the non-saturating -E_fake log D.
    """

    def terms(self):
        return {
            "real": lambda out: losses.log_probability_real(out["score"]),
            "fake": lambda out: losses.log_probability_fake(out["score"]),
        }

    def generator_loss(self, outputs):
        return losses.log_probability_real(outputs["score"])


class RumiSGAN(SGAN):
    """Rumi-SGAN (Eq. 1): positives have label 1; negatives, like generated images, label 0.

    D minimises -(alpha+ E+ log D + E_fake log(1 - D) + alpha- E- log(1 - D)); G as in SGAN.
    """

    subsets: ClassVar = {"positive": "positive", "negative": "negative"}
    defaults: ClassVar = {"alpha_pos": 1.0, "alpha_neg": 1.0}

    def check(self):
        if self.alpha_pos > 1:
            raise InvalidInput("alpha_pos", f"is {self.alpha_pos:g}, must be at most 1 (Lemma 3.1)")
        if self.alpha_neg < self.alpha_pos - 1 - 1e-9:  # 0.8 - 1 is not -0.2 in binary
            raise InvalidInput(
                "alpha_neg",
                f"is {self.alpha_neg:g}, must be at least alpha_pos - 1 = "
                f"{self.alpha_pos - 1:g} (Lemma 3.1)",
            )

    def terms(self):
        return {
            "positive": lambda out: self.alpha_pos * losses.log_probability_real(out["score"]),
            "negative": lambda out: self.alpha_neg * losses.log_probability_fake(out["score"]),
            "fake": lambda out: losses.log_probability_fake(out["score"]),
        }
