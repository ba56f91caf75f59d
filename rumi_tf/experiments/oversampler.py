"""Over-sampling of image data with generated images, by the protocol of imbalanced-learn."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.base import BaseEstimator

from rumi_tf.config import recipes
from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import IMAGE_SIZES
from rumi_tf.export.sampler import load_sampler
from rumi_tf.training.train import train

STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")


class RumiOverSampler(BaseEstimator):
    """Adds generated images of scarce classes to a data set.

    One GAN is trained for each scarce class, on its images as positives and on those of all other
    classes as negatives. It has `fit_resample`, so it can be a step of a pipeline of
    imbalanced-learn, which is not required.

    Args:
        objective: an objective without labels, for example `rumi_lsgan` or `lsgan`.
        sampling_strategy: which classes to add to, as in imbalanced-learn. `auto` and
            `not majority`: all but the largest class, up to its size. `minority`: only the
            smallest. `not minority`, `all`: as named. A float: the desired ratio of two classes.
            A dict: label -> number of images afterwards. A callable: labels -> such a dict.
        iterations: generator updates per class.
        random_state: seed of all random numbers.
        runs_dir: directory of the runs, which are resumed and reused; `None` uses a temporary one.
        settings: further fields of `rumi_tf.RunConfig`, which override those of
            `--recipe=few_images`, for example `{"width": 0.5}`.

    Attributes:
        sampling_strategy_: label -> number of generated images.
        runs_: label -> `rumi_tf.training.train.Run`.
    """

    def __init__(
        self,
        objective: str = "rumi_lsgan",
        *,
        sampling_strategy: str | float | Mapping | Callable = "auto",
        iterations: int = 10_000,
        random_state: int = 0,
        runs_dir: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        self.objective = objective
        self.sampling_strategy = sampling_strategy
        self.iterations = iterations
        self.random_state = random_state
        self.runs_dir = runs_dir
        self.settings = settings

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images followed by generated ones, and their labels.

        Args:
            X: (n, height, width) or (n, height, width, 1 or 3), uint8, or floats in [0, 1],
                [-1, 1] or [0, 255].
            y: (n,) labels of any sortable kind, of at least two classes.

        Returns:
            (n + m, ...) images in the type and range of X, and (n + m,) labels.

        Raises:
            ValueError: the shapes, the values or the strategy are not valid.
            rumi_tf.utils.errors.RumiError: training failed.
        """
        X, y = np.asarray(X), np.asarray(y)
        if X.ndim not in (3, 4) or (X.ndim == 4 and X.shape[3] not in (1, 3)):
            raise ValueError(f"X has the shape {X.shape}; it must be (n, height, width[, 1 or 3])")
        if y.shape != X.shape[:1]:
            raise ValueError(f"y has the shape {y.shape}; it must be ({len(X)},)")
        low, high = _value_range(X)
        self.sampling_strategy_ = numbers_to_generate(self.sampling_strategy, y)
        self.runs_ = {}
        images, labels = [X], [y]
        with tempfile.TemporaryDirectory() as temporary:
            classes = np.unique(y).tolist()
            _write(Path(temporary) / "images", np.round((X - low) * (255 / (high - low))), y)
            for label, num in self.sampling_strategy_.items():
                config = self._config(
                    Path(temporary), _name(classes.index(label)), max(X.shape[1:3])
                )
                run = self.runs_[label] = train(config)
                generated = load_sampler(run.saved_model).sample(num, self.random_state)
                images.append(_as_input(generated, X, low, high))
                labels.append(np.full(num, label, y.dtype))
        return np.concatenate(images), np.concatenate(labels)

    def _config(self, temporary: Path, name: str, side: int) -> RunConfig:
        sizes = sorted(IMAGE_SIZES["folder"])
        size = next((size for size in sizes if size >= side), sizes[-1])
        fields = {
            **recipes.settings("few_images", "folder"), "eval_every": 0,
            "iterations": self.iterations, "seed": self.random_state, "image_size": size,
            "runs_dir": self.runs_dir or str(temporary / "runs"), **(self.settings or {}),
        }  # fmt: skip
        return RunConfig(
            dataset="folder", data_dir=str(temporary / "images"), minority_class=name,
            objective=self.objective, **fields,
        )  # fmt: skip


def numbers_to_generate(strategy: str | float | Mapping | Callable, y: np.ndarray) -> dict:
    """Label -> number of images to add, for the strategies of `RumiOverSampler`.

    Raises:
        ValueError: the strategy is not valid for these labels.
    """
    counts = Counter(y.tolist())
    if len(counts) < 2:
        raise ValueError(f"y has {len(counts)} classes; over-sampling needs at least two")
    largest, smallest = max(counts, key=counts.get), min(counts, key=counts.get)  # type: ignore[arg-type]
    if callable(strategy):
        strategy = strategy(y)
    if isinstance(strategy, Mapping):
        numbers = {label: goal - counts.get(label, 0) for label, goal in strategy.items()}
        wrong = [label for label, num in numbers.items() if label not in counts or num < 0]
        if wrong:
            raise ValueError(f"sampling_strategy: {wrong[0]!r} is no class, or has more images")
    elif isinstance(strategy, float):
        if len(counts) != 2 or not 0 < strategy <= 1:
            raise ValueError("sampling_strategy: a ratio in (0, 1] needs exactly two classes")
        numbers = {smallest: int(counts[largest] * strategy) - counts[smallest]}
        if numbers[smallest] < 0:
            raise ValueError(f"sampling_strategy: the ratio is already above {strategy}")
    elif strategy in STRATEGIES:
        excluded = {"auto": largest, "not majority": largest, "not minority": smallest}.get(
            strategy
        )
        chosen = [smallest] if strategy == "minority" else sorted(counts)
        numbers = {
            label: counts[largest] - counts[label]
            for label in chosen
            if strategy in ("minority", "all") or label != excluded
        }
    else:
        raise ValueError(f"sampling_strategy: {strategy!r} is not one of {', '.join(STRATEGIES)}")
    return {label: num for label, num in numbers.items() if num}


def _value_range(X: np.ndarray) -> tuple[float, float]:
    if X.dtype == np.uint8:
        return 0.0, 255.0
    if not np.issubdtype(X.dtype, np.floating) or not np.isfinite(X).all():
        raise ValueError("X must have the type uint8, or finite floating-point values")
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
        if low <= X.min() and X.max() <= high:
            return low, high
    raise ValueError(
        f"X has values from {X.min():g} to {X.max():g}; use [0, 1], [-1, 1] or [0, 255]"
    )


def _name(k: int) -> str:
    return f"class{k:04d}"


def _write(directory: Path, pixels: np.ndarray, y: np.ndarray) -> None:
    for k, label in enumerate(np.unique(y)):
        (directory / _name(k)).mkdir(parents=True)
        for number in np.flatnonzero(y == label):
            image = pixels[number].astype(np.uint8)
            Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image).save(
                directory / _name(k) / f"{number:08d}.png"
            )


def _as_input(generated: np.ndarray, X: np.ndarray, low: float, high: float) -> np.ndarray:
    """Generated images in [-1, 1] in the shape, type and range of X."""
    images = np.clip(tf.image.resize(generated, X.shape[1:3], antialias=True).numpy(), -1, 1)
    if X.ndim == 4 and X.shape[3] == 3 and images.shape[3] == 1:  # grey images stored in colour
        images = np.repeat(images, 3, axis=3)
    values = low + (images + 1) * ((high - low) / 2)
    if X.dtype == np.uint8:
        values = np.round(values)
    return values.reshape(-1, *X.shape[1:]).astype(X.dtype)
