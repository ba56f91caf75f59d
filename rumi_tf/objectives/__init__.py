"""The objectives by name. Adding one takes a class, a line here and a flagfile."""

from rumi_tf.objectives import f_divergence, gradient_penalty, wasserstein
from rumi_tf.objectives.auxiliary import ACGAN, TACGAN
from rumi_tf.objectives.base import Objective, Player, View
from rumi_tf.objectives.cross_entropy import SGAN, RumiSGAN
from rumi_tf.objectives.least_squares import LSGAN, RumiLSGAN
from rumi_tf.objectives.mutual_information import UACGAN
from rumi_tf.objectives.projection import CGANPD

OBJECTIVES: dict[str, type[Objective]] = {
    "sgan": SGAN,
    "lsgan": LSGAN,
    "wgan": wasserstein.WGAN,
    "wgan_gp": wasserstein.WGANGP,
    "wgan_lp": wasserstein.WGANLP,
    "fgan_kl": f_divergence.KL,
    "fgan_reverse_kl": f_divergence.ReverseKL,
    "fgan_pearson": f_divergence.Pearson,
    "fgan_hellinger": f_divergence.Hellinger,
    "fgan_jensen_shannon": f_divergence.JensenShannon,
    "dragan": gradient_penalty.DRAGAN,
    "rumi_sgan": RumiSGAN,
    "rumi_lsgan": RumiLSGAN,
    "rumi_wgan": wasserstein.RumiWGAN,
    "rumi_wgan_gp": wasserstein.RumiWGANGP,
    "rumi_wgan_lp": wasserstein.RumiWGANLP,
    "rumi_fgan_kl": f_divergence.RumiKL,
    "rumi_fgan_reverse_kl": f_divergence.RumiReverseKL,
    "rumi_fgan_pearson": f_divergence.RumiPearson,
    "rumi_fgan_hellinger": f_divergence.RumiHellinger,
    "rumi_fgan_jensen_shannon": f_divergence.RumiJensenShannon,
    "rumi_dragan": gradient_penalty.RumiDRAGAN,
    "acgan": ACGAN,
    "tacgan": TACGAN,
    "uacgan": UACGAN,
    "cgan_pd": CGANPD,
}

__all__ = ["OBJECTIVES", "Objective", "Player", "View"]
