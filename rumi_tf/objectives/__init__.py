"""Objectives: the losses of every GAN, by name. A new one needs a class and a line here."""

from rumi_tf.objectives import fgan, gradient_penalty, wgan
from rumi_tf.objectives.acgan import ACGAN, TACGAN
from rumi_tf.objectives.base import Objective, Player, View, parameter
from rumi_tf.objectives.cgan_pd import CGANPD
from rumi_tf.objectives.lsgan import LSGAN, RumiLSGAN
from rumi_tf.objectives.sgan import SGAN, RumiSGAN
from rumi_tf.objectives.uacgan import UACGAN

OBJECTIVES: dict[str, type[Objective]] = {
    "sgan": SGAN,
    "lsgan": LSGAN,
    "wgan": wgan.WGAN,
    "wgan_gp": wgan.WGANGP,
    "wgan_lp": wgan.WGANLP,
    "fgan_kl": fgan.KL,
    "fgan_reverse_kl": fgan.ReverseKL,
    "fgan_pearson": fgan.Pearson,
    "fgan_hellinger": fgan.Hellinger,
    "fgan_jensen_shannon": fgan.JensenShannon,
    "dragan": gradient_penalty.DRAGAN,
    "rumi_sgan": RumiSGAN,
    "rumi_lsgan": RumiLSGAN,
    "rumi_wgan": wgan.RumiWGAN,
    "rumi_wgan_gp": wgan.RumiWGANGP,
    "rumi_wgan_lp": wgan.RumiWGANLP,
    "rumi_fgan_kl": fgan.RumiKL,
    "rumi_fgan_reverse_kl": fgan.RumiReverseKL,
    "rumi_fgan_pearson": fgan.RumiPearson,
    "rumi_fgan_hellinger": fgan.RumiHellinger,
    "rumi_fgan_jensen_shannon": fgan.RumiJensenShannon,
    "rumi_dragan": gradient_penalty.RumiDRAGAN,
    "acgan": ACGAN,
    "tacgan": TACGAN,
    "uacgan": UACGAN,
    "cgan_pd": CGANPD,
}

__all__ = ["OBJECTIVES", "Objective", "Player", "View", "parameter"]
