"""Features of a set of images, extracted in one pass; those of real images are cached."""

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
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import atomic_path, is_user_error, read_npz, remove_temporaries

# Number of feature vectors that are stored, which bounds memory. The statistics of the Frechet
# distance use all images, the other metrics only the stored ones.
MAX_STORED = 10_240


@dataclasses.dataclass(frozen=True)
class Features:
    """Features and class probabilities of a set of images.

    Attributes:
        statistics: mean and covariance of the features of all images.
        kept: (m, D) float32, features of the first `MAX_STORED` images.
        scores: (m, S) float32, class probabilities of the same images for the Inception score; S
            may be 0.
        classes: (m, K) float32, probabilities of the data set's classes; K may be 0.
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
    """Extracts features of a stream of images, in bounded memory.

    Args:
        embedding: the network.
        batches: arrays (n, H, W, C) in [-1, 1], in random order.
        total: total number of images, for the progress bar.
        title: title of the progress bar.

    Raises:
        ValueError: fewer than two images, values outside [-1, 1] or NaN, a shape that the
            embedding does not take, or features that are not finite.
    """
    checked = (
        _checked(batch, embedding) for batch in with_progress(batches, total, title, "image")
    )
    return collect(embedding.stream(checked))


def collect(outputs: Iterable[Mapping[str, np.ndarray]]) -> Features:
    """Collects the features of images from outputs of an embedding, in bounded memory.

    Args:
        outputs: outputs of an embedding, by name, in batches, as from `Embedding.stream`.

    Raises:
        ValueError: fewer than two images, or features that are not finite.
    """
    statistics = GaussianStatistics()
    parts, count = [], 0
    for batch in outputs:
        statistics.update(batch["features"])
        if count < MAX_STORED:
            parts.append({name: rows[: MAX_STORED - count] for name, rows in batch.items()})
            count += len(parts[-1]["features"])
    if statistics.count < 2:
        raise ValueError(f"at least 2 images are needed, got {statistics.count}")
    features, scores, classes = (
        np.concatenate([part[name] for part in parts]) for name in ("features", "scores", "classes")
    )
    return Features(statistics, features, scores, classes)


def _checked(images: np.ndarray, embedding: Embedding) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"images have shape {images.shape}; needs (images, height, width, 1 or 3)")
    expected = embedding.image_shape
    if expected is not None and images.shape[1:] != tuple(expected):
        raise ValueError(
            f"images are {describe(images.shape[1:])}, but the classifier of the data set takes "
            f"{describe(expected)}"
        )
    # The comparison is false for NaN too. The margin allows for rounding.
    if not (np.abs(images).max(initial=0) <= 1.0001):
        raise ValueError("images have values outside [-1, 1] or NaN")
    return images


def describe(shape: Sequence[int]) -> str:
    """Text of an image shape (H, W, C)."""
    height, width, channels = shape
    return f"{height}x{width} pixels in {'grey' if channels == 1 else 'colour'}"


def reference_features(
    embedding: Embedding,
    images: LabelledImages,
    indices: np.ndarray,
    protocol: Protocol,
    *,
    cache_dir: Path | None,
    refresh: bool = False,
) -> Features:
    """Features of the real images of a protocol, from the cache if possible.

    Args:
        embedding: the network.
        images: the data set.
        indices: (n,) indices of the images, from `Protocol.reference_indices`.
        protocol: the protocol.
        cache_dir: the cache; `None` keeps nothing. Entries are identified by the content of the
            images, the weights of the network and the protocol.
        refresh: ignores the cached features and overwrites them.
    """

    def compute() -> Features:
        batches = image_batches(images, indices)
        return extract(embedding, batches, len(indices), "features of the real images")

    if cache_dir is None:
        return compute()
    names = [embedding.identity, embedding.class_identity, images.fingerprint, MAX_STORED]
    text = json.dumps([*names, protocol.name, protocol.seed])
    key = hashlib.sha256(text.encode() + indices.tobytes()).hexdigest()
    path = cache_dir / f"reference-{protocol.name}-{key[:16]}.npz"
    with locks.held(path.with_suffix(".lock")):  # a second process waits and reuses
        features = None if refresh else _read(path, key)
        if features is None:
            remove_temporaries(path.parent, path.name)
            features = compute()
            _write(path, key, features)
    return features


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
        if not is_user_error(error):
            raise
        raise InvalidInput("cache_dir", f"cannot write {path}: {error.strerror}") from error


def _read(path: Path, key: str) -> Features | None:
    """Cached features; `None` if the file is missing, damaged or has another key."""
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
