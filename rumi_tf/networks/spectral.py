"""Layers whose kernel is divided by its largest singular value (Miyato et al., ICLR 2018).

Keras's `SpectralNormalization` differs: every forward pass in training overwrites the stored kernel
with the normalised one, so the generator's update changes the discriminator's weights, and the
gradient does not go through the division. Here, as in the paper, the kernel W is unchanged, the
layer uses W / sigma(W), and sigma is differentiated. Each training pass updates the stored vector
u, the layer's only other state, by one power iteration.
"""

import keras
import tensorflow as tf
from keras import layers, ops


class _Spectral(layers.Layer):
    """Mixin for a Keras layer with a `kernel` whose last axis is the output axis."""

    def build(self, input_shape):
        super().build(input_shape)
        self.vector = self.add_weight(
            shape=(1, self.kernel.shape[-1]), initializer=keras.initializers.Ones(),
            trainable=False, autocast=False, dtype="float32", name="vector",
        )  # fmt: skip

    def normalised_kernel(self, training: bool) -> tf.Tensor:
        """W / sigma(W) in the layer's precision, in training after one power iteration."""
        kernel = ops.cast(self.kernel, "float32")
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        fixed = tf.stop_gradient(matrix)
        left = tf.math.l2_normalize(self.vector.value @ tf.transpose(fixed))
        right = tf.math.l2_normalize(left @ fixed)
        if training:
            self.vector.assign(right)
        sigma = tf.reduce_sum((left @ matrix) * right)
        return ops.cast(kernel / sigma, self.compute_dtype)


@keras.saving.register_keras_serializable(package="rumi_tf")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """Conv2D with W / sigma(W), W the kernel as a (height * width * inputs, outputs) matrix."""

    def call(self, inputs, training=False):
        outputs = self.convolution_op(inputs, self.normalised_kernel(training))
        return outputs + ops.cast(self.bias, outputs.dtype) if self.use_bias else outputs


@keras.saving.register_keras_serializable(package="rumi_tf")
class SpectralDense(_Spectral, layers.Dense):
    """Dense with W / sigma(W)."""

    def call(self, inputs, training=False):
        outputs = ops.matmul(inputs, self.normalised_kernel(training))
        return outputs + ops.cast(self.bias, outputs.dtype) if self.use_bias else outputs
