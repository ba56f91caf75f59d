"""DCGAN generators and discriminators of the Rumi-GAN experiments.

The layer tables are those of the authors' published code; the paper states only the architecture
family (DCGAN, Radford et al., ICLR 2016). All kernels are 5x5, padding `same`, Glorot-uniform.
"""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from rumi_tf.networks.normalization import BatchNormalization
from rumi_tf.utils.rng import initializer_seeds

KERNEL = 5


@dataclasses.dataclass(frozen=True)
class GeneratorSpec:
    """Layers of a generator.

    Attributes:
        upsampling: image size divided by the size of the first feature map.
        stem: filters of the first feature map, the output of a dense layer; 0 uses the noise as a
            1x1 map.
        stem_norm: the stem is followed by batch normalisation.
        blocks: (filters, stride) of the transposed convolutions; each is followed by batch
            normalisation and LeakyReLU. 0 filters stands for the number of image channels.
        output_stride: stride of the last transposed convolution, which is followed by tanh.
        bias: dense layers and convolutions have a bias.
        momentum: momentum of batch normalisation.
        slope: negative slope of LeakyReLU.
    """

    upsampling: int
    stem: int
    stem_norm: bool
    blocks: tuple[tuple[int, int], ...]
    output_stride: int
    bias: bool
    momentum: float = 0.99
    slope: float = 0.3


@dataclasses.dataclass(frozen=True)
class DiscriminatorSpec:
    """Layers of a discriminator.

    Attributes:
        filters: filters of the convolutions with stride 2; each is followed by batch normalisation
            and LeakyReLU.
        hidden: units of the dense layer before the score; 0 for no such layer.
        hidden_slope: slope of the LeakyReLU after the dense layer; `None` leaves it linear.
        momentum: momentum of batch normalisation.
        slope: negative slope of LeakyReLU.
    """

    filters: tuple[int, ...]
    hidden: int
    hidden_slope: float | None = None
    momentum: float = 0.99
    slope: float = 0.3


GENERATORS = {
    "mnist": GeneratorSpec(
        upsampling=4, stem=256, stem_norm=True, blocks=((128, 1), (64, 2), (32, 1), (0, 2)),
        output_stride=1, bias=False,
    ),
    "cifar10": GeneratorSpec(
        upsampling=32, stem=0, stem_norm=False, blocks=((512, 2), (256, 2), (128, 2), (64, 2)),
        output_stride=2, bias=True, momentum=0.9, slope=0.1,
    ),
    "celeba": GeneratorSpec(
        upsampling=16, stem=1024, stem_norm=False, blocks=((512, 2), (256, 2), (128, 2)),
        output_stride=2, bias=True,
    ),
}  # fmt: skip
DISCRIMINATORS = {
    "mnist": DiscriminatorSpec(filters=(64, 64, 128), hidden=50, hidden_slope=0.3),
    "cifar10": DiscriminatorSpec(filters=(64, 128, 256, 512), hidden=50, momentum=0.9, slope=0.1),
    "celeba": DiscriminatorSpec(filters=(64, 128, 256, 512), hidden=0),
}


def network_for(dataset: str, image_size: int) -> str:
    """Network that `--network=auto` selects."""
    if dataset == "celeba":
        return "celeba"
    return {28: "mnist", 32: "cifar10"}.get(image_size, "celeba")


def size_fits(network: str, image_size: int) -> bool:
    """Returns whether a network supports square images of this size."""
    if network not in GENERATORS:  # uac_resnet
        return image_size == 32
    step = GENERATORS[network].upsampling
    return image_size == step if network == "cifar10" else image_size % step == 0


def scaled(filters: int, width: float) -> int:
    """Number of filters multiplied by the width, at least 1."""
    return max(1, round(filters * width))


class Network(keras.Model):
    """Base class of all networks: serialisable arguments, and layers with seeded weights.

    The seeds of the initial weights come from the random stream with the network's name.
    """

    def __init__(
        self,
        network: str,
        image_shape: Sequence[int],
        width: float,
        seed: int,
        name: str,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self._arguments: dict[str, Any] = {
            "network": network, "image_shape": list(image_shape), "width": width, "seed": seed,
        }  # fmt: skip
        self._seeds = iter(initializer_seeds(seed, name, 32))

    def get_config(self):
        return {**super().get_config(), **self._arguments}

    def _glorot(self) -> keras.initializers.Initializer:
        """Glorot-uniform initialiser with a new seed."""
        return keras.initializers.GlorotUniform(seed=next(self._seeds))

    def _weights(self, layer: type, *args: Any, **kwargs: Any) -> layers.Layer:
        """Layer with Glorot-uniform weights from a new seed, in the network's precision."""
        kwargs.setdefault("dtype", self.dtype_policy)
        return layer(*args, kernel_initializer=self._glorot(), **kwargs)

    def _norm_and_activation(self, norm: bool, momentum: float, slope: float) -> list[layers.Layer]:
        stack = [layers.LeakyReLU(slope, dtype=self.dtype_policy)]
        if norm:
            stack.insert(0, BatchNormalization(momentum=momentum, dtype=self.dtype_policy))
        return stack

    def _first_map(self, spec: GeneratorSpec, base: int, filters: int) -> list[layers.Layer]:
        """(B, latent_dim) -> (B, base, base, filters)."""
        return [
            self._weights(layers.Dense, base * base * filters, use_bias=spec.bias),
            *self._norm_and_activation(spec.stem_norm, spec.momentum, spec.slope),
            layers.Reshape((base, base, filters), dtype=self.dtype_policy),
        ]

    def _upsampling_layers(
        self, spec: GeneratorSpec, channels: int, width: float
    ) -> list[layers.Layer]:
        """First feature map -> images."""

        def convolution(filters: int, stride: int) -> layers.Layer:
            return self._weights(
                layers.Conv2DTranspose, filters, KERNEL, strides=stride, padding="same",
                use_bias=spec.bias,
            )  # fmt: skip

        stack = []
        for filters, stride in spec.blocks:
            stack.append(convolution(scaled(filters, width) if filters else channels, stride))
            stack += self._norm_and_activation(True, spec.momentum, spec.slope)
        stack.append(convolution(channels, spec.output_stride))
        return [*stack, layers.Activation("tanh", dtype="float32")]

    def _discriminator_layers(
        self, spec: DiscriminatorSpec, width: float, batch_norm: bool
    ) -> list[layers.Layer]:
        """Images -> features."""
        stack = []
        for filters in spec.filters:
            stack += [
                self._weights(
                    layers.Conv2D, scaled(filters, width), KERNEL, strides=2, padding="same"
                ),
                *self._norm_and_activation(batch_norm, spec.momentum, spec.slope),
            ]
        stack.append(layers.Flatten(dtype=self.dtype_policy))
        if spec.hidden:
            stack.append(self._weights(layers.Dense, scaled(spec.hidden, width)))
        if spec.hidden_slope is not None:
            stack.append(layers.LeakyReLU(spec.hidden_slope, dtype=self.dtype_policy))
        return stack


def run_stack(stack: list[layers.Layer], x: tf.Tensor, training: bool) -> tf.Tensor:
    """Applies layers in order; `training` is passed to layers that take it."""
    for layer in stack:
        takes_training = "training" in inspect.signature(layer.call).parameters
        x = layer(x, training=training) if takes_training else layer(x)
    return x


def build_stack(stack: list[layers.Layer], shape: Any) -> tuple:
    """Builds layers in order for an input shape, and returns the output shape."""
    for layer in stack:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


@keras.saving.register_keras_serializable(package="rumi_tf")
class Generator(Network):
    """Noise (B, latent_dim) -> images (B, H, W, C) in (-1, 1), float32.

    Args:
        network: key of `GENERATORS`.
        image_shape: (H, W, C), H = W, see `size_fits`.
        latent_dim: dimension of the noise.
        width: multiplier of the number of filters.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        *,
        network: str,
        image_shape: Sequence[int],
        latent_dim: int = 100,
        width: float = 1.0,
        seed: int = 0,
        name: str = "generator",
        **kwargs: Any,
    ):
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments["latent_dim"] = self.latent_dim = latent_dim
        spec, (size, _, channels) = GENERATORS[network], image_shape
        base, stem = size // spec.upsampling, scaled(spec.stem, width)
        if spec.stem:
            self._stack = self._first_map(spec, base, stem)
        else:
            self._stack = [layers.Reshape((1, 1, latent_dim), dtype=self.dtype_policy)]
        self._stack += self._upsampling_layers(spec, channels, width)
        self.build((None, latent_dim))

    def build(self, input_shape):
        build_stack(self._stack, input_shape)
        self.built = True

    def call(self, noise, training=False):
        return run_stack(self._stack, noise, training)


@keras.saving.register_keras_serializable(package="rumi_tf")
class Discriminator(Network):
    """Images (B, H, W, C) in [-1, 1] -> {"score": (B,) float32}, raw and unbounded.

    Args:
        network: key of `DISCRIMINATORS`.
        image_shape: (H, W, C).
        width: multiplier of the number of filters and hidden units.
        batch_norm: uses batch normalisation.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        *,
        network: str,
        image_shape: Sequence[int],
        width: float = 1.0,
        batch_norm: bool = True,
        seed: int = 0,
        name: str = "discriminator",
        **kwargs: Any,
    ):
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments["batch_norm"] = batch_norm
        self._stack = self._discriminator_layers(DISCRIMINATORS[network], width, batch_norm)
        # Always float32: a bfloat16 score would have 8 significant bits.
        self._score = self._weights(layers.Dense, 1, dtype="float32")
        self.build((None, *image_shape))

    def build(self, input_shape):
        build_stack([*self._stack, self._score], input_shape)
        self.built = True

    def call(self, images, training=False):
        features = run_stack(self._stack, images, training)
        return {"score": self._score(features)[:, 0]}
