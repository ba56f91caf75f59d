"""UAC-GAN: AC-GAN made unbiased by an estimate of the mutual information of image and label."""

from typing import ClassVar

import numpy as np
import tensorflow as tf

from rumi_tf.networks.mine import STATISTICS, LabelDiscriminator
from rumi_tf.objectives import losses
from rumi_tf.objectives.acgan import ACGAN
from rumi_tf.objectives.base import Player


class UACGAN(ACGAN):
    """UAC-GAN (Han et al., 2020, Eq. 10): min_{G,C} max_{D,T} L_AC + lambda V_MINE.

    V_MINE = E T(x, y) - log E e^T(x, y') over generated images x with their labels y and with
    independent labels y' (Eq. 9). T, the player `mine`, is one of `networks.statistics`; all but
    `concat` read D's features, and then its updates train D's trunk too. T's gradient has the
    moving average of E e^T in its denominator, G's is that of the plain bound. With lambda = 0
    there is no T, which is AC-GAN.

    With `mi_gradient_clip` G's gradient is g_u + g_m min(|g_u|, |g_m|) / |g_m|, where g_m is that
    of lambda V_MINE, g_u that of the rest, and | | the norm over all weights (Belghazi et al.,
    2018, Appendix).
    """

    defaults: ClassVar = {
        **ACGAN.defaults,
        "mine_network": "projection", "mine_steps": 1, "mine_ema_rate": 0.001,
        "mi_weight": 0.1, "mi_marginal": "permutation", "mi_gradient_clip": False,
    }  # fmt: skip
    mine_network: str
    mine_steps: int
    mine_ema_rate: float
    mi_weight: float
    mi_marginal: str
    mi_gradient_clip: bool

    def players(self):
        if not self.mi_weight:
            return {}
        kind = STATISTICS[self.mine_network]
        mine = Player(kind, self._mine_loss, self.mine_steps, kind.reads == "features")
        if not kind.label_discriminator:
            return {"mine": mine}
        judge = Player(LabelDiscriminator, self._label_loss, self.mine_steps)
        return {"mine": mine, "label_discriminator": judge}

    def generator_losses(self, view):
        outputs = view.outputs["fake"]
        rest = self.generator_loss(outputs)
        if not self.mi_weight:
            return {"loss": rest}
        bound = losses.donsker_varadhan(*self._statistics(view, outputs))
        if self.mi_gradient_clip:
            return {"rest": rest, "information": self.mi_weight * bound}
        return {"loss": rest + self.mi_weight * bound}

    def combine(self, gradients):
        if len(gradients) == 1:
            return super().combine(gradients)
        rest, information = gradients["rest"], gradients["information"]
        scale = tf.minimum(1.0, _norm(rest) / (_norm(information) + 1e-12))
        return [u + scale * m for u, m in zip(rest, information, strict=True)]

    def _statistics(self, view, outputs):
        """T on the generated images with their own labels, and with independent ones: (B,) each."""
        mine, label = view.networks["mine"], outputs["label"]
        judge = view.networks.get("label_discriminator")
        read = outputs[mine.reads]
        other = MARGINALS[self.mi_marginal](view, label)

        def value(labels):
            values = mine((read, labels))
            return values if judge is None else values + tf.stop_gradient(judge(labels))

        return value(label), value(other)

    def _mine_loss(self, view):
        images, label = view.images["fake"], view.labels["fake"]
        outputs = {**view.judge(images), "image": images, "label": label}
        joint, marginal = self._statistics(view, outputs)
        mine, values = view.networks["mine"], tf.stop_gradient(marginal)
        average = losses.moving_log_mean_exp(
            mine.log_average.value, values, self.mine_ema_rate, first=mine.begun.value < 0.5
        )
        mine.log_average.assign(average)
        mine.begun.assign(1.0)
        return losses.corrected_donsker_varadhan(joint, marginal, average)

    def _label_loss(self, view):
        """Cross-entropy of D_Y (Eq. 16): uniform labels have label 1, those of generated images 0.

        So its optimum is -log Q(y) and a constant, what Eq. 17 asks for.
        """
        judge, label = view.networks["label_discriminator"], view.labels["fake"]
        occurs = np.array(view.class_shares) > 0
        flat = occurs / occurs.sum()
        uniform = view.draw_labels(tf.shape(label)[0], "uniform_labels", flat)
        return losses.log_probability_real(judge(uniform)) + losses.log_probability_fake(
            judge(label)
        )


def _norm(gradients):
    """Over all weights; `tf.linalg.global_norm` cannot be mapped over the runs of an ensemble."""
    return tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))


def _permuted(view, label):
    return view.permuted(label, "marginal")


def _resampled(view, label):
    return view.draw_labels(tf.shape(label)[0], "marginal")


# Independent labels y': a permutation of the batch's own, or a new draw from their distribution.
MARGINALS = {"permutation": _permuted, "resample": _resampled}
