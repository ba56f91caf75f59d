"""Loaders of the data sets by name."""

import contextlib
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.data.class_names import CLASS_NAMES
from rumi_tf.data.dataset import LabelledImages, from_memory, unreadable, without
from rumi_tf.utils import locks
from rumi_tf.utils.errors import InvalidInput, NoSuchPart, RumiError

# Supported image sizes; the first is the default.
IMAGE_SIZES = {
    "digits": (28, 32), "mnist": (28, 32), "fashion_mnist": (28, 32), "cifar10": (32,),
    "celeba": (64, 32, 128), "folder": (64, 28, *range(16, 257, 16)),
}  # fmt: skip
DIGITS_TEST_SHARE = 0.2


def load_images(config: RunConfig, part: str = "train") -> LabelledImages:
    """Loads the data set of a resolved configuration.

    Args:
        config: configuration with `dataset`, `data_dir` and `image_size`.
        part: `train` or `test`; the paper trains on `train`.

    Raises:
        InvalidInput: missing or unreadable data, or a failed download.
    """
    return _SOURCES[config.dataset](config, part)


def _digits(config: RunConfig, part: str) -> LabelledImages:
    """scikit-learn's 1,797 handwritten digits; 1,437 for training, 360 for testing."""
    import tensorflow as tf
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    parts = train_test_split(
        np.arange(len(digits.target)),
        test_size=DIGITS_TEST_SHARE,
        random_state=0,  # fixed, since the test part belongs to the data set
        stratify=digits.target,
    )
    index = np.sort(parts[("train", "test").index(part)])
    pixels = digits.images[index, ..., None] * (255 / 16)
    size = config.image_size
    pixels = tf.image.resize(pixels, (size, size), method="bilinear").numpy()
    return from_memory(np.round(pixels), digits.target[index], CLASS_NAMES["digits"])


def _in_memory_tfds(config: RunConfig, part: str) -> LabelledImages:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = tfds_builder(config, config.dataset)
    with _readable(builder.data_dir):
        data = tfds.as_numpy(builder.as_dataset(split=part, batch_size=-1))
    pixels, size = data["image"], config.image_size
    if pixels.shape[1] != size:
        pixels = np.round(tf.image.resize(pixels, (size, size), method="bilinear").numpy())
    return from_memory(pixels, data["label"], CLASS_NAMES[config.dataset])


def _celeba(config: RunConfig, part: str) -> LabelledImages:
    from rumi_tf.data.celeba import load_celeba

    with _readable(config.data_dir):
        images = load_celeba(config, lambda: tfds_builder(config, "celeb_a"), part)
    return without(images, unreadable(images)) if config.skip_unreadable else images


def _folder(config: RunConfig, part: str) -> LabelledImages:
    from rumi_tf.data.folder import load_folder

    if part != "train":
        raise NoSuchPart("dataset", f"folder has no {part} part")
    return load_folder(config)


_SOURCES: dict[str, Callable[[RunConfig, str], LabelledImages]] = {
    "digits": _digits,
    "mnist": _in_memory_tfds,
    "fashion_mnist": _in_memory_tfds,
    "cifar10": _in_memory_tfds,
    "celeba": _celeba,
    "folder": _folder,
}


def tfds_builder(config: RunConfig, name: str) -> Any:
    """Returns a prepared TFDS builder; downloads the data set if it is not on disk.

    Raises:
        InvalidInput: failed download or damaged copy.
    """
    import tensorflow_datasets as tfds

    if not os.isatty(2):
        tfds.disable_progress_bar()
    with _readable(config.data_dir):
        builder = tfds.builder(name, data_dir=config.data_dir or None)
        if builder.is_prepared():
            _check_files(builder)
            return builder
    root = Path(builder.data_dir).parents[1]  # data_dir is root/name/version
    created = [
        directory for directory in (root, root / name, root / "downloads") if not directory.exists()
    ]
    try:
        # Only one of the processes that share the directory downloads; the others wait.
        with locks.held(root / f".{name}.lock"):
            builder = tfds.builder(name, data_dir=config.data_dir or None)
            if not builder.is_prepared():
                _check_reachable(builder)
                builder.download_and_prepare()
    except Exception as error:  # no network, disk space or quota: all have the same remedy
        _remove_empty(created)
        reason = str(error).splitlines()[0][:200] if str(error) else ""
        raise InvalidInput(
            "data_dir",
            f"{name} is not prepared in {root} and could not be downloaded "
            f"({type(error).__name__}: {reason}); pass the directory of a prepared copy",
        ) from error
    return builder


def _check_files(builder: Any) -> None:
    """Raises `InvalidInput` if dataset_info.json points outside the directory of the data."""
    root = os.path.abspath(builder.data_dir)
    for part in builder.info.splits.values():
        if any(os.path.dirname(os.path.abspath(path)) != root for path in part.filepaths):
            raise InvalidInput("data_dir", f"dataset_info.json in {root} points outside of it")


@contextlib.contextmanager
def _readable(directory: str) -> Iterator[None]:
    """Translates any TFDS error on damaged files or missing packages into `InvalidInput`."""
    try:
        yield
    except RumiError:
        raise
    except ImportError as error:
        raise InvalidInput(
            "dataset",
            f"TensorFlow Datasets cannot be used ({error}); run pip install {error.name}",
        ) from error
    except Exception as error:
        raise InvalidInput(
            "data_dir",
            f"the data set prepared in {directory} cannot be read ({type(error).__name__}); "
            "delete it to prepare it again",
        ) from error


def _check_reachable(builder: Any) -> None:
    """Raises `OSError` without network, where TFDS would retry for minutes."""
    hosts = sorted({urllib.parse.urlsplit(url).hostname for url in builder.url_infos})
    if not hosts or urllib.request.getproxies():
        return
    for host in hosts:
        with contextlib.suppress(OSError):
            socket.getaddrinfo(host, 443)
            return
    raise ConnectionError(f"no network: {hosts[0]} cannot be resolved")


def _remove_empty(roots: Sequence[Path]) -> None:
    """Removes the empty directories at and below `roots`, deepest first."""
    for root in roots:
        for path, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
