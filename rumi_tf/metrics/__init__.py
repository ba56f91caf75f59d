"""Metrics as pure functions from features or class probabilities to numbers.

Features are (samples, features), one row per image. Generated samples come before reference
samples. Nothing here reads files, prints or uses a network.
"""

from rumi_tf.metrics.checks import constant_set_note, small_sample_note
from rumi_tf.metrics.classes import class_histogram, split_shares
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
from rumi_tf.metrics.prd import prd_curve, prd_f_scores

__all__ = [
    "GaussianStatistics",
    "class_histogram",
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
