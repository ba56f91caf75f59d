"""Argument checks of the metrics, and notes on inputs whose metrics are easily misread.

Checks raise a `ValueError` with a one-line message.
"""

from collections.abc import Sequence

import numpy as np

# Above this, a square or the cube of a scalar product may overflow float64.
LARGEST_FEATURE = 1e30
# Softmax outputs in float16 or bfloat16 sum to 1 only this well.
SUM_TOLERANCE = 1e-2


def feature_rows(name: str, values: np.ndarray, at_least: int = 2) -> np.ndarray:
    """Checks features and returns them as (n, d) float32 or float64, copied only if converted.

    Args:
        name: name of the argument, for error messages.
        values: (n, d) features, one row per image.
        at_least: smallest valid n.

    Raises:
        ValueError: not numbers, not 2-D, no columns, too few rows or not finite.
    """
    rows = _real_numbers(name, values)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(
            f"{name} has shape {rows.shape}; expected (samples, features), one row per image"
        )
    if len(rows) < at_least:
        raise ValueError(f"{name} has {len(rows)} rows; at least {at_least} are needed")
    largest = max(-float(rows.min()), float(rows.max()))  # NaN if any value is
    if not np.isfinite(largest):
        bad = len(rows) - int(np.count_nonzero(np.isfinite(rows).all(axis=1)))
        raise ValueError(
            f"{name} has NaN or infinite values in {bad} of {len(rows)} rows; they must be finite"
        )
    if largest > LARGEST_FEATURE:
        raise ValueError(
            f"{name} has values up to {largest:.0e}, above {LARGEST_FEATURE:.0e}; "
            "has the network diverged?"
        )
    return rows


def feature_pair(
    name_a: str, values_a: np.ndarray, name_b: str, values_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Applies `feature_rows` to two sets of features from the same embedding.

    Raises:
        ValueError: see `feature_rows`, or different numbers of columns.
    """
    a, b = feature_rows(name_a, values_a), feature_rows(name_b, values_b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name_a} has {a.shape[1]} columns and {name_b} has {b.shape[1]}; both must come "
            "from the same embedding"
        )
    return a, b


def probability_rows(values: np.ndarray) -> np.ndarray:
    """Checks class probabilities and returns them as (n, K) float64 with rows normalised to 1.

    Raises:
        ValueError: not (n, K) with n >= 1 and K >= 2, not finite, negative, or a row whose sum is
            not within 0.01 of 1.
    """
    rows = _real_numbers("probabilities", values)
    if rows.ndim != 2 or not len(rows) or rows.shape[1] < 2:
        raise ValueError(
            f"probabilities has shape {rows.shape}; expected (samples, classes) with at least "
            "1 sample and 2 classes"
        )
    rows = rows.astype(np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("probabilities has NaN or infinite values; all must be in [0, 1]")
    if rows.min() < 0:
        raise ValueError(
            f"probabilities has negative values down to {rows.min():.3g}; are these logits? "
            "apply softmax first"
        )
    sums = rows.sum(axis=1, keepdims=True)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > SUM_TOLERANCE:
        raise ValueError(f"probabilities has a row with sum {worst:.4g}; rows must sum to 1")
    return rows / sums


def integer(name: str, value: int, low: int, high: int | None = None) -> int:
    """Checks that a value is an integer in [low, high].

    Raises:
        ValueError: not an integer, or out of range.
    """
    bounds = f"of at least {low}" if high is None else f"in [{low}, {high}]"
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < low or (high is not None and value > high):
        raise ValueError(f"{name} is {value!r}; it must be an integer {bounds}")
    return int(value)


def num_neighbours(k: int, name: str, rows: np.ndarray) -> int:
    """Checks that every row has k neighbours, itself excluded.

    Raises:
        ValueError: k is not an integer in [1, len(rows) - 1].
    """
    k = integer("k", k, 1)
    if k >= len(rows):
        raise ValueError(
            f"k is {k}, but {name} has {len(rows)} rows; k must be at most {len(rows) - 1}"
        )
    return k


def class_indices(name: str, values: Sequence[int], num_classes: int) -> set[int]:
    """Checks class indices and returns them as a set.

    Raises:
        ValueError: empty, or an index that is not an integer in [0, num_classes).
    """
    indices = {integer(f"a class of {name}", v, 0, num_classes - 1) for v in values}
    if not indices:
        raise ValueError(f"{name} is empty; at least one class is needed")
    return indices


def small_sample_note(n: int, d: int) -> str | None:
    """Note if n samples are too few for a covariance in d dimensions, else `None`.

    Args:
        n: number of samples in the smaller set.
        d: number of features.

    Raises:
        ValueError: numbers below 1.
    """
    n, d = integer("n", n, 1), integer("d", d, 1)
    if n > d:
        return None
    return (
        f"{n} samples in {d} dimensions: the covariance is singular and the Fréchet distance far "
        f"above its limit; use more than {d} samples or compare only with values at {n} samples"
    )


def constant_set_note(features: np.ndarray) -> str | None:
    """Note if all rows are equal, else `None`.

    The covariance is then zero and distances are defined, but the generator has collapsed or the
    embedding is broken.

    Args:
        features: (n, d).

    Raises:
        ValueError: features that are not finite numbers of this shape.
    """
    rows = feature_rows("features", features)
    if (rows != rows[0]).any():
        return None
    return (
        f"all {len(rows)} rows of features are equal: a collapsed generator or a broken embedding; "
        "the covariance is zero"
    )


def _real_numbers(name: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has dtype {array.dtype}; expected real numbers")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
