"""`rumi evaluate` for Python: metrics of a set of images as a dictionary."""

import dataclasses
import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rumi_tf.config.run import DataFields
from rumi_tf.experiments import evaluate_images
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.tf_errors import without_retracing_warnings


def evaluate(
    images: ArrayLike | str | os.PathLike,
    reference: ArrayLike | str | os.PathLike | None = None,
    *,
    value_range: str | tuple[float, float] | None = None,
    dataset: str | None = None,
    embedding: str | None = None,
    protocol: str = "auto",
    eval_samples: int | None = None,
    extrapolate: bool = False,
    inception_weights: str | os.PathLike = "",
    cache_dir: str | os.PathLike | None = None,
    refresh: bool = False,
    **data: Any,
) -> dict[str, float]:
    """Metrics of generated images against real ones: the `value` column of `rumi evaluate`.

    Args:
        images: generated images, at least two: an array (n, height, width[, 1 or 3]), integers in
            [0, 255] or floating point; a directory of PNG or JPEG files of one size; or an NPZ
            file with `images`. Floating-point images are rounded to 8 bits.
        reference: real images in the same forms; `None` takes those of `dataset`.
        value_range: values of black and white in floating-point arrays: a pair of numbers, or
            `symmetric` for (-1, 1), `unit` for (0, 1), `bytes` for (0, 255).
        dataset: data set of the classes, the classifier and, without `reference`, the real images.
        embedding: network of the features: `classifier`, which needs `dataset` and is trained on
            its labels; `inception` or `inception_299`, InceptionV3 at 80x80 or 299x299. `None` is
            `inception` without `dataset`, else that of `protocol` (`classifier` for `auto`).
        protocol: `rumi_unbalanced`, `rumi_subset` or `uac_images`: sets the real images and the
            number of generated ones; `auto` selects it by the split. Not used with `reference`.
        eval_samples: number of generated images, drawn at random if there are more. `None` is the
            protocol's 10,000 or 10,240.
        extrapolate: adds the Fréchet distance for infinitely many generated images.
        inception_weights: weights file of Keras's InceptionV3; without it, Keras downloads one.
        cache_dir: directory for the classifier and the statistics of the real images; `None` keeps
            nothing, so that each call trains the classifier again.
        refresh: recomputes what `cache_dir` contains.
        **data: further fields of `rumi_tf.RunConfig` that describe `dataset`, for example
            `data_dir`, `minority_class` or `image_size`.

    Returns:
        Metric -> value, in the order of the command's rows; NaN for a metric that is undefined for
        these images.

        `fid` (Inception) or `fd_classifier`: Fréchet distance (Heusel et al., 2017), at least 0,
        lower is better; `..._infinity`: its limit (Chong and Forsyth, 2020), can be negative.
        `kid`: unbiased kernel distance (Bińkowski et al., 2018), can be negative, lower is better.
        `inception_score` (Salimans et al., 2016), from 1 to the number of classes.
        `prd_f8`, `prd_f1/8`: F scores of the PRD curve (Sajjadi et al., 2018), weighted towards
        recall and precision, in [0, 1].
        `precision`, `recall` (Kynkäänniemi et al., 2019), in [0, 1].
        `density`, at least 0, and `coverage`, in [0, 1] (Naeem et al., 2020).
        `share_...`, `class_...`: shares of the generated images in the sides of the split and in
        the classes of `dataset`, in [0, 1].

    Raises:
        ValueError: an argument cannot be used; the message names it.
        TypeError: an unknown argument.

    Warns:
        UserWarning: a caveat of the measurement, such as too few images for a Fréchet distance.
    """
    known = {field.name for field in dataclasses.fields(DataFields) if field.metadata["flag"]}
    if unknown := set(data) - known:
        raise TypeError(f"evaluate() has no argument {', '.join(sorted(unknown))}")
    settings = {
        "dataset": dataset,
        "embedding": embedding,
        "protocol": protocol,
        "eval_samples": eval_samples,
        "inception_weights": inception_weights,
        "cache_dir": "" if cache_dir is None else cache_dir,
        **data,
    }
    with without_retracing_warnings():
        report = evaluate_images.evaluate(
            saved_model=None,
            images=_source("images", images),
            reference=None if reference is None else _source("reference", reference),
            given={
                name: os.fspath(value) if isinstance(value, os.PathLike) else value
                for name, value in settings.items()
                if value is not None
            },
            value_range=value_range,
            extrapolate=extrapolate,
            refresh=refresh,
        )
    for note in report.notes:
        warnings.warn(note, stacklevel=2)
    return {row.metric: math.nan if row.value is None else row.value for row in report.rows}


def _source(argument: str, value: ArrayLike | str | os.PathLike) -> Path | np.ndarray:
    """A path, or an array; its content is checked where it is loaded."""
    if isinstance(value, str | os.PathLike):
        return Path(os.path.expanduser(value))
    try:
        return np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise InvalidInput(argument, "is not an array of images of one size") from error
