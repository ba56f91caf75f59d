"""The f-GANs of Nowozin et al. (NeurIPS 2016) and their Rumi forms.

Let v be the raw score, g the output activation and f* the Fenchel conjugate of f (their Table 2).
D maximises E_real g(v) - E_fake f*(g(v)) (their Eq. 6). G minimises -E_fake g(v), the
non-saturating form (their Section 3.2), or with `g_loss=min_max` -E_fake f*(g(v)), which has no
gradient while D is certain. Both have the same fixed points, since g and f*(g) increase together.
(For Pearson, f*(g(v)) increases for v > -2, the range of its optimum.) The code has g and f*(g) as
functions of v, in which their exponentials and logarithms cancel.
"""

from __future__ import annotations

import abc
import math

from rumi_tf.objectives import losses
from rumi_tf.objectives.base import Objective
from rumi_tf.objectives.rumi import RumiDivergence
from rumi_tf.objectives.sgan import SGAN
from rumi_tf.utils.lazy import tf


class FGAN(Objective):
    """D minimises -E_real g(v) + E_fake f*(g(v)); G minimises -E_fake g(v), or -E_fake f*(g(v))."""

    g_loss: str | None = SGAN.parameters["g_loss"]  # type: ignore[assignment]

    @abc.abstractmethod
    def activation(self, v):
        """g(v), in the domain of f*: (B,) -> (B,)."""

    @abc.abstractmethod
    def conjugate(self, v):
        """f*(g(v)): (B,) -> (B,)."""

    def terms(self):
        return {
            "real": lambda out: -tf.reduce_mean(self.activation(out["score"])),
            "fake": lambda out: tf.reduce_mean(self.conjugate(out["score"])),
        }

    def generator_loss(self, outputs):
        loss = self.conjugate if self.g_loss == "min_max" else self.activation
        return -tf.reduce_mean(loss(outputs["score"]))


class KL(FGAN):
    """Kullback-Leibler: g(v) = v, f*(t) = exp(t - 1).

    Beyond e^20 the exponential is continued along its tangent, so that it cannot overflow.
    """

    def activation(self, v):
        return v

    def conjugate(self, v):
        return losses.exponential(v - 1.0)


class ReverseKL(FGAN):
    """Reverse Kullback-Leibler: g(v) = -exp(-v), f*(t) = -1 - log(-t), so f*(g(v)) = v - 1.

    Beyond e^20 the exponential is continued along its tangent, so that it cannot overflow.
    """

    def activation(self, v):
        return -losses.exponential(-v)

    def conjugate(self, v):
        return v - 1.0


class Pearson(FGAN):
    """Pearson chi^2: g(v) = v, f*(t) = t^2 / 4 + t."""

    def activation(self, v):
        return v

    def conjugate(self, v):
        return tf.square(v) / 4.0 + v


class Hellinger(FGAN):
    """Squared Hellinger: g(v) = 1 - exp(-v), f*(t) = t / (1 - t), so f*(g(v)) = exp(v) - 1.

    Beyond e^20 exponentials are continued along their tangents, so that they cannot overflow.
    """

    def activation(self, v):
        return 1.0 - losses.exponential(-v)

    def conjugate(self, v):
        return losses.exponential(v) - 1.0


class JensenShannon(FGAN):
    """Jensen-Shannon: g(v) = log 2 - log(1 + exp(-v)), f*(t) = -log(2 - exp(t)).

    So f*(g(v)) = log(1 + exp(v)) - log 2, and D's loss is the SGAN's less 2 log 2.
    """

    def activation(self, v):
        return math.log(2.0) - tf.nn.softplus(-v)

    def conjugate(self, v):
        return tf.nn.softplus(v) - math.log(2.0)


class RumiKL(RumiDivergence, KL):
    """Rumi form of the Kullback-Leibler f-GAN (`RumiDivergence`)."""


class RumiReverseKL(RumiDivergence, ReverseKL):
    """Rumi form of the reverse Kullback-Leibler f-GAN (`RumiDivergence`)."""


class RumiPearson(RumiDivergence, Pearson):
    """Rumi form of the Pearson f-GAN (`RumiDivergence`)."""


class RumiHellinger(RumiDivergence, Hellinger):
    """Rumi form of the squared Hellinger f-GAN (`RumiDivergence`)."""


class RumiJensenShannon(RumiDivergence, JensenShannon):
    """Rumi form of the Jensen-Shannon f-GAN: Rumi-SGAN up to a constant (`RumiDivergence`)."""
