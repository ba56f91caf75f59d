"""InceptionV3 of Keras with ImageNet weights, the embedding of both papers."""

from pathlib import Path

import keras
import tensorflow as tf

from rumi_tf.evaluation.embeddings.base import Embedding, weights_digest
from rumi_tf.evaluation.embeddings.weights import load_weights
from rumi_tf.utils.console import has_terminal
from rumi_tf.utils.errors import InvalidInput

# Side of the resized images in pixels. `inception`: Section 4.1 of the Rumi-GAN paper, without the
# top. `inception_299`: the UAC-GAN paper's protocol, with ImageNet's class probabilities.
SIZES = {"inception": 80, "inception_299": 299}
VERSION = 1  # of the preprocessing; a new version invalidates cached features


def load_inception(name: str, weights: str | None = None) -> Embedding:
    """InceptionV3 with average pooling.

    Images are resized bilinearly, and greyscale is copied to three channels. Their range is
    [-1, 1].

    Args:
        name: key of `SIZES`.
        weights: path of a weights file of `keras.applications.InceptionV3`, without its top for
            `inception` and with its top for `inception_299`; `None` downloads Keras's weights.

    Raises:
        InvalidInput: the weights are missing, do not fit, or cannot be downloaded. Random weights
            are never used.
    """
    network = _load(name, weights)
    size = SIZES[name]

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    def embed_colour(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.image.resize(images, (size, size), method="bilinear")
        features, scores = network(images, training=False)
        return {"features": features, "scores": scores, "classes": features[:, :0]}

    def embed(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return embed_colour(tf.repeat(images, 3 // images.shape[-1], axis=-1))

    return Embedding(name, f"{name}-{VERSION}-{weights_digest(network)}", embed)


def _load(name: str, weights: str | None) -> keras.Model:
    """The network, with the outputs features and class probabilities (or an empty tensor)."""
    size, top = SIZES[name], name == "inception_299"
    if weights and not Path(weights).is_file():
        raise InvalidInput("inception_weights", f"{weights} is not a file")
    arguments = {"include_top": True} if top else {"include_top": False, "pooling": "avg"}
    if not has_terminal():
        keras.config.disable_interactive_logging()  # the download's progress bar
    try:
        network = keras.applications.InceptionV3(
            weights=None if weights else "imagenet", input_shape=(size, size, 3), **arguments
        )
        if weights:
            load_weights(network, weights)
    except Exception as error:
        # Keras, h5py and urllib raise many types here; there are two cases for the user.
        if weights:
            raise InvalidInput(
                "inception_weights",
                f"{weights} does not hold weights of keras.applications.InceptionV3 "
                f"{'with' if top else 'without'} its top, which --embedding={name} needs",
            ) from error
        raise InvalidInput(
            "inception_weights",
            "the ImageNet weights of InceptionV3 are not on this machine and could not be "
            "downloaded; give a file with --inception_weights=PATH, or use "
            "--embedding=classifier with a --dataset, which needs none",
        ) from error
    pooled = network.get_layer("avg_pool").output if top else network.output
    scores = network.output if top else network.output[:, :0]
    return keras.Model(network.input, [pooled, scores])
