"""Rumi forms of objectives that have a term for real and a term for generated images.

The classes are mixins. List them before the base objective: `class RumiSGAN(RumiDivergence, SGAN)`.
"""

from typing import ClassVar

from rumi_tf.objectives.base import ROUNDING, Objective, parameter
from rumi_tf.utils.errors import InvalidInput


class Rumi(Objective):
    """The base's term for real images on positives, and for generated ones on negatives.

    D minimises alpha+ real(positive) + alpha- fake(negative) + fake(generated). G's loss is that of
    the base.
    """

    subsets: ClassVar = {"positive": "positive", "negative": "negative"}
    alpha_pos: float
    alpha_neg: float

    def terms(self):
        base = super().terms()  # type: ignore[safe-super]  # of the base objective
        return {
            "positive": lambda out: self.alpha_pos * base["real"](out),
            "negative": lambda out: self.alpha_neg * base["fake"](out),
            "fake": base["fake"],
        }

    def data_weights(self):
        return {"positive": self.alpha_pos, "negative": self.alpha_neg}


class RumiDivergence(Rumi):
    """Rumi form of a GAN that estimates an f-divergence (Rumi-GAN, Eq. 1, and its supplement).

    For every divergence the optimal generator has the density (1 + alpha-) p+ - alpha- p- where
    that is not negative (Lemma 3.1); for the rest see `theory.rumi_sgan_optimum`. With alpha- < 0
    D's loss is unbounded below where there are negatives but no generated images, so training on
    separate classes diverges, although the optimum exists.
    """

    alpha_pos: float = parameter(
        1.0, "Weight alpha+ of the positives, above 0 and at most 1 (Lemma 3.1). The paper does "
        "not state it.",
    )  # fmt: skip
    alpha_neg: float = parameter(
        1.0, "Weight alpha- of the negatives, at least alpha+ - 1 (Lemma 3.1). The paper does not "
        "state it.",
    )  # fmt: skip

    def check(self):
        super().check()
        if not 0 < self.alpha_pos <= 1:
            raise InvalidInput(
                "alpha_pos",
                f"is {self.alpha_pos:g}, must be greater than 0 and at most 1 (Lemma 3.1); at 0, "
                "which the lemma allows, nothing is learnt",
            )
        if self.alpha_neg < self.alpha_pos - 1 - ROUNDING:
            raise InvalidInput(
                "alpha_neg",
                f"is {self.alpha_neg:g}, must be at least alpha_pos - 1 = "
                f"{self.alpha_pos - 1:g} (Lemma 3.1)",
            )


class RumiIPM(Rumi):
    """Rumi form of a GAN that estimates an integral probability metric.

    D minimises -alpha+ (E+ D - E_fake D) + alpha- (E- D - E_fake D) and the base's penalties. So
    the generated images have the weight alpha+ - alpha-. In the split schedule their weight is
    alpha+ in the update with positives and -alpha- in the update with negatives.

    If (alpha+ p+ - alpha- p-) / (alpha+ - alpha-) is nowhere negative, it is the optimal
    generator's density. On separate classes it is negative; then the generator learns p+ without
    the fraction alpha- / alpha+ of it that is closest to p- (`theory.rumi_ipm_optimum`). The paper
    does not state the weights; the default is (1, 0.5).
    """

    alpha_pos: float = parameter(
        1.0, "Weight alpha+ of the positives, above alpha-. The paper does not state it."
    )
    alpha_neg: float = parameter(
        0.5, "Weight alpha- of the negatives, below alpha+. The paper does not state it."
    )

    def check(self):
        super().check()
        if self.alpha_pos <= 0:
            raise InvalidInput("alpha_pos", f"is {self.alpha_pos:g}, must be greater than 0")
        if self.alpha_neg >= self.alpha_pos:
            raise InvalidInput(
                "alpha_neg",
                f"is {self.alpha_neg:g}, must be less than alpha_pos = {self.alpha_pos:g}: the "
                "optimum of the IPM form, (alpha_pos p+ - alpha_neg p-) / (alpha_pos - "
                "alpha_neg), exists only for alpha_pos > alpha_neg",
            )

    def terms(self):
        terms = super().terms()
        fake, weight = terms["fake"], self.alpha_pos - self.alpha_neg
        return {**terms, "fake": lambda out: weight * fake(out)}

    def fake_shares(self):
        weight = self.alpha_pos - self.alpha_neg
        return {"positive": self.alpha_pos / weight, "negative": -self.alpha_neg / weight}
