"""Remarks on inputs for which a metric is defined but easily misread; the caller shows them."""

import numpy as np

from rumi_tf.metrics import checks


def small_sample_note(n: int, d: int) -> str | None:
    """One line if n samples are too few for a covariance in d dimensions, else None.

    Args:
        n: number of samples, the smaller of the two sets.
        d: number of features.

    Raises:
        ValueError: numbers below 1.
    """
    n, d = checks.whole_number("n", n, 1), checks.whole_number("d", d, 1)
    if n > d:
        return None
    return (
        f"{n} samples in {d} dimensions: the covariance is singular and the Fréchet distance far "
        f"above its limit; use more than {d} samples, or compare with values at {n} samples only"
    )


def constant_set_note(features: np.ndarray) -> str | None:
    """One line if all rows are equal, else None.

    Such a set has the zero covariance, so its distances are defined, but it comes from a collapsed
    generator or a broken embedding.

    Args:
        features: (n, d).

    Raises:
        ValueError: features that are not finite numbers of this shape.
    """
    rows = checks.feature_rows("features", features)
    if (rows != rows[0]).any():
        return None
    return (
        f"all {len(rows)} rows of features are equal: a collapsed generator or a broken embedding; "
        "the covariance is zero"
    )
