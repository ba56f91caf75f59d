"""The objectives by name. Adding one takes a class, a line here and a flagfile."""

from rumi_tf.objectives.base import Objective
from rumi_tf.objectives.cross_entropy import SGAN, RumiSGAN
from rumi_tf.objectives.least_squares import LSGAN, RumiLSGAN

OBJECTIVES: dict[str, type[Objective]] = {
    "sgan": SGAN,
    "lsgan": LSGAN,
    "rumi_sgan": RumiSGAN,
    "rumi_lsgan": RumiLSGAN,
}

__all__ = ["OBJECTIVES", "Objective"]
