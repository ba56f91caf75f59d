"""Images from an exported generator; needs the SavedModel alone, none of the training code."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from rumi_tf.data.class_names import class_index
from rumi_tf.export.safety import check_saved_model, read_metadata
from rumi_tf.utils import replicas
from rumi_tf.utils.console import tracked
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import normal

# Noise is drawn and images are made in chunks of this size, and cut to what was asked for: image k
# of a seed is the same whatever the number of images.
CHUNK = 100


@dataclasses.dataclass(frozen=True)
class Sampler:
    """An exported generator.

    Attributes:
        generate: (B, latent_dim) float32 noise, of a conditional generator with (B,) int32
            labels beside it, -> (B, H, W, C) float32 in [-1, 1].
        latent_dim: dimension of the noise.
        metadata: what was stored beside the model.
        conditional: whether the generator is told a class.
    """

    generate: Callable[..., tf.Tensor]
    latent_dim: int
    metadata: dict
    conditional: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class of a conditional generator, by label."""
        return tuple(self.metadata.get("class_names", ())) if self.conditional else ()

    @property
    def iteration(self) -> int | None:
        """After which it was exported, of those of its run; `None` if it does not say so."""
        last = self.metadata.get("config", {}).get("iterations")
        found = self.metadata.get("iteration", last)
        return found if type(found) is int and type(last) is int and 0 < found <= last else None

    def label(self, name: str) -> int:
        """The label of a class given by name or index.

        Raises:
            InvalidInput: the generator is unconditional, or there is no such class.
        """
        if not self.conditional:
            raise InvalidInput("label", "has no effect: this model was not trained on classes")
        return class_index("label", name, self.class_names)

    def batches(
        self, num: int, seed: int, label: int | Sequence[int] | None = None
    ) -> Iterator[np.ndarray]:
        """Yields `num` images in order, at most `CHUNK` at a time, as float32 in [-1, 1].

        Args:
            num: how many.
            seed: seed of the noise.
            label: class of all images, or classes that take turns; `None` for all classes that
                the generator was trained on, in turn. Image k has the same noise with any label.

        Raises:
            InvalidInput: a label of an unconditional generator, or one that is out of range.
        """
        labels = self._labels(label) if self.conditional or label is not None else None
        shape = (CHUNK, self.latent_dim)
        yield from _chunks(
            self.generate, lambda chunk: normal(shape, seed, "sample", chunk), num, labels
        )

    def sample(self, num: int, seed: int, label: int | Sequence[int] | None = None) -> np.ndarray:
        """(num, H, W, C) float32 in [-1, 1]; the same for the same seed and label."""
        return np.concatenate(list(self.batches(num, seed, label)))

    def _labels(self, label: int | Sequence[int] | None) -> np.ndarray:
        """(n,) int32 classes that take turns."""
        if label is None:
            every = range(int(self.metadata.get("num_classes", 1)))
            label = self.metadata.get("trained_classes") or every
        elif not self.conditional:
            raise InvalidInput("label", "has no effect: this model was not trained on classes")
        labels = np.atleast_1d(np.asarray(label, np.int32))
        known = int(self.metadata.get("num_classes", 2**31 - 1))
        if self.conditional and (labels.min() < 0 or labels.max() >= known):
            raise InvalidInput("label", f"is not in 0 to {known - 1}")
        trained = self.metadata.get("trained_classes")
        if trained and not set(labels.tolist()) <= set(trained):
            names = ", ".join(str(self.class_names[k]) for k in trained)
            raise InvalidInput("label", f"the model was trained on the classes {names} alone")
        return labels

    def title(self) -> str:
        """What the images are, for a picture's title."""
        config = self.metadata.get("config", {})
        known = [config.get("objective"), config.get("dataset"), self.iteration]
        if None in known:
            return "generated images"
        return "{}, {}, iteration {:,}".format(*known)


def evaluation_batches(
    generate: Callable[..., tf.Tensor],
    latent_dim: int,
    num: int,
    seed: int,
    iteration: int,
    labels: Sequence[int] | None = None,
) -> Iterator[np.ndarray]:
    """Yields `num` images for an evaluation, from other noise at every iteration.

    Args:
        generate: as `Sampler.generate`.
        latent_dim: dimension of the noise.
        num: how many.
        seed: of the run.
        iteration: of the run, in which the generator is evaluated.
        labels: classes that take turns; `None` for an unconditional generator.
    """
    yield from _chunks(generate, _evaluation_noise(latent_dim, seed, iteration), num, labels)


def evaluation_outputs(
    generate: Callable[..., tf.Tensor],
    embed: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
    latent_dim: int,
    seed: int,
    labels: Sequence[int] | None,
    strategy: tf.distribute.Strategy,
) -> Callable[[int, int], Iterator[dict[str, np.ndarray]]]:
    """What a network says of the images of `evaluation_batches`, the work divided over replicas.

    In each round every replica makes and embeds one chunk; every process gets the outputs of all
    of them, in the order of the images, so that the number of replicas changes nothing.

    Args:
        generate, latent_dim, seed, labels: as of `evaluation_batches`.
        embed: (B, H, W, C) images -> by name, (B, n) float32.
        strategy: whose replicas; all its processes must do the same.

    Returns:
        (iteration, number of images) -> the outputs, by name and batch by batch.
    """

    @tf.function
    def of_round(iteration: tf.Tensor, first: tf.Tensor) -> dict[str, tf.Tensor]:
        def own() -> dict[str, tf.Tensor]:
            chunk = first + replicas.number()
            noise = _evaluation_noise(latent_dim, seed, iteration)
            outputs = embed(generate(*_inputs(noise, labels, chunk)))
            # Gathered as one: there may be outputs without columns.
            rows = replicas.all_rows(tf.concat(list(outputs.values()), axis=1))
            widths = [output.shape[1] for output in outputs.values()]
            return dict(zip(outputs, tf.split(rows, widths, axis=1), strict=True))

        return strategy.experimental_local_results(strategy.run(own))[0]

    def stream(iteration: int, num: int) -> Iterator[dict[str, np.ndarray]]:
        each = CHUNK * strategy.num_replicas_in_sync
        rounds = [range(start, min(start + each, num)) for start in range(0, num, each)]
        for images in tracked(rounds, num, "features of the generated images", "image"):
            outputs = of_round(tf.constant(iteration), tf.constant(images.start // CHUNK))
            yield {name: rows[: len(images)].numpy() for name, rows in outputs.items()}

    return stream


def _evaluation_noise(
    latent_dim: int, seed: int, iteration: int | tf.Tensor
) -> Callable[..., tf.Tensor]:
    """Number of a chunk -> (CHUNK, latent_dim) noise of an evaluation."""
    return lambda chunk: normal((CHUNK, latent_dim), seed, "evaluate", iteration, chunk)


def _inputs(
    noise: Callable[..., tf.Tensor],
    labels: Sequence[int] | np.ndarray | None,
    chunk: int | tf.Tensor,
) -> list[tf.Tensor]:
    """What a generator takes for a chunk: noise, and labels that take turns, if there are any."""
    if labels is None:
        return [noise(chunk)]
    turns = (chunk * CHUNK + tf.range(CHUNK)) % len(labels)
    return [noise(chunk), tf.gather(np.asarray(labels, np.int32), turns)]


def _chunks(
    generate: Callable[..., tf.Tensor],
    noise: Callable[[int], tf.Tensor],
    num: int,
    labels: Sequence[int] | np.ndarray | None,
) -> Iterator[np.ndarray]:
    for chunk, start in enumerate(range(0, num, CHUNK)):
        yield generate(*_inputs(noise, labels, chunk)).numpy()[: num - start]


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Maps [-1, 1] to uint8 in [0, 255]."""
    return np.clip(np.round((images + 1) * 127.5), 0, 255).astype(np.uint8)


def load_sampler(directory: str | os.PathLike) -> Sampler:
    """Loads a SavedModel that `reproduce.train` exported.

    Raises:
        InvalidInput: there is no SavedModel, it is damaged, or it is not a generator of images.
    """
    directory = Path(directory)
    if not (directory / "saved_model.pb").is_file():
        hint = ""
        if (directory / "saved_model" / "saved_model.pb").is_file():
            hint = f"; did you mean {directory / 'saved_model'}?"
        raise InvalidInput("saved_model", f"{directory} is not a TensorFlow SavedModel{hint}")
    try:
        metadata = read_metadata(directory)
        check_saved_model(directory)
    except (OSError, ValueError) as error:
        raise InvalidInput("saved_model", f"{directory} is not loaded: {error}") from error
    try:
        model = tf.saved_model.load(str(directory))
        serve = model.signatures["serve"]
        inputs = serve.structured_input_signature[1]
        label = inputs.pop("label", None)
        (spec,) = inputs.values()
        (output,) = serve.structured_outputs.values()
        served = callable(model.serve)
    except Exception as error:
        # TensorFlow raises a dozen different types here, by which byte of which file is wrong.
        raise InvalidInput(
            "saved_model", f"{directory} cannot be used as a generator ({type(error).__name__})"
        ) from error
    no_generator = InvalidInput("saved_model", f"{directory} does not map noise vectors to images")
    if not served or spec.shape.rank != 2 or spec.shape[1] is None or output.shape.rank != 4:
        raise no_generator

    def generate(*inputs: tf.Tensor) -> tf.Tensor:
        try:
            # The loaded function does not keep its variables alive; the closure over `model` does.
            images = model.serve(*inputs)
        except tf.errors.ResourceExhaustedError:
            raise
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise no_generator from error
        if not isinstance(images, tf.Tensor):
            raise no_generator
        if images.dtype != tf.float32 or images.shape.rank != 4 or images.shape[-1] not in (1, 3):
            raise no_generator
        return images

    return Sampler(generate, int(spec.shape[1]), metadata, label is not None)
