"""Batch normalisation with TensorFlow's fused kernel."""

import keras
import tensorflow as tf

from rumi_tf.utils import replicas


@keras.saving.register_keras_serializable("rumi_tf")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer over the last axis, with one kernel instead of a dozen in training.

    Weights, outputs and moving statistics equal those of Keras's layer up to rounding. The kernel
    reads its input in the layer's precision and sums in float32. Inference and `synchronized`
    moments use Keras's implementation.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not (training and self.trainable) or self.synchronized or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        # The kernel takes (B, H, W, C); all axes but the last are reduced, so (B, positions, 1, C).
        shape = tf.shape(inputs)
        positions = tf.reduce_prod(shape[1:-1])
        flat = tf.reshape(inputs, (shape[0], positions, 1, inputs.shape[-1]))
        fused = tf.raw_ops.FusedBatchNormV3(
            x=flat, scale=self._value("gamma", 1.0), offset=self._value("beta", 0.0),
            mean=[], variance=[], epsilon=self.epsilon, is_training=True,
        )  # fmt: skip
        # The kernel returns the unbiased variance, n / (n - 1) times the one it normalises by.
        count = tf.cast(tf.size(flat) // inputs.shape[-1], tf.float32)
        variance = fused.batch_variance * (count - 1) / count
        # Averaged over replicas, so that all of them have equal moving statistics.
        mean, variance = replicas.mean([fused.batch_mean, variance])
        self._update_average(self.moving_mean, mean)
        self._update_average(self.moving_variance, variance)
        return tf.ensure_shape(tf.reshape(fused.y, shape), inputs.shape)

    def _value(self, name: str, neutral: float) -> tf.Tensor:
        """(C,) float32 value of a weight; `neutral` if the layer has no such weight."""
        weight = getattr(self, name)
        if weight is None:
            return tf.fill(self.moving_mean.shape, neutral)
        return tf.cast(weight.value, tf.float32)

    def _update_average(self, moving: keras.Variable, new: tf.Tensor) -> None:
        moving.assign(moving * self.momentum + new * (1.0 - self.momentum))
