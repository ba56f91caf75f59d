"""How well a classifier knows each class, from how often it takes one for another."""

import numpy as np


def confusion_matrix(labels: np.ndarray, guesses: np.ndarray, num_classes: int) -> np.ndarray:
    """(K, K) int64: how many images of the class of a row were put in the class of a column.

    Args:
        labels: (n,) true classes.
        guesses: (n,) classes that the classifier gave.
        num_classes: K.

    Raises:
        ValueError: not equally many, or classes outside of [0, K).
    """
    labels, guesses = np.asarray(labels), np.asarray(guesses)
    if labels.shape != guesses.shape or labels.ndim != 1:
        raise ValueError(f"labels are {labels.shape}, guesses {guesses.shape}")
    if any(len(v) and not (v.min() >= 0 and v.max() < num_classes) for v in (labels, guesses)):
        raise ValueError(f"a class is outside of [0, {num_classes})")
    pairs = np.bincount(labels * num_classes + guesses, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def class_recall(confusion: np.ndarray) -> np.ndarray:
    """(K,) share of the images of each class that was found, in [0, 1]; NaN of a class without.

    Args:
        confusion: (K, K) counts, as `confusion_matrix` returns them.

    Raises:
        ValueError: it is no square of counts.
    """
    counts = _counts(confusion)
    return _shares(counts, counts.sum(axis=1))


def class_precision(confusion: np.ndarray) -> np.ndarray:
    """(K,) share of the guesses of each class that was right, in [0, 1]; NaN of one never given.

    Args:
        confusion: (K, K) counts, as `confusion_matrix` returns them.

    Raises:
        ValueError: it is no square of counts.
    """
    counts = _counts(confusion)
    return _shares(counts, counts.sum(axis=0))


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Mean recall of the classes that there are images of, in [0, 1]: each counts the same.

    Args:
        confusion: (K, K) counts, as `confusion_matrix` returns them.

    Raises:
        ValueError: it is no square of counts, or there are no images.
    """
    if not _counts(confusion).any():
        raise ValueError("confusion has no images")
    return float(np.nanmean(class_recall(confusion)))


def _counts(confusion: np.ndarray) -> np.ndarray:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion has shape {counts.shape}; it must be (classes, classes)")
    if counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError("confusion must be counts")
    return counts


def _shares(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    right = np.diag(counts)
    return np.divide(right, totals, out=np.full(len(right), np.nan), where=totals > 0)
