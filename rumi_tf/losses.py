"""Loss terms: scores in, a scalar out. Every mean is over the batch; no factor 1/2 is implied."""

import tensorflow as tf


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
