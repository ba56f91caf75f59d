"""Sampling from an exported generator, without the training code."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from rumi_tf.data.class_names import class_index
from rumi_tf.export.safety import check_saved_model, read_metadata
from rumi_tf.utils import replicas
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import normal

# Images are generated in chunks of this size and truncated, so image k of a seed does not depend on
# the number of images.
CHUNK = 100


@dataclasses.dataclass(frozen=True)
class Sampler:
    """An exported generator.

    Attributes:
        generate: (B, latent_dim) float32 noise, and (B,) int32 labels if it is conditional, ->
            (B, H, W, C) float32 in [-1, 1].
        latent_dim: dimension of the noise.
        metadata: metadata stored with the model.
        conditional: the generator takes class labels.
    """

    generate: Callable[..., tf.Tensor]
    latent_dim: int
    metadata: dict
    conditional: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names of a conditional generator, by label."""
        return tuple(self.metadata.get("class_names", ())) if self.conditional else ()

    @property
    def iteration(self) -> int | None:
        """Training iteration of the weights; `None` if the metadata does not contain it."""
        last = self.metadata.get("config", {}).get("iterations")
        k = self.metadata.get("iteration", last)
        return k if type(k) is int and type(last) is int and 0 < k <= last else None

    def class_name(self, label: int) -> str:
        """Name of a class; its number if the metadata does not contain it."""
        return self.class_names[label] if label < len(self.class_names) else str(label)

    def label(self, name: str) -> int:
        """Label of a class, from its name or index.

        Raises:
            InvalidInput: the generator is unconditional, or there is no such class.
        """
        if not self.conditional:
            raise InvalidInput("label", "has no effect: this model is not class-conditional")
        return class_index("label", name, self.class_names)

    def batches(
        self, num: int, seed: int, label: int | Sequence[int] | None = None
    ) -> Iterator[np.ndarray]:
        """Yields `num` images in order, at most `CHUNK` at a time, as float32 in [-1, 1].

        Args:
            num: number of images.
            seed: seed of the noise.
            label: class of all images, or classes to cycle through; `None` cycles through all
                classes that the generator was trained on. The noise does not depend on it.

        Raises:
            InvalidInput: a label for an unconditional generator, or a label that is out of range.
        """
        labels = self._labels(label) if self.conditional or label is not None else None
        shape = (CHUNK, self.latent_dim)
        yield from _chunks(
            self.generate, lambda chunk: normal(shape, seed, "sample", chunk), num, labels
        )

    def sample(
        self, num: int, seed: int = 0, label: str | int | Sequence[int] | None = None
    ) -> np.ndarray:
        """(num, H, W, C) float32 in [-1, 1]; the same for the same seed and label.

        `label` is as for `batches`, or the name of a class.

        Raises:
            ValueError: `num` is not positive.
            InvalidInput: the label does not suit the generator.
        """
        if num < 1:
            raise ValueError(f"num is {num}; it must be positive")
        if isinstance(label, str):
            label = self.label(label)
        return np.concatenate(list(self.batches(num, seed, label)))

    def labels(self, num: int, label: int | Sequence[int] | None = None) -> np.ndarray | None:
        """(num,) classes of the images of `sample`; `None` for an unconditional generator."""
        return np.resize(self._labels(label), num) if self.conditional else None

    def _labels(self, label: int | Sequence[int] | None) -> np.ndarray:
        """(n,) int32 classes to cycle through."""
        if label is None:
            all_labels = range(int(self.metadata.get("num_classes", 1)))
            label = self.metadata.get("trained_classes") or all_labels
        elif not self.conditional:
            raise InvalidInput("label", "has no effect: this model is not class-conditional")
        labels = np.atleast_1d(np.asarray(label, np.int32))
        num_classes = int(self.metadata.get("num_classes", 2**31 - 1))
        if self.conditional and (labels.min() < 0 or labels.max() >= num_classes):
            raise InvalidInput("label", f"must be in 0 to {num_classes - 1}")
        trained = self.metadata.get("trained_classes")
        if trained and not set(labels.tolist()) <= set(trained):
            names = ", ".join(map(self.class_name, trained))
            raise InvalidInput("label", f"the model was trained only on the classes {names}")
        return labels

    def title(self) -> str:
        """Title of a figure of the images: objective, data set and iteration if known."""
        config = self.metadata.get("config", {})
        values = [config.get("objective"), config.get("dataset"), self.iteration]
        if None in values:
            return "generated images"
        return "{}, {}, iteration {:,}".format(*values)


def evaluation_batches(
    generate: Callable[..., tf.Tensor],
    latent_dim: int,
    num: int,
    seed: int,
    iteration: int,
    labels: Sequence[int] | None = None,
) -> Iterator[np.ndarray]:
    """Yields `num` images for an evaluation, with new noise for every iteration.

    Args:
        generate: as `Sampler.generate`.
        latent_dim: dimension of the noise.
        num: number of images.
        seed: seed of the run.
        iteration: training iteration of the evaluation.
        labels: classes to cycle through; `None` for an unconditional generator.
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
    """Embeds the images of `evaluation_batches`, distributed over replicas.

    In each round every replica generates and embeds one chunk. Every process gets the outputs of
    all replicas in the order of the images, so the result does not depend on their number.

    Args:
        generate, latent_dim, seed, labels: as for `evaluation_batches`.
        embed: (B, H, W, C) images -> by name, (B, n) float32.
        strategy: the replicas; all its processes must make the same calls.

    Returns:
        (iteration, number of images) -> the outputs, by name, in batches.
    """

    @tf.function
    def round_outputs(iteration: tf.Tensor, first: tf.Tensor) -> dict[str, tf.Tensor]:
        def replica_outputs() -> dict[str, tf.Tensor]:
            chunk = first + replicas.number()
            noise = _evaluation_noise(latent_dim, seed, iteration)
            outputs = embed(generate(*_inputs(noise, labels, chunk)))
            # Gathered as one array, because outputs may have no columns.
            rows = replicas.all_rows(tf.concat(list(outputs.values()), axis=1))
            widths = [output.shape[1] for output in outputs.values()]
            return dict(zip(outputs, tf.split(rows, widths, axis=1), strict=True))

        return strategy.experimental_local_results(strategy.run(replica_outputs))[0]

    def stream(iteration: int, num: int) -> Iterator[dict[str, np.ndarray]]:
        size = CHUNK * strategy.num_replicas_in_sync
        rounds = [range(start, min(start + size, num)) for start in range(0, num, size)]
        for images in with_progress(rounds, num, "features of the generated images", "image"):
            outputs = round_outputs(tf.constant(iteration), tf.constant(images.start // CHUNK))
            yield {name: rows[: len(images)].numpy() for name, rows in outputs.items()}

    return stream


def _evaluation_noise(
    latent_dim: int, seed: int, iteration: int | tf.Tensor
) -> Callable[..., tf.Tensor]:
    """Returns the function from the chunk number to (CHUNK, latent_dim) noise."""
    return lambda chunk: normal((CHUNK, latent_dim), seed, "evaluate", iteration, chunk)


def _inputs(
    noise: Callable[..., tf.Tensor],
    labels: Sequence[int] | np.ndarray | None,
    chunk: int | tf.Tensor,
) -> list[tf.Tensor]:
    """Inputs of the generator for a chunk: noise, and labels in turn if there are any."""
    if labels is None:
        return [noise(chunk)]
    positions = (chunk * CHUNK + tf.range(CHUNK)) % len(labels)
    return [noise(chunk), tf.gather(np.asarray(labels, np.int32), positions)]


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
        InvalidInput: there is no SavedModel, it is damaged or unsafe, or it does not generate
            images.
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
        raise InvalidInput("saved_model", f"{directory} was not loaded: {error}") from error
    try:
        model = tf.saved_model.load(str(directory))
        serve = model.signatures["serve"]
        inputs = serve.structured_input_signature[1]
        label = inputs.pop("label", None)
        (spec,) = inputs.values()
        (output,) = serve.structured_outputs.values()
        served = callable(model.serve)
    except Exception as error:
        # TensorFlow raises many types here, depending on how the files are damaged.
        raise InvalidInput(
            "saved_model", f"{directory} cannot be used as a generator ({type(error).__name__})"
        ) from error
    not_a_generator = InvalidInput(
        "saved_model", f"{directory} does not map noise vectors to images"
    )
    if not served or spec.shape.rank != 2 or spec.shape[1] is None or output.shape.rank != 4:
        raise not_a_generator

    def generate(*inputs: tf.Tensor) -> tf.Tensor:
        try:
            # The closure over `model` keeps its variables alive; the loaded function does not.
            images = model.serve(*inputs)
        except tf.errors.ResourceExhaustedError:
            raise
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise not_a_generator from error
        if not isinstance(images, tf.Tensor):
            raise not_a_generator
        if images.dtype != tf.float32 or images.shape.rank != 4 or images.shape[-1] not in (1, 3):
            raise not_a_generator
        return images

    return Sampler(generate, int(spec.shape[1]), metadata, label is not None)
