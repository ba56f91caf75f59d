"""Batch normalisation by the one kernel that TensorFlow has for it."""

import keras
import tensorflow as tf

from rumi_tf.utils import replicas


@keras.saving.register_keras_serializable("rumi_tf")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, over the last axis; its training step is one kernel instead of a dozen.

    The weights, the results and the moving statistics are those of Keras's layer, but for rounding.
    The kernel reads its input in the layer's precision and sums in float32. Where it cannot be
    used, Keras's own way is: in inference, and where the moments are of all replicas
    (`synchronized`).
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not (training and self.trainable) or self.synchronized or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        # (B, ..., C): to the kernel the places of all axes but the last are alike.
        shape = tf.shape(inputs)
        places = tf.reduce_prod(shape[1:-1])
        flat = tf.reshape(inputs, (shape[0], places, 1, inputs.shape[-1]))
        found = tf.raw_ops.FusedBatchNormV3(
            x=flat, scale=self._value("gamma", 1.0), offset=self._value("beta", 0.0),
            mean=[], variance=[], epsilon=self.epsilon, is_training=True,
        )  # fmt: skip
        # The kernel gives n / (n - 1) of the variance it normalises by.
        count = tf.cast(tf.size(flat) // inputs.shape[-1], tf.float32)
        variance = found.batch_variance * (count - 1) / count
        # Of all replicas, so that they go on alike and any of them may be evaluated or exported.
        mean, variance = replicas.mean([found.batch_mean, variance])
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance)
        return tf.ensure_shape(tf.reshape(found.y, shape), inputs.shape)

    def _value(self, name: str, neutral: float) -> tf.Tensor:
        """(C,) float32 value of a weight; `neutral` if the layer has none."""
        weight = getattr(self, name)
        if weight is None:
            return tf.fill(self.moving_mean.shape, neutral)
        return tf.cast(weight.value, tf.float32)

    def _follow(self, moving: keras.Variable, new: tf.Tensor) -> None:
        moving.assign(moving * self.momentum + new * (1.0 - self.momentum))
