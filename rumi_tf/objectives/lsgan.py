"""The least-squares GAN and Rumi-LSGAN."""

from typing import ClassVar

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import ROUNDING, Objective, parameter
from rumi_tf.utils.errors import InvalidInput


class LSGAN(Objective):
    """Least-squares GAN (Mao et al., 2017), trained on the positives alone.

    D minimises E_real (D - b)^2 + E_fake (D - a)^2; G minimises E_fake (D - c)^2, with the
    paper's (a, b, c) = (0, 1, 1). The flag of b is --label_b_pos.
    """

    label_a: float = parameter(0.0, "Target a of D for generated images. Paper: 0.")
    label_b_pos: float = parameter(1.0, "Target b of D for real images. Paper: 1.")
    label_c: float = parameter(1.0, "Target c of G. Paper: 1.")

    def check(self):
        if self.label_b_pos <= self.label_a:
            raise InvalidInput(
                "label_b_pos",
                f"is {self.label_b_pos:g}, must be greater than label_a = {self.label_a:g}",
            )

    def terms(self):
        return {
            "real": lambda out: losses.least_squares(out["score"], self.label_b_pos),
            "fake": lambda out: losses.least_squares(out["score"], self.label_a),
        }

    def generator_loss(self, outputs):
        return losses.least_squares(outputs["score"], self.label_c)


class RumiLSGAN(LSGAN):
    """Rumi-LSGAN (Eq. 3-4), with the paper's (b-, a, b+, c) = (-1, 0, 2, 1.5).

    D minimises beta+ E+ (D - b+)^2 + beta- E- (D - b-)^2 + E_fake (D - a)^2. Only
    the term E_fake (D - c)^2 of the generator's loss (Eq. 4) depends on the generator; only it is
    computed.
    """

    subsets: ClassVar = {"positive": "positive", "negative": "negative"}
    label_b_pos: float = parameter(2.0, "Target b+ of D for positives. Paper: 2.")
    label_b_neg: float = parameter(-1.0, "Target b- of D for negatives. Paper: -1.")
    label_c: float = parameter(1.5, "Target c of G. Paper: 1.5.")
    beta_pos: float = parameter(
        1.0, "Weight beta+ of the positives, above 0. The paper does not state it; its published "
        "code uses 2.5.",
    )  # fmt: skip
    beta_neg: float = parameter(
        1.0, "Weight beta- of the negatives, at least 0. The paper does not state it; its "
        "published code uses 0.5.",
    )  # fmt: skip

    def check(self):
        if self.beta_pos <= 0:
            raise InvalidInput(
                "beta_pos", f"is {self.beta_pos:g}, must be greater than 0 (Lemma 3.2)"
            )
        if self.beta_neg < 0:
            raise InvalidInput("beta_neg", f"is {self.beta_neg:g}, must be at least 0 (Lemma 3.2)")
        if self.beta_neg == 0:  # the base loss: the target of the negatives has no effect
            return super().check()
        if self.label_b_pos <= self.label_b_neg:
            raise InvalidInput(
                "label_b_pos",
                f"is {self.label_b_pos:g}, must be greater than label_b_neg = "
                f"{self.label_b_neg:g} (Lemma 3.2)",
            )
        middle = (self.label_b_pos + self.label_b_neg) / 2
        if self.label_a > middle + ROUNDING:
            raise InvalidInput(
                "label_a",
                f"is {self.label_a:g}, must be at most (label_b_pos + label_b_neg) / 2 = "
                f"{middle:g} (Lemma 3.2)",
            )
        # The denominator in Lemma 3.2, whose sign the lemma does not state. At zero there is no
        # optimum. Above zero the weights of the densities change sign: negatives would be learnt.
        denominator = self.beta_pos * (self.label_a - self.label_b_pos)
        denominator += self.beta_neg * (self.label_a - self.label_b_neg)
        if denominator >= -ROUNDING:
            raise InvalidInput(
                "beta_neg",
                f"is {self.beta_neg:g}, too large: beta_pos (label_a - label_b_pos) + beta_neg "
                f"(label_a - label_b_neg) is {denominator:g}, must be negative (Lemma 3.2)",
            )

    def data_weights(self):
        return {"positive": self.beta_pos, "negative": self.beta_neg}

    def terms(self):
        fake = super().terms()["fake"]
        return {
            "positive": lambda out: (
                self.beta_pos * losses.least_squares(out["score"], self.label_b_pos)
            ),
            "negative": lambda out: (
                self.beta_neg * losses.least_squares(out["score"], self.label_b_neg)
            ),
            "fake": fake,
        }
