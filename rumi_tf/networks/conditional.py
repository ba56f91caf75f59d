"""Networks for the conditional models of the Rumi-GAN experiments: AC-GAN, TAC-GAN, CGAN-PD.

The paper states only that the class is embedded into a 7x7x1 map. The other layers are those of its
published code.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from rumi_tf.networks.dcgan import (
    DiscriminatorSpec,
    GeneratorSpec,
    Network,
    build_stack,
    run_stack,
    scaled,
)

EMBEDDING = 50  # dimension of the class embedding; not stated by the paper
# The first feature map has one filter for the label and `stem` filters for the noise. The layers
# after it equal those of the unconditional generator from that size on.
CONDITIONAL_GENERATORS = {
    "mnist": GeneratorSpec(
        upsampling=4, stem=63, stem_norm=True, blocks=((128, 1), (64, 2), (32, 1), (0, 2)),
        output_stride=1, bias=False,
    ),
    "cifar10": GeneratorSpec(
        upsampling=8, stem=255, stem_norm=False, blocks=((128, 2), (64, 2)),
        output_stride=2, bias=True, momentum=0.9, slope=0.1,
    ),
    "celeba": GeneratorSpec(
        upsampling=16, stem=1023, stem_norm=False, blocks=((512, 2), (256, 2), (128, 2)),
        output_stride=2, bias=True,
    ),
}  # fmt: skip
CONDITIONAL_DISCRIMINATOR = DiscriminatorSpec(filters=(64, 128, 256), hidden=50)


@keras.saving.register_keras_serializable(package="rumi_tf")
class ConditionalGenerator(Network):
    """(noise (B, latent_dim), labels (B,) integers) -> images (B, H, W, C) in (-1, 1), float32.

    Args:
        network: key of `CONDITIONAL_GENERATORS`.
        image_shape: (H, W, C), H = W, see `size_fits`.
        num_classes: K; labels are in [0, K).
        latent_dim: dimension of the noise.
        width: multiplier of the number of filters.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        *,
        network: str,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 100,
        width: float = 1.0,
        seed: int = 0,
        name: str = "generator",
        **kwargs: Any,
    ):
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments["latent_dim"] = self.latent_dim = latent_dim
        self._arguments["num_classes"] = self.num_classes = num_classes
        spec, (size, _, channels) = CONDITIONAL_GENERATORS[network], image_shape
        base, stem = size // spec.upsampling, scaled(spec.stem, width)
        self._noise = self._first_map(spec, base, stem)
        self._label = [
            layers.Embedding(
                num_classes, EMBEDDING, embeddings_initializer=self._glorot(),
                dtype=self.dtype_policy,
            ),
            self._weights(layers.Dense, base * base),
            layers.Reshape((base, base, 1), dtype=self.dtype_policy),
        ]  # fmt: skip
        self._images = self._upsampling_layers(spec, channels, width)
        self.build(((None, latent_dim), (None,)))

    def build(self, input_shape):
        noise, label = input_shape
        *shape, filters = build_stack(self._noise, noise)
        build_stack(self._label, label)
        build_stack(self._images, (*shape, filters + 1))
        self.built = True

    def call(self, inputs, training=False):
        noise, labels = inputs
        maps = [run_stack(self._noise, noise, training), run_stack(self._label, labels, training)]
        return run_stack(self._images, ops.concatenate(maps, axis=-1), training)


@keras.saving.register_keras_serializable(package="rumi_tf")
class ConditionalDiscriminator(Network):
    """Images (B, H, W, C) in [-1, 1] -> a dict of float32 outputs.

    `score`: (B,) raw score; `features`: (B, F), the input of the linear heads; and for every name
    in `heads` (B, K): class logits, or the products <V_k, features> for `projection`.

    Args:
        network: any network of the DCGAN family; they share one discriminator.
        image_shape: (H, W, C).
        num_classes: K.
        heads: names of the heads in addition to the score.
        width: multiplier of the number of filters and hidden units.
        batch_norm: uses batch normalisation.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        *,
        network: str,
        image_shape: Sequence[int],
        num_classes: int,
        heads: Sequence[str] = (),
        width: float = 1.0,
        batch_norm: bool = True,
        seed: int = 0,
        name: str = "discriminator",
        **kwargs: Any,
    ):
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments["num_classes"] = num_classes
        self._arguments["heads"] = list(heads)
        self._arguments["batch_norm"] = batch_norm
        self._stack = self._trunk(width, batch_norm)
        self._score = self._head(1)
        # A projection is a plain inner product, without a bias per class.
        self._heads = [self._head(num_classes, use_bias=name != "projection") for name in heads]
        self.build((None, *image_shape))

    def _trunk(self, width: float, batch_norm: bool) -> list[layers.Layer]:
        return self._discriminator_layers(CONDITIONAL_DISCRIMINATOR, width, batch_norm)

    def _head(self, units: int, **kwargs: Any) -> layers.Layer:
        # Always float32: a bfloat16 score would have 8 significant bits.
        return self._weights(layers.Dense, units, dtype="float32", **kwargs)

    def build(self, input_shape):
        shape = build_stack(self._stack, input_shape)
        for head in (self._score, *self._heads):
            head.build(shape)
        self.features = shape[-1]
        self.built = True

    @property
    def trunk_variables(self) -> list[keras.Variable]:
        """Trainable weights of all layers below the heads."""
        return [v for layer in self._stack for v in layer.trainable_variables]

    def call(self, images, training=False):
        features = ops.cast(run_stack(self._stack, images, training), "float32")
        score, *outputs = (
            run_stack([head], features, training) for head in (self._score, *self._heads)
        )
        by_head = dict(zip(self._arguments["heads"], outputs, strict=True))
        return {"score": score[:, 0], "features": features, **by_head}
