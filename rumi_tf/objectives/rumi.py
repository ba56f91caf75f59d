"""The Rumi form of an objective whose loss is a term of the real images and one of the fakes.

Each class here is put before the base objective: `class RumiSGAN(RumiDivergence, SGAN)`.
"""

from typing import ClassVar

from rumi_tf.objectives.base import ROUNDING, Objective, parameter
from rumi_tf.utils.errors import InvalidInput


class Rumi(Objective):
    """Positives have the base's term of real images, negatives its term of generated ones.

    D minimises alpha+ real(positive) + alpha- fake(negative) + fake(generated); G as in the base.
    """

    subsets: ClassVar = {"positive": "positive", "negative": "negative"}
    alpha_pos: float
    alpha_neg: float

    def terms(self):
        base = super().terms()  # type: ignore[safe-super]  # that of the class it is put before
        return {
            "positive": lambda out: self.alpha_pos * base["real"](out),
            "negative": lambda out: self.alpha_neg * base["fake"](out),
            "fake": base["fake"],
        }

    def data_weights(self):
        return {"positive": self.alpha_pos, "negative": self.alpha_neg}


class RumiDivergence(Rumi):
    """Of a GAN that estimates an f-divergence (Rumi-GAN, Eq. 1, and its supplement).

    The generator is to learn (1 + alpha-) p+ - alpha- p-, whatever the divergence, where that is
    not negative (Lemma 3.1); `theory.rumi_sgan_optimum` has the rest. With alpha- < 0 D's loss has
    no lower bound where there are negatives and no generated images: training on separate classes
    diverges, although the optimum exists.
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
        if not 0 < self.alpha_pos <= 1:  # at 0, which the lemma admits, nothing is learnt
            raise InvalidInput(
                "alpha_pos",
                f"is {self.alpha_pos:g}, must be greater than 0 and at most 1 (Lemma 3.1); at 0, "
                "which the lemma admits, nothing is learnt",
            )
        if self.alpha_neg < self.alpha_pos - 1 - ROUNDING:
            raise InvalidInput(
                "alpha_neg",
                f"is {self.alpha_neg:g}, must be at least alpha_pos - 1 = "
                f"{self.alpha_pos - 1:g} (Lemma 3.1)",
            )


class RumiIPM(Rumi):
    """Of a GAN that estimates an integral probability metric.

    D minimises -alpha+ (E+ D - E_fake D) + alpha- (E- D - E_fake D) and the base's penalties; so
    the generated images have the weight alpha+ - alpha-, and in the split schedule go with the
    positives by alpha+ and with the negatives by -alpha-. The generator is to learn
    (alpha+ p+ - alpha- p-) / (alpha+ - alpha-) where that is nowhere negative. Where classes are
    separate it is, and what is learnt then is what remains of p+ when a part of it as heavy as
    alpha- / alpha+, the part next to p-, is taken away (`theory.rumi_ipm_optimum`). The weights
    are not stated in the paper; the default is (1, 0.5).
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
                "alpha_neg), exists for alpha_pos > alpha_neg alone",
            )

    def terms(self):
        terms = super().terms()
        fake, weight = terms["fake"], self.alpha_pos - self.alpha_neg
        return {**terms, "fake": lambda out: weight * fake(out)}

    def fake_shares(self):
        weight = self.alpha_pos - self.alpha_neg
        return {"positive": self.alpha_pos / weight, "negative": -self.alpha_neg / weight}
