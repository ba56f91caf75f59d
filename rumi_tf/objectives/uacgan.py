"""UAC-GAN: AC-GAN without its bias, by an estimate of mutual information."""

from __future__ import annotations

import numpy as np

from rumi_tf.objectives import losses
from rumi_tf.objectives.acgan import ACGAN
from rumi_tf.objectives.base import Player, parameter
from rumi_tf.utils.lazy import tf


def _permuted(view, label):
    return view.permuted(label, "marginal")


def _resampled(view, label):
    return view.draw_labels(tf.shape(label)[0], "marginal")


# Independent labels y': those of the batch in random order, or new draws.
MARGINALS = {"permutation": _permuted, "resample": _resampled}
# Names in `rumi_tf.networks.mine.STATISTICS`, which would load TensorFlow.
STATISTICS_NAMES = ("concat", "projection", "projection_lse", "projection_label_disc")


class UACGAN(ACGAN):
    """UAC-GAN (Han et al., 2020, Eq. 10): min_{G,C} max_{D,T} L_AC + lambda V_MINE.

    V_MINE = E T(x, y) - log E e^T(x, y') over generated images x with their labels y and with
    independent labels y' (Eq. 9). T, the network `mine`, is one of `rumi_tf.networks.mine`. All but
    `concat` read D's features, and their updates also train D's trunk. T's gradient has a moving
    average of E e^T in its denominator; G's gradient is that of the plain bound. With lambda = 0
    there is no T, which is AC-GAN.

    With `mi_gradient_clip` G's gradient is g_u + g_m min(|g_u|, |g_m|) / |g_m|, where g_m is the
    gradient of lambda V_MINE, g_u the gradient of the rest, and | | the norm over all weights
    (Belghazi et al., 2018, Appendix).
    """

    mi_weight: float = parameter(
        0.1, "Weight lambda of the mutual information in G's loss; 0 is acgan. Published code: "
        "0.1.", low=0,
    )  # fmt: skip
    mi_marginal: str = parameter(
        "permutation", "Independent labels. permutation (as in the published code): the labels of "
        "the batch in random order. resample: new draws.", choices=tuple(MARGINALS),
    )  # fmt: skip
    mi_gradient_clip: bool = parameter(
        False, "Whether the gradient of the mutual information in G's loss is scaled down to the "
        "norm of the gradient of the rest. Paper: only for Gaussian mixtures.",
    )  # fmt: skip
    mine_network: str = parameter(
        "projection", "Statistics network T. concat: a network on the image and label planes. "
        "projection: <v_y, phi> + psi(phi) + c_y on D's features phi. projection_lse: with psi = "
        "-LogSumExp. projection_label_disc: c_y from a discriminator of labels (Eq. 17).",
        choices=STATISTICS_NAMES,
    )  # fmt: skip
    mine_steps: int = parameter(1, "Updates of T per iteration.", low=1, high=100)
    mine_ema_rate: float = parameter(
        0.001, "Rate of the moving average in the denominator of T's gradient; 1 uses the mean of "
        "the batch. Published code: 0.001.", above=0, high=1,
    )  # fmt: skip

    def players(self):
        if not self.mi_weight:
            return {}
        from rumi_tf.networks import mine as networks  # loads TensorFlow

        kind = networks.STATISTICS[self.mine_network]
        mine = Player(kind, self._mine_loss, self.mine_steps, kind.reads == "features")
        if not kind.label_discriminator:
            return {"mine": mine}
        labels = Player(networks.LabelDiscriminator, self._label_loss, self.mine_steps)
        return {"mine": mine, "label_discriminator": labels}

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
        """T on generated images with their labels, and with independent labels: (B,) each."""
        mine, label = view.networks["mine"], outputs["label"]
        label_discriminator = view.networks.get("label_discriminator")
        read = outputs[mine.reads]
        other = MARGINALS[self.mi_marginal](view, label)

        def value(labels):
            values = mine((read, labels))
            if label_discriminator is None:
                return values
            return values + tf.stop_gradient(label_discriminator(labels))

        return value(label), value(other)

    def _mine_loss(self, view):
        images, label = view.images["fake"], view.labels["fake"]
        outputs = {**view.discriminate(images), "image": images, "label": label}
        joint, marginal = self._statistics(view, outputs)
        mine, values = view.networks["mine"], tf.stop_gradient(marginal)
        average = losses.moving_log_mean_exp(
            mine.log_average.value, values, self.mine_ema_rate, first=mine.begun.value < 0.5
        )
        mine.log_average.assign(average)
        mine.begun.assign(1.0)
        return losses.corrected_donsker_varadhan(joint, marginal, average)

    def _label_loss(self, view):
        """Cross-entropy of D_Y (Eq. 16): target 1 for uniform labels, 0 for those of fakes.

        Its optimum is -log Q(y) plus a constant, as Eq. 17 needs.
        """
        label_discriminator, label = view.networks["label_discriminator"], view.labels["fake"]
        occurs = np.array(view.class_shares) > 0
        flat = occurs / occurs.sum()
        uniform = view.draw_labels(tf.shape(label)[0], "uniform_labels", flat)
        return losses.log_probability_real(
            label_discriminator(uniform)
        ) + losses.log_probability_fake(label_discriminator(label))


def _norm(gradients):
    """Norm over all weights; `tf.linalg.global_norm` fails in `tf.vectorized_map`."""
    return tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
