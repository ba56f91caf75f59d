"""Predictions and densities of the figures against closed forms."""

import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import norm

from figures import _theorem1, uac_figure1_mog
from figures._mixtures import predicted_shares


def test_predicted_shares_of_separate_classes():
    labels = np.repeat(np.arange(4), [10, 30, 25, 75])
    indices = {
        "positive": np.flatnonzero(labels % 2 == 0), "negative": np.flatnonzero(labels % 2 == 1),
    }  # fmt: skip
    positive = np.array([10, 0, 25, 0]) / 35
    negative = np.array([0, 30, 0, 75]) / 105
    for alpha_neg, share in ((-0.5, 0.5), (-0.2, 0.2), (0.0, 0.0), (1.0, 0.0)):
        shares = predicted_shares(labels, indices, 0.5, alpha_neg)
        np.testing.assert_allclose(shares, (1 - share) * positive + share * negative, atol=1e-9)


def test_the_conditional_of_theorem_1_is_the_minimum_and_the_search_finds_it():
    x = np.linspace(-4, 15, 300)
    joint = _theorem1.joint_density(x)
    classifier, weights = joint / joint.sum(0), joint.sum(0)
    logs = np.log(classifier)
    np.testing.assert_allclose(trapezoid(joint, x).sum(), 1, atol=0.01)
    for sharpness in (0.01, 0.6, 0.99, 1.01, 1.5, 9.9):
        twin = _theorem1.tempered(logs, sharpness)
        best = _theorem1.tac_minimum(logs, twin)
        value = (best * (twin - logs)).sum(0)
        for seed in range(20):  # no other conditional is lower at any point
            other = np.random.default_rng(seed).dirichlet(np.ones(3), len(x)).T
            assert ((other * (twin - logs)).sum(0) >= value - 1e-12).all()
        np.testing.assert_array_equal(np.sort(best, axis=0)[:2], 0)
        solution = _theorem1.search(logs, twin)
        assert _theorem1.total_variation(solution, best, weights) < 0.01
    # A less certain twin gives the Bayes decision, a more certain one the least likely label.
    np.testing.assert_array_equal(best.argmax(0), classifier.argmin(0))
    assert _theorem1.total_variation(_theorem1.search(logs, None), classifier, weights) < 1e-6


def test_tempering_with_power_1_changes_nothing():
    joint = _theorem1.joint_density(np.linspace(-4, 15, 50))
    classifier = joint / joint.sum(0)
    logs = np.log(classifier)
    np.testing.assert_allclose(_theorem1.tempered(logs, 1.0), logs, atol=1e-12)
    sharper = np.exp(_theorem1.tempered(logs, 2.0))
    np.testing.assert_allclose(sharper, classifier**2 / (classifier**2).sum(0), rtol=1e-12)


def test_kernel_densities_match_the_distribution_of_the_points():
    points = np.random.default_rng(0).normal(size=(2, 3, 20_000)) + np.arange(3)[:, None] * 3
    points[1, 2] = 7.0  # collapsed
    densities = uac_figure1_mog.densities(points)
    expected = norm.pdf(uac_figure1_mog.GRID, 3)
    assert np.abs(densities[0, 1] - expected).max() < 0.02
    assert np.abs(densities[0, 3] - densities[0, :3].mean(0)).max() < 0.06  # a wider kernel
    assert np.isnan(densities[1, 2]).all() and np.isfinite(densities[1, [0, 1, 3]]).all()
    points[1, 0, 7] = np.inf  # a single infinite value marks the whole run as diverged
    assert np.isnan(uac_figure1_mog.densities(points)[1]).all()
