"""Networks of the UAC-GAN image experiments, 32x32 pixels; D is a spectrally normalised ResNet.

The layers are those of the authors' published code, including epsilon 1e-5 and momentum (0.9 in
Keras's convention) of batch normalisation. Differences: initial weights are Glorot-uniform as in
the other networks here, and greyscale images keep one channel (the authors copy MNIST to three).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

from rumi_tf.networks.conditional import ConditionalDiscriminator
from rumi_tf.networks.dcgan import Network, build_stack, run_stack, scaled
from rumi_tf.networks.normalization import BatchNormalization
from rumi_tf.networks.spectral import SpectralConv2D, SpectralDense


@keras.saving.register_keras_serializable(package="rumi_tf")
class OneHotGenerator(Network):
    """(noise (B, latent_dim), labels (B,) integers) -> images (B, 32, 32, C) in (-1, 1), float32.

    Noise and one-hot label -> Dense 384 -> 4x4 transposed convolutions with 192, 96 and 48 filters,
    batch normalisation and ReLU -> a 4x4 transposed convolution to the image channels with tanh.

    Args:
        network: `uac_resnet`.
        image_shape: (32, 32, C).
        num_classes: K; labels are in [0, K).
        latent_dim: dimension of the noise.
        width: multiplier of the number of filters.
        seed: seed of the initial weights.
    """

    def __init__(
        self, *, network: str, image_shape: Sequence[int], num_classes: int, latent_dim: int = 100,
        width: float = 1.0, seed: int = 0, name: str = "generator", **kwargs: Any,
    ):  # fmt: skip
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments["latent_dim"] = self.latent_dim = latent_dim
        self._arguments["num_classes"] = self.num_classes = num_classes
        dtype = self.dtype_policy
        units = scaled(384, width)
        self._stack = [
            self._weights(layers.Dense, units),
            layers.Reshape((1, 1, units), dtype=dtype),
        ]
        for k, filters in enumerate((192, 96, 48)):
            self._stack += [
                self._upsampling(scaled(filters, width), first=k == 0),
                BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype),
                layers.ReLU(dtype=dtype),
            ]
        self._stack += [
            self._upsampling(image_shape[-1]),
            layers.Activation("tanh", dtype="float32"),
        ]
        self.build(((None, latent_dim), (None,)))

    def _upsampling(self, filters: int, first: bool = False) -> layers.Layer:
        steps = {"strides": 1, "padding": "valid"} if first else {"strides": 2, "padding": "same"}
        return self._weights(layers.Conv2DTranspose, filters, 4, use_bias=False, **steps)

    def build(self, input_shape):
        noise, _ = input_shape
        build_stack(self._stack, (None, noise[-1] + self.num_classes))
        self.built = True

    def call(self, inputs, training=False):
        noise, labels = inputs
        one_hot = ops.one_hot(labels, self.num_classes, dtype=noise.dtype)
        return run_stack(self._stack, ops.concatenate([noise, one_hot], axis=-1), training)


class Block(layers.Layer):
    """Residual block that halves the image: two 3x3 convolutions, mean pooling, 1x1 shortcut.

    Args:
        convolution: (filters, kernel size) -> layer.
        inputs, filters: number of input and output channels.
        first: the input is an image; there is no ReLU before the first convolution, and the
            shortcut is pooled before its convolution.
    """

    def __init__(
        self,
        convolution: Callable[[int, int], layers.Layer],
        inputs: int,
        filters: int,
        first: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._first = first
        self._convolutions = [convolution(filters if first else inputs, 3), convolution(filters, 3)]
        self._shortcut = convolution(filters, 1)
        self._filters = filters

    def build(self, input_shape):
        build_stack(self._convolutions, input_shape)
        self._shortcut.build(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, height // 2, width // 2, self._filters)

    def call(self, x, training=False):
        def pooled(y):
            return ops.average_pool(y, 2)

        first, second = self._convolutions
        y = first(x if self._first else ops.relu(x), training=training)
        y = pooled(second(ops.relu(y), training=training))
        if self._first:
            return y + self._shortcut(pooled(x), training=training)
        return y + pooled(self._shortcut(x, training=training))


class SumPool(layers.Layer):
    """ReLU, then the sum over all pixels, in float32: (B, H, W, F) -> (B, F)."""

    def call(self, x):
        return ops.sum(ops.cast(ops.relu(x), "float32"), axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


@keras.saving.register_keras_serializable(package="rumi_tf")
class ResNetDiscriminator(ConditionalDiscriminator):
    """Outputs as for `ConditionalDiscriminator`; all kernels are spectrally normalised.

    Blocks of 64, 128, 256, 512 filters, each halving the image; ReLU; global sum pooling; linear
    heads. `batch_norm` has no effect: there is no batch normalisation.
    """

    def _trunk(self, width, batch_norm):
        def convolution(filters, size):
            return self._weights(SpectralConv2D, filters, size, padding="same")

        sizes = [self._arguments["image_shape"][-1]]
        sizes += [scaled(filters, width) for filters in (64, 128, 256, 512)]
        blocks = [
            Block(convolution, before, after, first=k == 0, dtype=self.dtype_policy)
            for k, (before, after) in enumerate(itertools.pairwise(sizes))
        ]
        return [*blocks, SumPool(dtype=self.dtype_policy)]

    def _head(self, units, **kwargs):
        return self._weights(SpectralDense, units, dtype="float32", **kwargs)
