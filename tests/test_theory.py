"""Closed forms against numerical minimisation and against trained small networks."""

import ast

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from figures._mixtures import ITERATIONS, NEAR_LEFT, NEAR_RIGHT, SETTINGS, predict
from rumi_tf.theory import rumi_ipm_optimum, rumi_lsgan_optimum, rumi_sgan_optimum
from tests.conftest import ROOT

CELLS = 40
EDGES = np.linspace(-4, 4, CELLS + 1)
POINTS = (EDGES[1:] + EDGES[:-1]) / 2
VOLUME = EDGES[1] - EDGES[0]


def gaussians(*components):
    """Sum of weight * N(mean, deviation), normalised on the grid."""
    density = sum(w * np.exp(-(((POINTS - m) / s) ** 2) / 2) / s for w, m, s in components)
    return density / (density.sum() * VOLUME)


# (positives, negatives): separate, overlapping, negatives inside, a class in both, broad negatives.
PAIRS = {
    "separate": (gaussians((1, -1.5, 0.5)), gaussians((1, 1.5, 0.5))),
    "overlap": (gaussians((1, -0.5, 1)), gaussians((1, 0.7, 1))),
    "inside": (gaussians((1, 0, 1.4)), gaussians((1, 0.3, 0.6))),
    "shared": (
        gaussians((0.5, -2, 0.5), (0.5, 0, 0.5)),
        gaussians((0.5, 0, 0.5), (0.5, 2, 0.5)),
    ),
    "mild": (gaussians((1, 0, 1)), gaussians((0.9, 0, 1), (0.1, 1, 1.2))),
}
SGAN = [(1, 0), (1, 1), (1, 0.3), (0.5, 2), (0.8, -0.2), (0.3, -0.6), (1, 5)]
PAPER, CODE, RAISED = (-1, 0, 2, 1.5), (-2, -0.5, 2, 2), (1, 0, 2, 2)
LSGAN = [  # (b-, a, b+, c), beta+, beta-
    (PAPER, 1, 1), (PAPER, 1, 0), (PAPER, 1, 1.9), (PAPER, 2, 0.5), (CODE, 2.5, 0.5),
    (CODE, 1, 1), (RAISED, 1, 1), (RAISED, 0.5, 1), (RAISED, 2, 1), ((-1, -2, 0, 0), 0.3, 2),
]  # fmt: skip


def lsgan(pair, labels, beta_pos, beta_neg, **other):
    names = ("label_b_neg", "label_a", "label_b_pos", "label_c")
    return rumi_lsgan_optimum(
        *pair, VOLUME, **dict(zip(names, labels, strict=True)), beta_pos=beta_pos,
        beta_neg=beta_neg, **other,
    )  # fmt: skip


def minimum(loss, gradient, floor=0.0):
    """argmin of a convex function of the cells' masses, over masses >= floor that sum to 1."""
    start = floor + (1 - np.sum(floor * np.ones(CELLS))) / CELLS
    return minimize(
        loss, start * np.ones(CELLS), jac=gradient, method="SLSQP",
        bounds=[(low, 1) for low in floor * np.ones(CELLS)],
        constraints={"type": "eq", "fun": lambda m: m.sum() - 1, "jac": lambda m: np.ones(CELLS)},
        options={"maxiter": 2000, "ftol": 1e-13},
    ).x  # fmt: skip


def distance(a, b):
    return 0.5 * np.abs(a - b).sum() * VOLUME


# ----- numerical minimisation of G's loss with optimal D, independent of the closed form ----------

# f of Nowozin et al. (2016), Table 1, and its derivative. G's loss is the integral of B f(A / B).
F = {
    "sgan": (
        lambda u: u * np.log(u) - (1 + u) * np.log(1 + u),
        lambda u: np.log(u) - np.log(1 + u),
    ),
    "kl": (lambda u: u * np.log(u), lambda u: np.log(u) + 1),
    "reverse_kl": (lambda u: -np.log(u), lambda u: -1 / u),
    "pearson": (lambda u: (u - 1) ** 2, lambda u: 2 * (u - 1)),
    "hellinger": (lambda u: (np.sqrt(u) - 1) ** 2, lambda u: 1 - 1 / np.sqrt(u)),
    "jensen_shannon": (
        lambda u: -(u + 1) * np.log((1 + u) / 2) + u * np.log(u),
        lambda u: np.log(2 * u / (1 + u)),
    ),
}


@pytest.mark.parametrize("alphas", SGAN, ids=str)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", F)
def test_lemma_3_1_is_the_constrained_minimum_of_every_f_gan(name, pair, alphas):
    positive, negative = PAIRS[pair]
    weighted_pos, weighted_neg = alphas[0] * positive * VOLUME, alphas[1] * negative * VOLUME
    f, slope = F[name]
    # Keeps the quotient within floating-point range at the ends of the grid.
    floor = np.maximum(0.0, -weighted_neg) + 1e-9

    def loss(mass):
        other = mass + weighted_neg
        return np.sum(other * f(weighted_pos / other))

    def gradient(mass):
        u = weighted_pos / (mass + weighted_neg)
        return f(u) - u * slope(u)

    best = rumi_sgan_optimum(positive, negative, VOLUME, alpha_pos=alphas[0], alpha_neg=alphas[1])
    masses = minimum(loss, gradient, floor)
    least = loss(masses)
    assert loss(np.maximum(best.generator * VOLUME, floor)) <= least + 1e-6 * (1 + abs(least))
    assert distance(masses / VOLUME, best.generator) < 0.01


@pytest.mark.parametrize("setting", LSGAN, ids=str)
@pytest.mark.parametrize("pair", PAIRS)
def test_lemma_3_2_with_d_plugged_in_is_the_constrained_minimum_of_equation_4(pair, setting):
    (b_neg, a, b_pos, c), beta_pos, beta_neg = setting
    positive, negative = beta_pos * PAIRS[pair][0] * VOLUME, beta_neg * PAIRS[pair][1] * VOLUME

    def best_d(mass):
        return (b_pos * positive + b_neg * negative + a * mass) / (positive + negative + mass)

    def loss(mass):  # Eq. 4 with Eq. 5's D*
        return np.sum((best_d(mass) - c) ** 2 * (positive + negative + mass))

    def gradient(mass):
        d = best_d(mass)
        return (d - c) ** 2 + 2 * (d - c) * (a - d)

    best = lsgan(PAIRS[pair], *setting, plug_in=True)
    masses = minimum(loss, gradient)
    assert loss(best.generator * VOLUME) <= loss(masses) + 1e-9
    assert distance(masses / VOLUME, best.generator) < 0.01
    support = best.generator > 0
    np.testing.assert_allclose(gradient(best.generator * VOLUME)[support], -best.multiplier)


def best_responses(pair, setting, rounds=4000):
    """Iterates the game on masses: G moves mass towards smaller (D* - c)^2, and D is optimal."""
    (b_neg, a, b_pos, c), beta_pos, beta_neg = setting
    positive, negative = beta_pos * PAIRS[pair][0] * VOLUME, beta_neg * PAIRS[pair][1] * VOLUME
    mass = np.full(CELLS, 1 / CELLS)
    for _ in range(rounds):
        d = (b_pos * positive + b_neg * negative + a * mass) / (positive + negative + mass)
        mass = mass * np.exp(-0.1 * (d - c) ** 2)
        mass /= mass.sum()
    return mass / VOLUME


@pytest.mark.parametrize("setting", LSGAN, ids=str)
@pytest.mark.parametrize("pair", PAIRS)
def test_lemma_3_2_as_trained_is_the_fixed_point_of_the_game(pair, setting):
    best = lsgan(PAIRS[pair], *setting)
    assert distance(best_responses(pair, setting), best.generator) < 0.02
    assert_at_rest(best, lambda d: (d - setting[0][3]) ** 2)
    loss = (best.discriminator[best.generator > 0] - setting[0][3]) ** 2
    np.testing.assert_allclose(loss, -best.multiplier, rtol=1e-9)


@pytest.mark.parametrize("alphas", SGAN, ids=str)
@pytest.mark.parametrize("pair", PAIRS)
def test_lemma_3_1_is_at_rest_for_both_losses_of_g(pair, alphas):
    best = rumi_sgan_optimum(*PAIRS[pair], VOLUME, alpha_pos=alphas[0], alpha_neg=alphas[1])
    with np.errstate(divide="ignore"):
        assert_at_rest(best, lambda d: -np.log(d))  # non-saturating
        assert_at_rest(best, lambda d: np.log(1 - d))  # min-max
    value = np.log(1 - best.discriminator[best.generator > 0])
    np.testing.assert_allclose(value, -best.multiplier, rtol=1e-9)


def assert_at_rest(best, loss):
    """With D fixed, no other generator density has a smaller loss."""
    values = loss(best.discriminator)
    mean = np.sum((best.generator * values)[best.generator > 0]) * VOLUME
    assert mean == pytest.approx(np.nanmin(values), abs=1e-9)


# ----- integral probability metrics ---------------------------------------------------------------


def test_ipm_form_is_affine_where_it_is_a_density():
    positive, negative = PAIRS["mild"]
    for pos, neg in ((1, 0), (1, 0.05), (0.8, -0.2), (0, -1)):
        best = rumi_ipm_optimum(positive, negative, VOLUME, alpha_pos=pos, alpha_neg=neg)
        expected = (pos * positive - neg * negative) / (pos - neg)
        np.testing.assert_allclose(best.generator, expected, atol=1e-12)
        assert not best.is_clamped and not best.discriminator.any()


def test_ipm_form_with_a_negative_target_needs_points():
    with pytest.raises(ValueError, match="points"):
        rumi_ipm_optimum(*PAIRS["separate"], VOLUME, alpha_pos=1, alpha_neg=0.5)


@pytest.mark.parametrize("alphas", [(1, 0.2), (1, 0.5), (2, 1.8)], ids=str)
@pytest.mark.parametrize("pair", PAIRS)
def test_nearest_wasserstein_density_is_optimal_transport(pair, alphas):
    """Oracle: transport of t+ to p_g + t- with free p_g, as a linear programme over couplings."""
    best = rumi_ipm_optimum(
        *PAIRS[pair], VOLUME, alpha_pos=alphas[0], alpha_neg=alphas[1], points=POINTS
    )
    assert best.generator.min() >= 0 and best.generator.sum() * VOLUME == pytest.approx(1)
    target = best.closed_form * VOLUME
    cost = np.abs(POINTS[:, None] - POINTS[None, :]).ravel()
    rows = np.kron(np.eye(CELLS), np.ones(CELLS))
    columns = np.kron(np.ones(CELLS), np.eye(CELLS))
    least = linprog(
        cost, A_eq=rows, b_eq=np.maximum(target, 0), A_ub=-columns, b_ub=np.minimum(target, 0)
    ).fun
    cdf_difference = np.cumsum(best.generator * VOLUME - target)
    assert np.abs(cdf_difference).sum() * VOLUME == pytest.approx(least, abs=1e-7)
    # D* attains the distance, and its slope is at most 1.
    assert np.sum(best.discriminator * (target - best.generator * VOLUME)) == pytest.approx(
        least, abs=1e-6
    )
    assert np.abs(np.diff(best.discriminator)).max() <= VOLUME * (1 + 1e-9)


def test_wasserstein_drops_the_positives_next_to_the_negatives():
    """For separate classes an f-divergence learns all positives, Wasserstein's metric does not."""
    positive, negative = PAIRS["separate"]
    best = rumi_ipm_optimum(positive, negative, VOLUME, alpha_pos=1, alpha_neg=0.5, points=POINTS)
    scaled = positive * 2  # alpha+ / (alpha+ - alpha-)
    cumulative = np.minimum(np.cumsum(scaled) * VOLUME, 1)
    np.testing.assert_allclose(np.cumsum(best.generator) * VOLUME, cumulative, atol=1e-2)
    assert distance(best.generator, positive) > 0.4


# ----- properties for all parameters --------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS)
def test_generators_are_densities(pair):
    optima = [rumi_sgan_optimum(*PAIRS[pair], VOLUME, alpha_pos=p, alpha_neg=n) for p, n in SGAN]
    optima += [lsgan(PAIRS[pair], *setting) for setting in LSGAN]
    optima += [lsgan(PAIRS[pair], *setting, plug_in=True) for setting in LSGAN]
    for best in optima:
        assert best.generator.min() >= 0
        assert best.generator.sum() * VOLUME == pytest.approx(1, abs=1e-12)
        assert best.closed_form.sum() * VOLUME == pytest.approx(1, abs=1e-9)
        assert not best.generator[best.clamped].any()
        if not best.is_clamped:
            np.testing.assert_allclose(best.generator, best.closed_form, atol=1e-9)


def test_a_clamped_solution_is_not_the_formula_clipped_and_rescaled():
    positive, negative = PAIRS["overlap"]
    best = rumi_sgan_optimum(positive, negative, VOLUME, alpha_pos=1, alpha_neg=1)
    clipped = np.maximum(best.closed_form, 0)
    assert best.is_clamped and distance(best.generator, clipped / clipped.sum() / VOLUME) > 0.03
    # The paper's multiplier is for the unclamped formula; clamping makes it larger.
    assert best.multiplier > np.log(3 / 2) + 0.01


def test_weights_1_and_0_give_the_base_losses():
    for pair in PAIRS.values():
        for best in (
            rumi_sgan_optimum(*pair, VOLUME, alpha_pos=1, alpha_neg=0),
            lsgan(pair, (-1, 0, 1, 1), 1, 0),
            lsgan(pair, (-1, 0, 1, 1), 1, 0, plug_in=True),
        ):
            np.testing.assert_allclose(best.generator, pair[0], atol=1e-12)
            np.testing.assert_allclose(best.discriminator, 0.5)
            assert not best.is_clamped
        base = rumi_sgan_optimum(*pair, VOLUME, alpha_pos=1, alpha_neg=0)
        assert base.multiplier == pytest.approx(np.log(2))


def test_unclamped_optima_equal_the_printed_formulas():
    positive, negative = PAIRS["mild"]
    best = rumi_sgan_optimum(positive, negative, VOLUME, alpha_pos=0.7, alpha_neg=-0.3)
    np.testing.assert_allclose(best.generator, 0.7 * positive + 0.3 * negative)
    assert best.multiplier == pytest.approx(np.log(1.4 / 0.7))
    # Lemma 3.2's eta+ and eta-, as printed.
    b_neg, a, b_pos, beta_pos, beta_neg = 1.0, 0.0, 2.0, 0.5, 1.0
    denominator = beta_pos * (a - b_pos) + beta_neg * (a - b_neg)
    eta_pos = ((1 + beta_neg) * (a - b_pos) - beta_neg * (a - b_neg)) / denominator
    eta_neg = ((1 + beta_pos) * (a - b_neg) - beta_pos * (a - b_pos)) / denominator
    best = lsgan(PAIRS["mild"], (b_neg, a, b_pos, 2), beta_pos, beta_neg)
    expected = beta_pos * eta_pos * positive + beta_neg * eta_neg * negative
    np.testing.assert_allclose(best.generator, expected)
    assert not best.is_clamped


def test_separate_classes_give_the_positives():
    edges = np.linspace(-9, 9, 200)
    apart = [np.exp(-((edges - m) ** 2)) / np.sqrt(np.pi) for m in (-5, 5)]
    width = edges[1] - edges[0]
    for best in (
        rumi_sgan_optimum(*apart, width),
        rumi_sgan_optimum(*apart, width, alpha_neg=9),
        rumi_lsgan_optimum(*apart, width),
    ):
        np.testing.assert_allclose(best.generator, apart[0], atol=1e-6)


def test_special_case_of_section_3_3_needs_a_below_b_neg():
    for pair in PAIRS.values():  # beta+ = (a - b-) / (b- - b+)
        best = lsgan(pair, (1, 0, 3, 3), 0.5, 0.7)
        np.testing.assert_allclose(best.generator, pair[0], atol=1e-12)
    with pytest.raises(ValueError, match=r"beta_pos is -0\.333"):
        lsgan(PAIRS["mild"], PAPER, (0 + 1) / (-1 - 2), 1)


def test_equation_4_with_d_plugged_in_puts_mass_on_the_negatives():
    """With the paper's labels and overlapping classes, the two readings of Eq. 4 differ."""
    trained, plugged = (lsgan(PAIRS["overlap"], PAPER, 1, 1, plug_in=p) for p in (False, True))
    right = POINTS > 1.5
    assert trained.generator[right].sum() * VOLUME < 1e-9
    assert plugged.generator[right].sum() * VOLUME > 0.01


def test_any_shape_and_cell_volumes():
    rng = np.random.default_rng(0)
    cells = rng.uniform(0.5, 2, (6, 7))
    positive, negative = (rng.uniform(0, 1, (6, 7)) for _ in range(2))
    positive, negative = (p / (p * cells).sum() for p in (positive, negative))
    for best in (
        rumi_sgan_optimum(positive, negative, cells),
        rumi_lsgan_optimum(positive, negative, cells),
    ):
        assert best.generator.shape == (6, 7) and best.is_clamped
        assert (best.generator * cells).sum() == pytest.approx(1)


def test_cells_without_mass():
    density = np.array([0.0, 0.5, 0.5, 0.0])
    shifted = np.array([0.0, 0.0, 0.5, 0.5])
    for best, expected in (
        (rumi_sgan_optimum(density, shifted), [0, 0.75, 0.25, 0]),
        (rumi_lsgan_optimum(density, shifted), [0, 1, 0, 0]),
    ):
        np.testing.assert_allclose(best.generator, expected)
        assert np.isnan(best.discriminator).tolist() == [True, False, False, False]
    mixed = rumi_sgan_optimum(density, shifted, alpha_pos=0.5, alpha_neg=-0.5)
    np.testing.assert_allclose(mixed.generator, [0, 0.25, 0.5, 0.25])


# ----- invalid input ------------------------------------------------------------------------------

GOOD = PAIRS["mild"]


@pytest.mark.parametrize(
    "call, pattern",
    [
        (lambda: rumi_sgan_optimum(*GOOD, VOLUME, alpha_pos=1.1), "alpha_pos is 1.1"),
        (lambda: rumi_sgan_optimum(*GOOD, VOLUME, alpha_pos=-0.1), "alpha_pos is -0.1"),
        (lambda: rumi_sgan_optimum(*GOOD, VOLUME, alpha_pos=0), "alpha_pos is 0"),
        (
            lambda: rumi_sgan_optimum(*GOOD, VOLUME, alpha_pos=0.5, alpha_neg=-0.6),
            "alpha_neg is -0.6",
        ),
        (lambda: rumi_sgan_optimum(*GOOD, VOLUME, alpha_neg=np.nan), "alpha_neg is nan"),
        (lambda: lsgan(GOOD, (2, 0, 2, 2), 1, 1), "label_b_pos is 2"),
        (lambda: lsgan(GOOD, (-1, 0.6, 2, 2), 1, 1), "label_a is 0.6"),
        (lambda: lsgan(GOOD, (-1, 0.5, 2, 2), 1, 1), "denominator"),
        (lambda: lsgan(GOOD, PAPER, 1, 2), "denominator"),
        (lambda: lsgan(GOOD, PAPER, 0, 1), "beta_pos is 0"),
        (lambda: lsgan(GOOD, PAPER, 1, -1), "beta_neg is -1"),
        (lambda: lsgan(GOOD, (-1, 0, 0, 2), 1, 0), "label_b_pos is 0"),
        (lambda: lsgan(GOOD, (-1, 0, 2, 0.1), 1, 1), "label_c is 0.1"),
        (lambda: rumi_ipm_optimum(*GOOD, alpha_pos=1, alpha_neg=1), "integral"),
        (
            lambda: rumi_ipm_optimum(*GOOD, VOLUME, alpha_pos=1, alpha_neg=1),
            "alpha_neg is 1",
        ),
        (lambda: rumi_ipm_optimum(*GOOD, VOLUME, alpha_pos=-1, alpha_neg=-2), "alpha_pos is -1"),
        (
            lambda: rumi_ipm_optimum(
                *PAIRS["overlap"], VOLUME, alpha_pos=1, alpha_neg=0.5, points=POINTS[::-1]
            ),
            "points",
        ),
        (lambda: rumi_sgan_optimum(GOOD[0], GOOD[1][1:], VOLUME), "shapes"),
        (lambda: rumi_sgan_optimum(GOOD[0], -GOOD[1], VOLUME), "^negative"),
        (lambda: rumi_sgan_optimum(GOOD[0] * np.inf, GOOD[1], VOLUME), "^positive"),
        (lambda: rumi_sgan_optimum(GOOD[0] * 1.2, GOOD[1], VOLUME), "^positive.* 1.2"),
        (lambda: rumi_sgan_optimum(*GOOD, np.ones(3)), "^cells"),
        (lambda: rumi_sgan_optimum(*GOOD, -1.0), "^cells"),
    ],
)
def test_invalid_input_names_the_parameter(call, pattern):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=pattern):
        call()


def test_theory_imports_only_numpy_and_scipy():
    source = (ROOT / "rumi_tf" / "theory.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert all(name.split(".")[0] in ("dataclasses", "numpy", "scipy") for name in names)


# ----- small networks -----------------------------------------------------------------------------


def test_mixtures_have_unit_mass():
    for name, setting in SETTINGS.items():
        for mixture in (setting.positive, setting.negative):
            assert sum(mixture.weights) == pytest.approx(1)
            # The grid covers nearly all mass, so predictions on it hold for the whole space.
            assert mixture.masses(setting.edges).sum() == pytest.approx(1, abs=2e-3), name
        assert setting.prediction().generator.shape == setting.density(setting.positive).shape


def test_predictions_do_not_depend_on_the_cell_size():
    """Cells of a fifth of the size, averaged, give the same prediction."""
    for name, setting in SETTINGS.items():
        dimension = setting.positive.dimension
        fine = np.linspace(setting.edges[0], setting.edges[-1], 5 * (len(setting.edges) - 1) + 1)
        volume = (fine[1] - fine[0]) ** dimension
        densities = [m.masses(fine) / volume for m in (setting.positive, setting.negative)]
        finer = predict(setting.objective, *densities, fine, **setting.parameters).generator
        n = len(setting.edges) - 1
        axes = tuple(range(1, 2 * dimension, 2))
        averaged = finer.reshape((n, 5) * dimension).mean(axis=axes)
        assert setting.total_variation(averaged, setting.prediction().generator) < 0.005, name


TRAINED = (  # settings of figures._mixtures that were run with three seeds
    "sgan_separate",
    "sgan_shared",
    "lsgan_positives",
    "lsgan_mixture",
    "lsgan_overlap",
    "wgan_lp_mixture",
    "wgan_lp_overlap",
    "sgan_hole",
)


QUICK = ("sgan_shared",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in QUICK else pytest.mark.exhaustive) for n in TRAINED],
)
def test_small_networks_learn_what_the_lemmas_predict(name):
    from figures import _toy

    setting = SETTINGS[name]
    learnt = _toy.learnt_density(setting, ITERATIONS, seed=0)
    distance = setting.total_variation(learnt, setting.prediction().generator)
    assert distance < 0.08, f"total variation {distance:.3f}"


@pytest.mark.slow
def test_toy_training_depends_only_on_the_seed():
    from figures import _toy

    first, repeated, other = (_toy.learnt_density(SETTINGS["sgan_hole"], 3, s) for s in (1, 1, 2))
    assert np.array_equal(first, repeated) and not np.array_equal(first, other)


def test_predictions_for_f_gan_and_wgan_objectives():
    positive, negative = (SETTINGS["sgan_overlap"].density(m) for m in (NEAR_LEFT, NEAR_RIGHT))
    edges = SETTINGS["sgan_overlap"].edges
    weights = {"alpha_pos": 1.0, "alpha_neg": 0.5}
    densities = {
        name: predict(name, positive, negative, edges, penalty=10.0, **weights).generator
        for name in ("rumi_sgan", "rumi_fgan_kl", "rumi_wgan_gp")
    }
    assert np.array_equal(densities["rumi_sgan"], densities["rumi_fgan_kl"])
    assert distance(densities["rumi_sgan"], densities["rumi_wgan_gp"]) > 0.05
    with pytest.raises(KeyError):
        predict("rumi_dragan", positive, negative, edges, **weights)


# Floating-point rounding puts the first label just beyond the midpoint, and makes the second
# denominator not quite 0.
@pytest.mark.parametrize(
    ("labels", "weights", "admissible"),
    [((-2.0, -0.3, 1.4), (2.0, 1.0), True), ((-2.0, -1.6, -1.2), (1.0, 1.0), False)],
)
def test_bounds_tolerate_rounding_in_theory_and_in_training(labels, weights, admissible):
    from rumi_tf.objectives import OBJECTIVES
    from rumi_tf.utils.errors import InvalidInput

    b_neg, a, b_pos = labels
    values = {
        "label_b_neg": b_neg, "label_a": a, "label_b_pos": b_pos, "label_c": 99.0,
        "beta_pos": weights[0], "beta_neg": weights[1],
    }  # fmt: skip
    density = np.full(4, 0.25)
    for make, error in (
        (lambda: rumi_lsgan_optimum(density, density, **values), ValueError),
        (lambda: OBJECTIVES["rumi_lsgan"](**values), InvalidInput),
    ):
        if admissible:
            make()
        else:
            with pytest.raises(error, match=r"denominator|too large"):
                make()
