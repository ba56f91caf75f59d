"""Loss terms: functions of scores that return a scalar. No factor 1/2 is implied.

Means are over the rows of a replica. Gradients are averaged over replicas, so that they are those
of the whole batch. Functions other than means gather the rows of all replicas.
"""

from __future__ import annotations

import math

from rumi_tf.utils import replicas
from rumi_tf.utils.lazy import tf


def least_squares(scores: tf.Tensor, target: float) -> tf.Tensor:
    """E[(D(x) - target)^2] (Mao et al., ICCV 2017; Rumi-GAN, Eq. 3-4).

    Args:
        scores: (B,) raw scores of the discriminator.
        target: target of the scores.
    """
    return tf.reduce_mean(tf.square(scores - target))


def log_probability_real(logits: tf.Tensor) -> tf.Tensor:
    """-E[log D(x)] with D = sigmoid(logits), computed without overflow (Rumi-GAN, Eq. 1).

    Args:
        logits: (B,) raw scores.
    """
    return tf.reduce_mean(tf.nn.softplus(-logits))


def log_probability_fake(logits: tf.Tensor) -> tf.Tensor:
    """-E[log(1 - D(x))] with D = sigmoid(logits), computed without overflow (Rumi-GAN, Eq. 1).

    Args:
        logits: (B,) raw scores.
    """
    return tf.reduce_mean(tf.nn.softplus(logits))


def hinge_real(scores: tf.Tensor) -> tf.Tensor:
    """E[max(0, 1 - D(x))] (Lim and Ye, 2017; Miyato and Koyama, ICLR 2018).

    Args:
        scores: (B,) raw scores.
    """
    return tf.reduce_mean(tf.nn.relu(1.0 - scores))


def hinge_fake(scores: tf.Tensor) -> tf.Tensor:
    """E[max(0, 1 + D(x))] (Lim and Ye, 2017; Miyato and Koyama, ICLR 2018).

    Args:
        scores: (B,) raw scores.
    """
    return tf.reduce_mean(tf.nn.relu(1.0 + scores))


def class_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-E[log C(x, y)] with C = softmax(logits) (Odena et al., ICML 2017).

    Args:
        logits: (B, K) raw class scores.
        labels: (B,) integers in [0, K).
    """
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def exponential(x: tf.Tensor, limit: float = 20.0) -> tf.Tensor:
    """exp(x), continued along its tangent beyond `limit`, so that it cannot overflow.

    Args:
        x: any shape.
        limit: e^20 is 5e8. Training has already failed if a score gets there.
    """
    return tf.exp(tf.minimum(x, limit)) * (1.0 + tf.nn.relu(x - limit))


def log_mean_exp(values: tf.Tensor) -> tf.Tensor:
    """log E[e^T] over the whole batch, without overflow: (B,) -> scalar."""
    values = replicas.all_rows(values)
    count = tf.cast(tf.size(values), values.dtype)
    return tf.reduce_logsumexp(values) - tf.math.log(count)


def donsker_varadhan(joint: tf.Tensor, marginal: tf.Tensor) -> tf.Tensor:
    """V_MINE = E T(x, y) - log E e^T(x, y'), a lower bound of the mutual information.

    It is a bound in expectation. On a batch it can exceed the mutual information, since the log of
    a sample mean is below the log of the mean (UAC-GAN, Eq. 9; Belghazi et al., ICML 2018).

    Args:
        joint: (B,) values of T on pairs.
        marginal: (M,) values of T on images with independent labels.
    """
    return tf.reduce_mean(joint) - log_mean_exp(marginal)


def moving_log_mean_exp(
    before: tf.Tensor, values: tf.Tensor, rate: float, first: tf.Tensor
) -> tf.Tensor:
    """Log of an exponential moving average of E[e^T].

    Args:
        before: scalar, the log of the average so far.
        values: (B,) values of T.
        rate: weight of the new value, in (0, 1].
        first: scalar bool; true for the first value, which is then the average.
    """
    now = log_mean_exp(values)
    if rate == 1:
        return now
    parts = [before + math.log1p(-rate), now + math.log(rate)]
    return tf.where(first, now, tf.reduce_logsumexp(parts))


def corrected_donsker_varadhan(
    joint: tf.Tensor, marginal: tf.Tensor, log_average: tf.Tensor
) -> tf.Tensor:
    """-V_MINE of the batch, with a gradient in which a moving average replaces E e^T.

    The gradient of log E e^T is E[e^T dT] / E[e^T]. The batch mean in the denominator would bias it
    (Belghazi et al., ICML 2018, Section 3.2).

    Args:
        joint: (B,) values of T on pairs.
        marginal: (M,) values of T on images with independent labels.
        log_average: scalar log of the average; no gradient flows into it.
    """
    ratio = exponential(log_mean_exp(marginal) - tf.stop_gradient(log_average))
    loss = ratio - tf.reduce_mean(joint)
    return loss + tf.stop_gradient(-donsker_varadhan(joint, marginal) - loss)


def gradient_norms(gradients: tf.Tensor) -> tf.Tensor:
    """(B, ...) gradients per image -> (B,) Euclidean norms, differentiable at zero."""
    squares = tf.reduce_sum(tf.square(gradients), axis=list(range(1, len(gradients.shape))))
    return tf.sqrt(squares + 1e-12)
