"""Images from an exported generator; needs the SavedModel alone, none of the training code."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from rumi_tf.errors import InvalidInput
from rumi_tf.randomness import normal

METADATA = Path("assets.extra") / "rumi_tf.json"
# Noise is drawn and images are made in chunks of this size, and cut to what was asked for: image k
# of a seed is the same whatever the number of images.
CHUNK = 100


@dataclasses.dataclass(frozen=True)
class Sampler:
    """An exported generator.

    Attributes:
        generate: (B, latent_dim) float32 noise -> (B, H, W, C) float32 in [-1, 1].
        latent_dim: dimension of the noise.
        metadata: what was stored beside the model.
    """

    generate: Callable[[tf.Tensor], tf.Tensor]
    latent_dim: int
    metadata: dict

    def batches(self, num: int, seed: int) -> Iterator[np.ndarray]:
        """Yields `num` images in order, at most `CHUNK` at a time, as float32 in [-1, 1]."""
        for chunk, start in enumerate(range(0, num, CHUNK)):
            noise = normal((CHUNK, self.latent_dim), seed, "sample", chunk)
            yield self.generate(noise).numpy()[: num - start]

    def sample(self, num: int, seed: int) -> np.ndarray:
        """(num, H, W, C) float32 in [-1, 1]; the same for the same seed."""
        return np.concatenate(list(self.batches(num, seed)))

    def title(self) -> str:
        """What the images are, for a picture's title."""
        config = self.metadata.get("config", {})
        known = [config.get(key) for key in ("objective", "dataset", "iterations")]
        if None in known:
            return "generated images"
        return "{}, {}, iteration {:,}".format(*known)


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Maps [-1, 1] to uint8 in [0, 255]."""
    return np.clip(np.round((images + 1) * 127.5), 0, 255).astype(np.uint8)


def load_sampler(directory: str | os.PathLike) -> Sampler:
    """Loads a SavedModel that `reproduce.train` exported.

    Raises:
        InvalidInput: there is no SavedModel, or it is not a generator of images.
    """
    directory = Path(directory)
    if not (directory / "saved_model.pb").is_file():
        hint = ""
        if (directory / "saved_model" / "saved_model.pb").is_file():
            hint = f"; did you mean {directory / 'saved_model'}?"
        raise InvalidInput("saved_model", f"{directory} is not a TensorFlow SavedModel{hint}")
    try:
        model = tf.saved_model.load(str(directory))
        serve = model.signatures["serve"]
        (spec,) = serve.structured_input_signature[1].values()
        (output,) = serve.structured_outputs.values()
    except Exception as error:
        # TensorFlow raises a dozen different types here, by which byte of which file is wrong.
        raise InvalidInput(
            "saved_model", f"{directory} cannot be used as a generator ({type(error).__name__})"
        ) from error
    if len(spec.shape) != 2 or spec.shape[1] is None or len(output.shape) != 4:
        raise InvalidInput("saved_model", f"{directory} does not map noise vectors to images")
    try:
        metadata = json.loads((directory / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        metadata = {}
    # The loaded function does not keep its variables alive; the closure over `model` does.
    return Sampler(lambda noise: model.serve(noise), int(spec.shape[1]), metadata)
