"""Metrics as pure functions: features or class probabilities in, numbers out.

Features are (samples, features), one row per image; of two sets the generated one comes first and
the reference second. Nothing here reads files, prints or knows a network.
"""

from rumi_tf.metrics.classes import class_histogram, split_shares
from rumi_tf.metrics.classification import (
    balanced_accuracy,
    class_precision,
    class_recall,
    confusion_matrix,
)
from rumi_tf.metrics.diversity import intra_class_distances
from rumi_tf.metrics.frechet import (
    GaussianStatistics,
    extrapolated_frechet_distance,
    frechet_distance,
    frechet_distance_from_statistics,
)
from rumi_tf.metrics.inception import inception_score
from rumi_tf.metrics.kernel import kernel_distance, polynomial_mmd2
from rumi_tf.metrics.manifold import density_coverage, improved_precision_recall
from rumi_tf.metrics.notes import constant_set_note, small_sample_note
from rumi_tf.metrics.prd import prd_curve, prd_f_scores

__all__ = [
    "GaussianStatistics",
    "balanced_accuracy",
    "class_histogram",
    "class_precision",
    "class_recall",
    "confusion_matrix",
    "constant_set_note",
    "density_coverage",
    "extrapolated_frechet_distance",
    "frechet_distance",
    "frechet_distance_from_statistics",
    "improved_precision_recall",
    "inception_score",
    "intra_class_distances",
    "kernel_distance",
    "polynomial_mmd2",
    "prd_curve",
    "prd_f_scores",
    "small_sample_note",
    "split_shares",
]
