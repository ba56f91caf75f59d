"""Over-sampling of image data with generated images, by the protocol of imbalanced-learn."""

import dataclasses
import numbers
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from rumi_tf.config import recipes
from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import IMAGE_SIZES
from rumi_tf.export.sampler import load_sampler
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.training.train import train

STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")


class RumiOverSampler(BaseEstimator):
    """Adds generated images of scarce classes to a data set.

    One GAN is trained for each scarce class, on its images as positives and on those of all other
    classes as negatives. It has `fit_resample`, so it can be a step of a pipeline of
    imbalanced-learn, which is not required.

    Args:
        objective: an unconditional objective, for example `rumi_lsgan` or `lsgan`.
        sampling_strategy: which classes to add to, as in imbalanced-learn. `auto` and
            `not majority`: all but the largest class, up to its size. `minority`: only the
            smallest. `not minority`, `all`: as named. A float: the desired ratio of two classes.
            A dict: label -> number of images afterwards. A callable: labels -> such a dict.
        iterations: generator updates per class.
        random_state: seed of all random numbers, as in scikit-learn.
        runs_dir: directory of the runs, which are resumed and reused; `None` uses a temporary one.
        value_range: values of black and white in X; `None` is [0, 255] for integers and, for
            floats, the first of [0, 1], [-1, 1] and [0, 255] that fits.
        settings: further fields of `rumi_tf.RunConfig`, which override those of
            `--recipe=few_images`, for example `{"width": 0.5}`.

    Attributes:
        sampling_strategy_: label -> number of generated images.
        runs_: label -> `rumi_tf.training.train.Run`; empty without `runs_dir`.
    """

    def __init__(
        self,
        objective: str = "rumi_lsgan",
        *,
        sampling_strategy: str | float | Mapping | Callable = "auto",
        iterations: int = 10_000,
        random_state: int | np.random.RandomState | None = 0,
        runs_dir: str | os.PathLike | None = None,
        value_range: tuple[float, float] | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        self.objective = objective
        self.sampling_strategy = sampling_strategy
        self.iterations = iterations
        self.random_state = random_state
        self.runs_dir = runs_dir
        self.value_range = value_range
        self.settings = settings

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images followed by generated ones, and their labels.

        Args:
            X: (n, height, width) or (n, height, width, 1 or 3), integers or floats.
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
        if not X.size:
            raise ValueError(f"X has the shape {X.shape}, which contains no pixels")
        objective = OBJECTIVES.get(self.objective)
        if objective is None or objective.conditional:
            names = ", ".join(name for name, kind in OBJECTIVES.items() if not kind.conditional)
            raise ValueError(f"objective: {self.objective!r} is not one of {names}")
        low, high = _value_range(X, self.value_range)
        self.sampling_strategy_ = numbers_to_generate(self.sampling_strategy, y)
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        self.runs_ = {}
        images, labels = [X], [y]
        with tempfile.TemporaryDirectory() as temporary:
            classes = np.unique(y).tolist()
            pixels = np.clip(np.round((X - low) * (255 / (high - low))), 0, 255)
            _write(Path(temporary) / "images", pixels, y)
            for label, num in self.sampling_strategy_.items():
                name = _name(classes.index(label))
                run = train(self._config(Path(temporary), name, max(X.shape[1:3]), int(seed)))
                if self.runs_dir is not None:
                    self.runs_[label] = run
                generated = load_sampler(run.saved_model).sample(num, seed=int(seed))
                images.append(_as_input(generated, X, low, high))
                labels.append(np.full(num, label, y.dtype))
        return np.concatenate(images), np.concatenate(labels)

    def _config(self, temporary: Path, name: str, side: int, seed: int) -> RunConfig:
        sizes = sorted(IMAGE_SIZES["folder"])
        defaults = {
            **recipes.settings("few_images", "folder"),
            "image_size": next((size for size in sizes if size >= side), sizes[-1]),
            "eval_every": 0,
        }
        fixed = {
            "dataset": "folder",
            "data_dir": str(temporary / "images"),
            "runs_dir": os.fspath(self.runs_dir or temporary / "runs"),
            "minority_class": name,
            "objective": self.objective,
            "iterations": self.iterations,
            "seed": seed,
        }
        settings = dict(self.settings or {})
        wrong = set(settings) - {field.name for field in dataclasses.fields(RunConfig)}
        wrong |= set(settings) & set(fixed)
        if wrong:
            raise ValueError(f"settings: {', '.join(sorted(wrong))} cannot be set here")
        return RunConfig(**{**defaults, **settings, **fixed})


def numbers_to_generate(strategy: str | float | Mapping | Callable, y: np.ndarray) -> dict:
    """Label -> number of images to add, for the strategies of `RumiOverSampler`.

    Raises:
        ValueError: the strategy is not valid for these labels.
    """
    try:
        np.unique(y)
    except TypeError as error:
        raise ValueError("y: its labels cannot be sorted") from error
    counts = Counter(y.tolist())
    if any(label != label for label in counts):
        raise ValueError("y contains NaN")
    if len(counts) < 2:
        raise ValueError(f"y has {len(counts)} classes; over-sampling needs at least two")
    largest, smallest = max(counts, key=counts.get), min(counts, key=counts.get)  # type: ignore[arg-type]
    if callable(strategy):
        strategy = strategy(y)
    if isinstance(strategy, Mapping):
        for label, goal in strategy.items():
            if label not in counts:
                raise ValueError(f"sampling_strategy: {label!r} is not a label in y")
            if not isinstance(goal, numbers.Integral) or goal < counts[label]:
                raise ValueError(
                    f"sampling_strategy: {goal!r} for {label!r} must be an integer of at least "
                    f"{counts[label]}, the number of its images"
                )
        added = {label: int(goal) - counts[label] for label, goal in strategy.items()}
    elif isinstance(strategy, numbers.Real):
        if len(counts) != 2 or not 0 < strategy <= 1:
            raise ValueError("sampling_strategy: a ratio in (0, 1] needs exactly two classes")
        added = {smallest: int(counts[largest] * strategy) - counts[smallest]}
        if added[smallest] < 0:
            raise ValueError(f"sampling_strategy: the ratio is already above {strategy}")
    elif isinstance(strategy, str) and strategy in STRATEGIES:
        excluded = {"auto": largest, "not majority": largest, "not minority": smallest}.get(
            strategy
        )
        chosen = [smallest] if strategy == "minority" else sorted(counts)
        added = {
            label: counts[largest] - counts[label]
            for label in chosen
            if strategy in ("minority", "all") or label != excluded
        }
    else:
        raise ValueError(f"sampling_strategy: {strategy!r} is not one of {', '.join(STRATEGIES)}")
    return {label: num for label, num in added.items() if num}


def _value_range(X: np.ndarray, chosen: tuple[float, float] | None) -> tuple[float, float]:
    is_bytes = np.issubdtype(X.dtype, np.integer) and np.iinfo(X.dtype).max >= 255
    if not is_bytes and not (np.issubdtype(X.dtype, np.floating) and np.isfinite(X).all()):
        raise ValueError("X must contain integers up to 255, or finite floating-point values")
    ranges = [(0.0, 1.0), (-1.0, 1.0)] + [(0.0, 255.0)] * bool(X.max() > 128)  # [0, 16] is unclear
    if chosen is not None:
        try:
            black, white = map(float, chosen)
        except (TypeError, ValueError) as error:
            raise ValueError(f"value_range is {chosen!r}; pass a pair of numbers") from error
        ranges = [(black, white)]
    elif is_bytes:
        ranges = [(0.0, 255.0)]
    for low, high in ranges:
        slack = (high - low) / 10  # resizing can exceed the range a little
        if low < high and low - slack <= X.min() and X.max() <= high + slack:
            return low, high
    values = f"X has values from {X.min():g} to {X.max():g}"
    raise ValueError(f"value_range: {values}; pass the values of black and white")


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
    if np.issubdtype(X.dtype, np.integer):
        values = np.round(values)
    return values.reshape(-1, *X.shape[1:]).astype(X.dtype)
