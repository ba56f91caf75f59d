"""Loss terms: scores in, a scalar out. No factor 1/2 is implied.

Means are over the rows that a replica has; gradients are averaged over replicas, so together they
are over the batch. What is no mean looks at the rows of all replicas.
"""

from __future__ import annotations

import math

from rumi_tf.utils import replicas
from rumi_tf.utils.lazy import tf


def least_squares(scores: tf.Tensor, target: float) -> tf.Tensor:
    """E[(D(x) - target)^2] (Mao et al., ICCV 2017; Rumi-GAN, Eq. 3-4).

    Args:
        scores: (B,) raw scores of the discriminator, without bounds.
        target: label that the scores should have.
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
        limit: e^20 is 5e8; a score that gets there means that training is lost already.
    """
    return tf.exp(tf.minimum(x, limit)) * (1.0 + tf.nn.relu(x - limit))


def log_mean_exp(values: tf.Tensor) -> tf.Tensor:
    """log E[e^T] over the whole batch, without overflow: (B,) -> scalar."""
    values = replicas.all_rows(values)
    count = tf.cast(tf.size(values), values.dtype)
    return tf.reduce_logsumexp(values) - tf.math.log(count)


def donsker_varadhan(joint: tf.Tensor, marginal: tf.Tensor) -> tf.Tensor:
    """V_MINE = E T(x, y) - log E e^T(x, y'), a lower bound of the mutual information.

    Of what it estimates it is a bound in expectation; on a batch it can lie above, as the log of
    a sample mean lies below the log of the mean (UAC-GAN, Eq. 9; Belghazi et al., ICML 2018).

    Args:
        joint: (B,) values of T on pairs.
        marginal: (M,) values of T on images with labels that are independent of them.
    """
    return tf.reduce_mean(joint) - log_mean_exp(marginal)


def moving_log_mean_exp(
    before: tf.Tensor, values: tf.Tensor, rate: float, first: tf.Tensor
) -> tf.Tensor:
    """The log of an exponential moving average of E[e^T].

    Args:
        before: scalar, the log of the average so far.
        values: (B,) values of T.
        rate: weight of the new value, in (0, 1].
        first: scalar bool; the first average is the first value itself.
    """
    now = log_mean_exp(values)
    if rate == 1:
        return now
    parts = [before + math.log1p(-rate), now + math.log(rate)]
    return tf.where(first, now, tf.reduce_logsumexp(parts))


def corrected_donsker_varadhan(
    joint: tf.Tensor, marginal: tf.Tensor, log_average: tf.Tensor
) -> tf.Tensor:
    """-V_MINE of the batch, with the gradient in which E e^T is replaced by its moving average.

    The gradient of log E e^T is E[e^T dT] / E[e^T]; a batch's own mean in the denominator biases
    it (Belghazi et al., ICML 2018, Section 3.2).

    Args:
        joint: (B,) values of T on pairs.
        marginal: (M,) values of T on images with independent labels.
        log_average: scalar log of the average; no gradient flows into it.
    """
    ratio = exponential(log_mean_exp(marginal) - tf.stop_gradient(log_average))
    loss = ratio - tf.reduce_mean(joint)
    return loss + tf.stop_gradient(-donsker_varadhan(joint, marginal) - loss)


def gradient_norms(gradients: tf.Tensor) -> tf.Tensor:
    """(B, ...) gradients by image -> (B,) Euclidean norms, differentiable at zero as well."""
    squares = tf.reduce_sum(tf.square(gradients), axis=list(range(1, len(gradients.shape))))
    return tf.sqrt(squares + 1e-12)
