"""Networks for points on a line, for UAC-GAN's mixture of Gaussians.

Activations are stored as columns, (units, B). On a CPU, matrix products of such narrow layers take
a quarter of the time with columns instead of rows.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from rumi_tf.networks.dcgan import Network, scaled

UNITS = 10
LABEL_DIM = 2


@dataclasses.dataclass(frozen=True)
class PointSpec:
    """One variant of the published code.

    Attributes:
        generator: activation of each hidden layer of G.
        discriminator: activation of each hidden layer of D below its heads.
        deviation: standard deviation of D's normal initial weights. `None` draws them uniformly in
            +-1 / sqrt(inputs), like the biases of D and all weights of G.
    """

    generator: tuple[str, ...]
    discriminator: tuple[str, ...]
    deviation: float | None


POINT_NETWORKS = {
    "points_v1": PointSpec(("tanh", "tanh", "linear"), ("tanh", "tanh", "linear"), None),
    "points_v2": PointSpec(("tanh", "linear"), ("tanh", "tanh", "tanh"), 0.02),
    "points_v3": PointSpec(("tanh", "tanh", "linear"), ("tanh", "tanh", "linear"), 0.02),
}


class Columns(layers.Layer):
    """Dense layer for columns: (inputs, B) -> (units, B)."""

    def __init__(
        self,
        units: int,
        activation: str,
        weights: keras.Initializer,
        biases: keras.Initializer | None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self._initializers = weights, biases

    def build(self, input_shape):
        weights, biases = self._initializers
        self.matrix = self.add_weight(
            shape=(self.units, input_shape[0]), initializer=weights, name="matrix"
        )
        if biases is not None:
            self.bias = self.add_weight(shape=(self.units, 1), initializer=biases, name="bias")
        self.built = True

    def call(self, columns):
        products = ops.matmul(self.matrix, columns)
        return self.activation(products if self._initializers[1] is None else products + self.bias)


class _Points(Network):
    """Base class with layers that have the initial weights of the variant."""

    def _columns(
        self, inputs: int, units: int, activation: str, deviation: float | None, bias: bool = True
    ) -> Columns:
        bound = inputs**-0.5
        weights, biases = (
            keras.initializers.RandomUniform(-bound, bound, seed=next(self._seeds))
            for _ in range(2)
        )
        if deviation is not None:
            weights = keras.initializers.RandomNormal(0.0, deviation, seed=next(self._seeds))
        layer = Columns(units, activation, weights, biases if bias else None)
        layer.build((inputs, None))
        return layer

    def _stack(
        self, inputs: int, activations: Sequence[str], width: float, deviation: float | None
    ) -> list[Columns]:
        units = scaled(UNITS, width)
        sizes = [inputs] + [units] * len(activations)
        return [
            self._columns(size, units, activation, deviation)
            for size, activation in zip(sizes, activations, strict=False)
        ]


@keras.saving.register_keras_serializable(package="rumi_tf")
class PointGenerator(_Points):
    """(noise (B, latent_dim), labels (B,) integers) -> points (B, 1), unbounded.

    Args:
        network: key of `POINT_NETWORKS`.
        image_shape: (1,).
        num_classes: K; labels are in [0, K).
        latent_dim: dimension of the noise.
        width: multiplier of the number of units.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        *,
        network: str,
        image_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 2,
        width: float = 1.0,
        seed: int = 0,
        name: str = "generator",
        **kwargs: Any,
    ):
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments |= {"latent_dim": latent_dim, "num_classes": num_classes}
        self.latent_dim, self.num_classes = latent_dim, num_classes
        spec = POINT_NETWORKS[network]
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=next(self._seeds))
        self._label = Columns(LABEL_DIM, "linear", normal, None)
        self._label.build((num_classes, None))
        self._hidden = self._stack(latent_dim + LABEL_DIM, spec.generator, width, None)
        self._point = self._columns(self._hidden[-1].units, image_shape[-1], "linear", None)
        self.built = True

    def call(self, inputs, training=False):
        noise, labels = inputs
        # An embedding as a product with one-hot columns, whose gradient needs no scatter.
        one_hot = ops.one_hot(labels, self.num_classes, axis=0, dtype=noise.dtype)
        columns = ops.concatenate([ops.transpose(noise), self._label(one_hot)], axis=0)
        for layer in (*self._hidden, self._point):
            columns = layer(columns)
        return ops.transpose(columns)


@keras.saving.register_keras_serializable(package="rumi_tf")
class PointDiscriminator(_Points):
    """Points (B, d) -> a dict of outputs, as for `ConditionalDiscriminator`.

    `score`: (B,); `features`: (B, F), the input of the linear heads; and for every name in `heads`
    (B, K): class logits, or the products <V_k, features> for `projection`.

    Args:
        network: key of `POINT_NETWORKS`.
        image_shape: (d,).
        num_classes: K.
        heads: names of the heads in addition to the score.
        width: multiplier of the number of units.
        batch_norm: must be false; not supported.
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
        batch_norm: bool = False,
        seed: int = 0,
        name: str = "discriminator",
        **kwargs: Any,
    ):
        if batch_norm:
            raise ValueError(f"{network} has no batch normalisation; batch_norm must be false")
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self._arguments |= {"num_classes": num_classes, "heads": list(heads)}
        spec = POINT_NETWORKS[network]
        self._hidden = self._stack(image_shape[-1], spec.discriminator, width, spec.deviation)
        self.features = self._hidden[-1].units
        self._score = self._columns(self.features, 1, "linear", spec.deviation)
        self._heads = [self._head(name, num_classes, spec.deviation) for name in heads]
        self.built = True

    def _head(self, name: str, num_classes: int, deviation: float | None) -> Columns:
        """Linear head; a projection has normal weights like an embedding, and no bias."""
        projection = name == "projection"
        return self._columns(
            self.features, num_classes, "linear", 1.0 if projection else deviation, not projection
        )

    @property
    def trunk_variables(self) -> list[keras.Variable]:
        """Trainable weights of all layers below the heads."""
        return [v for layer in self._hidden for v in layer.trainable_variables]

    def call(self, points, training=False):
        columns = ops.transpose(points)
        for layer in self._hidden:
            columns = layer(columns)
        score, *outputs = (head(columns) for head in (self._score, *self._heads))
        by_head = dict(zip(self._arguments["heads"], map(ops.transpose, outputs), strict=True))
        return {"score": score[0], "features": ops.transpose(columns), **by_head}
