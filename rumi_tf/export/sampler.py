"""Sampling from an exported generator, without the training code."""

import dataclasses
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import DTypeLike

from rumi_tf.data.class_names import class_index
from rumi_tf.export import latents
from rumi_tf.export.latents import CHUNK, Latents
from rumi_tf.export.safety import check_saved_model, read_metadata
from rumi_tf.utils import replicas
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import normal

Label = str | int  # name or index of a class


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
        self, request: Latents, label: Label | Sequence[Label] | None = None
    ) -> Iterator[np.ndarray]:
        """Yields the requested images in order, at most `CHUNK` at a time, float32 in [-1, 1].

        Args:
            request: number of images, and their noise.
            label: class of all images, or classes to cycle through; `None` cycles through all
                classes that the generator was trained on. A string is a name or, unless names are
                numbers, an index; an integer is always an index. The noise does not depend on it.

        Raises:
            InvalidInput: a label for an unconditional generator, or a label that is out of range.
        """
        labels = self._labels(label) if self.conditional or label is not None else None
        yield from _chunks(
            self.generate, lambda k: request.chunk(self.latent_dim, k), request.num, labels
        )

    def sample(
        self,
        num: int,
        *,
        label: Label | Sequence[Label] | None = None,
        seed: int = 0,
        truncation: float | None = None,
        dtype: DTypeLike = "float32",
    ) -> np.ndarray:
        """Generates images; the same for the same arguments.

        Args:
            num: number of images. The first images do not depend on it.
            label: class of all images, or classes to cycle through, as for `batches`.
            seed: seed of the noise, at least 0.
            truncation: limit of the noise, above 0 (`latents.truncated`); lower values give more
                typical and less varied images. `None`: no limit, as in training.
            dtype: float32 for images in [-1, 1], uint8 for images in [0, 255].

        Returns:
            (num, H, W, C) images; C is 1 for grey and 3 for RGB.

        Raises:
            ValueError: an argument is out of range, or (`InvalidInput`) does not suit the model.
        """
        _check(num, 1, [seed], truncation)
        return self.images(latents.of_seed(num, seed, truncation), label, dtype)

    def sample_seeds(
        self,
        seeds: Sequence[int],
        *,
        label: Label | Sequence[Label] | None = None,
        truncation: float | None = None,
        dtype: DTypeLike = "float32",
    ) -> np.ndarray:
        """One image per seed: the first image of `sample` for it. Otherwise as `sample`.

        Without `label`, the class of a conditional generator's image depends on its position.

        Raises:
            ValueError: an argument is out of range, or (`InvalidInput`) does not suit the model.
        """
        seeds = list(seeds)
        if not seeds:
            raise ValueError("seeds is empty")
        _check(len(seeds), 1, seeds, truncation)
        return self.images(latents.of_seeds(seeds, truncation), label, dtype)

    def interpolate(
        self,
        start: int,
        end: int,
        num: int = 16,
        *,
        label: Label | None = None,
        truncation: float | None = None,
        dtype: DTypeLike = "float32",
    ) -> np.ndarray:
        """Images on the way between two seeds (`latents.between`).

        Args:
            start, end: seeds; the first and last image are those of `sample_seeds`.
            num: number of images, at least 2.
            label: one class, as for `batches`; a conditional generator requires it.
            truncation, dtype: as for `sample`.

        Returns:
            (num, H, W, C) images.

        Raises:
            ValueError: an argument is out of range, or (`InvalidInput`) does not suit the model.
        """
        _check(num, 2, [start, end], truncation)
        if self.conditional and label is None:
            names = ", ".join(map(self.class_name, self._labels(None)))
            raise InvalidInput("label", f"name the class to interpolate in: {names}")
        if label is not None and not isinstance(label, str) and not _is_integer(label):
            raise InvalidInput("label", f"is {label!r}; an interpolation has one class")
        return self.images(latents.between(start, end, num, truncation), label, dtype)

    def images(
        self,
        request: Latents,
        label: Label | Sequence[Label] | None = None,
        dtype: DTypeLike = "float32",
    ) -> np.ndarray:
        """(num, H, W, C) requested images; see `batches` and `sample`.

        Raises:
            ValueError: another `dtype`, or (`InvalidInput`) a label that does not suit the model.
        """
        if np.dtype(dtype) not in (np.float32, np.uint8):
            raise ValueError(f"dtype is {dtype!r}; use float32 or uint8")
        convert = to_bytes if np.dtype(dtype) == np.uint8 else np.asarray
        return np.concatenate([convert(batch) for batch in self.batches(request, label)])

    def labels(self, num: int, label: Label | Sequence[Label] | None = None) -> np.ndarray | None:
        """(num,) classes of the images of `sample`; `None` for an unconditional generator."""
        return np.resize(self._labels(label), num) if self.conditional else None

    def _labels(self, label: Label | Sequence[Label] | None) -> np.ndarray:
        """(n,) int32 classes to cycle through."""
        if label is None:
            all_labels = range(int(self.metadata.get("num_classes", 1)))
            label = self.metadata.get("trained_classes") or all_labels
        elif not self.conditional:
            raise InvalidInput("label", "has no effect: this model is not class-conditional")
        words: list[Any] = [label] if np.ndim(label) == 0 else list(label)  # type: ignore[arg-type]
        if not words or not all(isinstance(word, str) or _is_integer(word) for word in words):
            raise InvalidInput("label", f"is {label!r}; use names or numbers of classes")
        labels = np.array([self.label(w) if isinstance(w, str) else int(w) for w in words])
        num_classes = int(self.metadata.get("num_classes", 2**31 - 1))
        if self.conditional and (labels.min() < 0 or labels.max() >= num_classes):
            raise InvalidInput("label", f"must be in 0 to {num_classes - 1}")
        trained = self.metadata.get("trained_classes")
        if trained and not set(labels.tolist()) <= set(trained):
            names = ", ".join(map(self.class_name, trained))
            raise InvalidInput("label", f"the model was trained only on the classes {names}")
        return labels.astype(np.int32)

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


def _check(num: int, least: int, seeds: Iterable[int], truncation: float | None) -> None:
    if not _is_integer(num) or num < least:
        raise ValueError(f"num is {num!r}; it must be an integer, at least {least}")
    for seed in seeds:
        if not _is_integer(seed) or not 0 <= seed < 2**31:
            raise ValueError(f"seed is {seed!r}; it must be an integer in 0 to {2**31 - 1}")
    if truncation is not None and not (isinstance(truncation, numbers.Real) and truncation > 0):
        raise ValueError(f"truncation is {truncation!r}; it must be a number greater than 0")


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


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
