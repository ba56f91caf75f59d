"""Statistics networks T(x, y) of UAC-GAN, and its label discriminator.

They compute in float32; under mixed precision their input, D's features, is in bfloat16. The heads
are not spectrally normalised, because a bound on T's slope would loosen the mutual information
bound (the paper does not say). `concat` is a complete discriminator of the run's network, so with
`uac_resnet` all its layers are normalised and its bound is loose.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers, ops

from rumi_tf.networks.dcgan import Network
from rumi_tf.networks.registry import conditional_pair


class _Statistics(Network):
    """(images or features, labels (B,)) -> T(x, y), (B,) float32.

    Also stores the moving average that corrects the bias of T's gradient.

    Args:
        network: name of the discriminator's network.
        image_shape: (H, W, C).
        num_classes: K.
        features: F, size of the discriminator's features.
        width: multiplier of the number of filters.
        seed: seed of the initial weights.

    Class attributes:
        reads: input of T: `features`, the discriminator's, or `image`.
        label_discriminator: the logit of a label discriminator is added to T (Eq. 17).
    """

    reads: ClassVar[str] = "features"
    label_discriminator: ClassVar[bool] = False

    def __init__(
        self,
        *,
        network: str,
        image_shape: Sequence[int],
        num_classes: int,
        features: int,
        width: float = 1.0,
        seed: int = 0,
        name: str = "mine",
        **kwargs: Any,
    ):
        super().__init__(network, image_shape, width, seed, name, **kwargs)
        self.num_classes = num_classes
        zero = {"shape": (), "initializer": "zeros", "trainable": False, "autocast": False}
        # Log of the moving average of E e^T, and 1 once it has started.
        self.log_average = self.add_weight(name="log_average", **zero)
        self.begun = self.add_weight(name="begun", **zero)
        self._build_layers(network, tuple(image_shape), features, width, seed)

    def _bias_by_class(self) -> keras.Variable:
        return self.add_weight(
            shape=(self.num_classes,), initializer="zeros", autocast=False, name="class_bias"
        )

    def _products(self, features: int) -> layers.Layer:
        """phi -> (B, K) products <v_k, phi>."""
        dense = self._weights(layers.Dense, self.num_classes, use_bias=False, dtype="float32")
        dense.build((None, features))
        return dense


class Concat(_Statistics):
    """T is a separate discriminator of the image with K one-hot label planes.

    For points the label is K coordinates. There is no batch normalisation, which would leak
    information between the images and labels of a batch.
    """

    reads: ClassVar = "image"

    def _build_layers(self, network, image_shape, features, width, seed):
        *size, channels = image_shape
        self._discriminator = conditional_pair(network)[1](
            network=network, image_shape=(*size, channels + self.num_classes),
            num_classes=self.num_classes, width=width, batch_norm=False, seed=seed,
            name=f"{self.name}_trunk", dtype=self.dtype_policy,
        )  # fmt: skip
        self.built = True

    def call(self, inputs):
        images, labels = inputs
        *size, _ = ops.shape(images)
        planes = ops.one_hot(labels, self.num_classes, dtype=images.dtype)
        planes = ops.reshape(planes, (-1, *(1 for _ in size[1:]), self.num_classes))
        planes = ops.broadcast_to(planes, (*size, self.num_classes))
        return self._discriminator(ops.concatenate([images, planes], axis=-1), training=True)[
            "score"
        ]


class Projection(_Statistics):
    """T(x, y) = <v_y, phi> + psi(phi) + c_y with one linear unit psi (UAC-GAN, Eq. 15)."""

    def _build_layers(self, network, image_shape, features, width, seed):
        self._products_by_class = self._products(features)
        self._psi = self._weights(layers.Dense, 1, dtype="float32")
        self._psi.build((None, features))
        self._class_bias = self._bias_by_class()
        self.built = True

    def call(self, inputs):
        features, labels = inputs
        product = tf.gather(self._products_by_class(features), labels, batch_dims=1)
        return product + self._psi(features)[:, 0] + tf.gather(self._class_bias.value, labels)


class ProjectionLSE(_Statistics):
    """T(x, y) = <v_y, phi> - LogSumExp_k <v_k, phi> + c_y (UAC-GAN, Eq. 11, 14)."""

    def _build_layers(self, network, image_shape, features, width, seed):
        self._products_by_class = self._products(features)
        self._class_bias = self._bias_by_class()
        self.built = True

    def call(self, inputs):
        features, labels = inputs
        log_class = tf.nn.log_softmax(self._products_by_class(features))
        return tf.gather(log_class, labels, batch_dims=1) + tf.gather(
            self._class_bias.value, labels
        )


class ProjectionLabelDiscriminator(_Statistics):
    """T(x, y) = <v_y, phi> - LogSumExp_k <v_k, phi>, plus the logit of D_Y (UAC-GAN, Eq. 17).

    The objective adds the logit, which replaces c_y of `ProjectionLSE`.
    """

    label_discriminator: ClassVar = True

    def _build_layers(self, network, image_shape, features, width, seed):
        self._products_by_class = self._products(features)
        self.built = True

    def call(self, inputs):
        features, labels = inputs
        log_class = tf.nn.log_softmax(self._products_by_class(features))
        return tf.gather(log_class, labels, batch_dims=1)


class LabelDiscriminator(keras.Model):
    """D_Y: labels (B,) -> (B,) logits, one learnt number per class (UAC-GAN, Eq. 16).

    Args:
        num_classes: K.
        name: name of the network.
        unused: other arguments that `make_model` passes to every network.
    """

    def __init__(self, *, num_classes: int, name: str = "label_discriminator", **unused: Any):
        super().__init__(name=name)
        self._logits = self.add_weight(
            shape=(num_classes,), initializer="zeros", autocast=False, name="logits"
        )
        self.built = True

    def call(self, labels):
        return tf.gather(self._logits.value, labels)


STATISTICS = {
    "concat": Concat,
    "projection": Projection,
    "projection_lse": ProjectionLSE,
    "projection_label_disc": ProjectionLabelDiscriminator,
}
