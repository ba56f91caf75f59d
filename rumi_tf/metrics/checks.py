"""What every metric asks of its arguments; a violation is a `ValueError` of one line."""

from collections.abc import Sequence

import numpy as np

# Beyond this a square, or the cube of a scalar product, may leave the range of float64.
LARGEST_FEATURE = 1e30
# Rows of float16 or bfloat16 softmax outputs add up to 1 no better than this.
SUM_TOLERANCE = 1e-2


def feature_rows(name: str, values: np.ndarray, at_least: int = 2) -> np.ndarray:
    """The features as a floating array (n, d), copied only if they are not float32 or float64.

    Args:
        name: the argument's name, for the message.
        values: (n, d) features, one row per image.
        at_least: smallest admissible n.

    Raises:
        ValueError: not numbers, not two dimensions, no columns, too few rows, not finite.
    """
    rows = _real_numbers(name, values)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(
            f"{name} has shape {rows.shape}; it must be (samples, features), one row per image"
        )
    if len(rows) < at_least:
        raise ValueError(f"{name} has {len(rows)} rows; at least {at_least} samples are needed")
    largest = max(-float(rows.min()), float(rows.max()))  # both are NaN if any value is
    if not np.isfinite(largest):
        bad = len(rows) - int(np.count_nonzero(np.isfinite(rows).all(axis=1)))
        raise ValueError(
            f"{name} has NaN or infinite values in {bad} of {len(rows)} rows; features must be "
            "finite"
        )
    if largest > LARGEST_FEATURE:
        raise ValueError(
            f"{name} has values up to {largest:.0e}; features must be below {LARGEST_FEATURE:.0e}, "
            "larger ones come from a diverged network"
        )
    return rows


def feature_pair(
    name_a: str, values_a: np.ndarray, name_b: str, values_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of the same embedding, as `feature_rows`.

    Raises:
        ValueError: as `feature_rows`, or different numbers of columns.
    """
    a, b = feature_rows(name_a, values_a), feature_rows(name_b, values_b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name_a} has {a.shape[1]} columns and {name_b} has {b.shape[1]}; both must come "
            "from the same embedding"
        )
    return a, b


def probability_rows(values: np.ndarray) -> np.ndarray:
    """Class probabilities as float64 (n, K), with rows that add up to 1 exactly.

    Raises:
        ValueError: not (n, K) with n >= 1 and K >= 2, not finite, negative, or rows that do not
            add up to 1 within 0.01.
    """
    rows = _real_numbers("probabilities", values)
    if rows.ndim != 2 or not len(rows) or rows.shape[1] < 2:
        raise ValueError(
            f"probabilities has shape {rows.shape}; it must be (samples, classes) with at least "
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
        raise ValueError(f"probabilities has a row with sum {worst:.4g}; every row must sum to 1")
    return rows / sums


def whole_number(name: str, value: int, low: int, high: int | None = None) -> int:
    """The value, if it is an integer in [low, high].

    Raises:
        ValueError: otherwise.
    """
    bounds = f"at least {low}" if high is None else f"in [{low}, {high}]"
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not integer or value < low or (high is not None and value > high):
        raise ValueError(f"{name} is {value!r}; it must be an integer {bounds}")
    return int(value)


def neighbours(k: int, name: str, rows: np.ndarray) -> int:
    """The k of a k-th nearest neighbour, if each row has that many others.

    Raises:
        ValueError: otherwise.
    """
    k = whole_number("k", k, 1)
    if k >= len(rows):
        raise ValueError(
            f"k is {k}, but {name} has {len(rows)} rows; k must be at most {len(rows) - 1}"
        )
    return k


def class_indices(name: str, values: Sequence[int], num_classes: int) -> set[int]:
    """The classes as a set, if all of them exist.

    Raises:
        ValueError: empty, or an index that is not an integer in [0, num_classes).
    """
    indices = {whole_number(f"a class of {name}", v, 0, num_classes - 1) for v in values}
    if not indices:
        raise ValueError(f"{name} is empty; it must name at least one class")
    return indices


def _real_numbers(name: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has elements of type {array.dtype}; they must be real numbers")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
