"""Features of a set of images: extracted in one pass, and for real images kept in a cache."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rumi_tf.data.dataset import LabelledImages
from rumi_tf.evaluation.embeddings import Embedding, image_batches
from rumi_tf.evaluation.protocols import Protocol
from rumi_tf.metrics import GaussianStatistics
from rumi_tf.utils import locks
from rumi_tf.utils.console import tracked
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import atomic_path, is_foreseen, read_npz, remove_temporaries

# Features beyond so many enter the statistics of the Frechet distance and are not kept, so that
# memory does not grow with the number of images. The other metrics use those that were kept.
KEPT = 10_240


@dataclasses.dataclass(frozen=True)
class Features:
    """What the metrics need to know about a set of images.

    Attributes:
        statistics: mean and covariance of the features of all images.
        kept: (m, D) float32, features of the first `KEPT` images.
        scores: (m, S) float32, class probabilities of the same images for the Inception score; S
            is 0 where there are none.
        classes: (m, K) float32, probabilities of the data set's own classes; K is 0 where there
            are none.
    """

    statistics: GaussianStatistics
    kept: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return self.statistics.count


def extract(
    embedding: Embedding, batches: Iterable[np.ndarray], total: int = 0, title: str = "features"
) -> Features:
    """Features of a stream of images, in the memory of a batch, the statistics and `KEPT` rows.

    Args:
        embedding: the network.
        batches: arrays (n, H, W, C) in [-1, 1], in random order.
        total: images in all, for the progress bar.
        title: of the progress bar.

    Raises:
        ValueError: fewer than two images, images that are not numbers in [-1, 1] or of another
            shape than the embedding takes, or features that are not finite.
    """
    checked = (_checked(batch, embedding) for batch in tracked(batches, total, title, "image"))
    return collect(embedding.stream(checked))


def collect(outputs: Iterable[Mapping[str, np.ndarray]]) -> Features:
    """Features of images that went through an embedding, in the same memory as `extract`.

    Args:
        outputs: of an embedding, by name and batch by batch, as `Embedding.stream` has them.

    Raises:
        ValueError: fewer than two images, or features that are not finite.
    """
    statistics = GaussianStatistics()
    parts, kept = [], 0
    for batch in outputs:
        statistics.update(batch["features"])
        if kept < KEPT:
            parts.append({name: rows[: KEPT - kept] for name, rows in batch.items()})
            kept += len(parts[-1]["features"])
    if statistics.count < 2:
        raise ValueError(f"there are {statistics.count} images; at least 2 are needed")
    features, scores, classes = (
        np.concatenate([part[name] for part in parts]) for name in ("features", "scores", "classes")
    )
    return Features(statistics, features, scores, classes)


def _checked(images: np.ndarray, embedding: Embedding) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"images have shape {images.shape}; they must be (images, height, width, 1 or 3)"
        )
    wanted = embedding.image_shape
    if wanted is not None and images.shape[1:] != tuple(wanted):
        raise ValueError(
            f"images are {describe(images.shape[1:])}, the classifier of the data set takes "
            f"{describe(wanted)}"
        )
    # One comparison that is false for NaN as well; bfloat16 may round tanh up to 1.
    if not (np.abs(images).max(initial=0) <= 1.0001):
        raise ValueError("images have values outside [-1, 1], or NaN")
    return images


def describe(shape: Sequence[int]) -> str:
    """An image shape, (H, W, C), in words."""
    height, width, channels = shape
    return f"{height}x{width} pixels in {'grey' if channels == 1 else 'colour'}"


def reference_features(
    embedding: Embedding,
    images: LabelledImages,
    indices: np.ndarray,
    protocol: Protocol,
    *,
    cache_dir: Path,
    refresh: bool = False,
) -> Features:
    """Features of the real images of a protocol, from the cache if they are in it unharmed.

    Args:
        embedding: the network.
        images: the data set.
        indices: (n,) which of them, from `Protocol.reference_indices`.
        protocol: names the file in the cache.
        cache_dir: the cache; entries are found by the content of the images, the weights of the
            network and the protocol, so a change of any makes a new entry.
        refresh: computes them anew in any case.
    """
    names = [embedding.identity, embedding.class_identity, images.fingerprint, KEPT]
    text = json.dumps([*names, protocol.name, protocol.seed])
    key = hashlib.sha256(text.encode() + indices.tobytes()).hexdigest()
    path = cache_dir / f"reference-{protocol.name}-{key[:16]}.npz"
    with locks.held(path.with_suffix(".lock")):  # of two processes, one waits and reuses
        found = None if refresh else _read(path, key)
        if found is None:
            remove_temporaries(path.parent, path.name)
            batches = image_batches(images, indices)
            found = extract(embedding, batches, len(indices), "features of the real images")
            _write(path, key, found)
    return found


def _arrays(features: Features) -> dict[str, np.ndarray]:
    return {
        "count": np.array(len(features)),
        "mean": features.statistics.mean,
        "covariance": features.statistics.covariance,
        "kept": features.kept,
        "scores": features.scores,
        "classes": features.classes,
    }


def _digest(key: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(key.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]))
    return digest.hexdigest()


def _write(path: Path, key: str, features: Features) -> None:
    arrays = _arrays(features)
    try:
        with atomic_path(path) as temporary:
            arrays = {"digest": np.array(_digest(key, arrays)), **arrays}
            np.savez(temporary, **arrays)  # type: ignore[arg-type]  # the stub's allow_pickle
    except OSError as error:
        if not is_foreseen(error):
            raise
        raise InvalidInput("cache_dir", f"cannot write {path}: {error.strerror}") from error


def _read(path: Path, key: str) -> Features | None:
    """What was cached under this key; `None` if it is absent, damaged, or about something else."""
    try:
        arrays = read_npz(path)
        if str(arrays.pop("digest")) != _digest(key, arrays):
            return None
        statistics = GaussianStatistics.from_moments(
            int(arrays["count"]), arrays["mean"], arrays["covariance"]
        )
        return Features(statistics, arrays["kept"], arrays["scores"], arrays["classes"])
    except (OSError, ValueError, KeyError):
        return None
