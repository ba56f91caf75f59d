"""Objectives beyond SGAN and LSGAN, against NumPy, closed forms and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.objectives import OBJECTIVES, View, losses
from rumi_tf.utils.errors import InvalidInput

DRAW = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 1, 0, 2, 2, 1])
SCORES = {r: DRAW.normal(size=8) for r in ("real", "positive", "negative", "fake")}
SCORES["positive"] = SCORES["real"]
LOGITS = {h: DRAW.normal(size=(8, 3)) for h in ("class", "twin", "projection")}
RUMI = sorted(name for name in OBJECTIVES if name.startswith("rumi_"))


def outputs(role, shift=0.0):
    heads = {h: tf.constant(v + shift, tf.float32) for h, v in LOGITS.items()}
    return {"score": tf.constant(SCORES[role], tf.float32), "label": tf.constant(LABELS), **heads}


def parts(objective):
    return {role: float(term(outputs(role))) for role, term in objective.terms().items()}


def whole(objective):
    return sum(parts(objective).values())


def softplus(x):
    return np.log1p(np.exp(x))


def cross_entropy(logits):
    e = np.exp(logits)
    return -np.mean(np.log(e[np.arange(8), LABELS] / e.sum(1)))


# ----- f-GAN --------------------------------------------------------------------------------------

# Table 2 of Nowozin et al.: the divergence's f, and the output activation g.
TABLE_2 = {
    "kl": (lambda u: u * np.log(u), lambda v: v),
    "reverse_kl": (lambda u: -np.log(u), lambda v: -np.exp(-v)),
    "pearson": (lambda u: (u - 1) ** 2, lambda v: v),
    "hellinger": (lambda u: (np.sqrt(u) - 1) ** 2, lambda v: 1 - np.exp(-v)),
    "jensen_shannon": (
        lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
        lambda v: np.log(2) - softplus(-v),
    ),
}


@pytest.mark.parametrize("divergence", TABLE_2)
def test_fgan_terms_are_the_activation_and_the_numerical_conjugate(divergence):
    """f*(t) = sup_u (t u - f(u)), maximised over a grid of u."""
    f, g = TABLE_2[divergence]
    u = np.exp(np.linspace(-12, 8, 400_001))
    conjugate = np.array([np.max(t * u - f(u)) for t in g(SCORES["fake"])])
    objective = OBJECTIVES[f"fgan_{divergence}"]()
    found = parts(objective)
    assert found["real"] == pytest.approx(-np.mean(g(SCORES["real"])), rel=1e-5)
    assert found["fake"] == pytest.approx(np.mean(conjugate), rel=1e-4, abs=1e-4)
    saturating = OBJECTIVES[f"fgan_{divergence}"](g_loss="min_max")
    assert float(saturating.generator_loss(outputs("fake"))) == pytest.approx(-found["fake"])
    expected = -np.mean(g(SCORES["fake"]))
    assert float(objective.generator_loss(outputs("fake"))) == pytest.approx(expected, rel=1e-5)


def test_sgans_min_max_generator_descends_what_its_discriminator_climbs():
    objective = OBJECTIVES["sgan"](g_loss="min_max")
    fake = outputs("fake")
    assert float(objective.generator_loss(fake)) == -float(objective.terms()["fake"](fake))


def test_jensen_shannon_is_sgan_up_to_its_constant():
    sgan, other = OBJECTIVES["sgan"](), OBJECTIVES["fgan_jensen_shannon"]()
    assert whole(other) == pytest.approx(whole(sgan) - 2 * np.log(2), rel=1e-5)
    rumi = OBJECTIVES["rumi_fgan_jensen_shannon"](alpha_pos=0.5, alpha_neg=0.7)
    same = OBJECTIVES["rumi_sgan"](alpha_pos=0.5, alpha_neg=0.7)
    assert whole(rumi) == pytest.approx(whole(same) - 2.2 * np.log(2), rel=1e-5)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if "fgan" in n or "sgan" in n])
@pytest.mark.parametrize("score", [-300.0, 300.0])
def test_far_scores_give_finite_losses_and_gradients(name, score):
    objective = OBJECTIVES[name]()
    x = tf.constant([score])
    for term in (*objective.terms().values(), objective.generator_loss):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = term({"score": x})
        assert np.isfinite(value) and np.isfinite(tape.gradient(value, x)).all()


def test_exponential_goes_on_along_its_tangent():
    x = tf.constant([-3.0, 1.0, 20.0, 22.0])
    expected = np.exp([-3.0, 1.0, 20.0, 20.0]) * [1, 1, 1, 3]
    np.testing.assert_allclose(losses.exponential(x), expected, rtol=1e-5)


# ----- Rumi forms ---------------------------------------------------------------------------------


def test_rumi_wgan_is_the_ipm_form():
    objective = OBJECTIVES["rumi_wgan"](alpha_pos=0.9, alpha_neg=0.25)
    d = {role: np.mean(values) for role, values in SCORES.items()}
    expected = -0.9 * (d["positive"] - d["fake"]) + 0.25 * (d["negative"] - d["fake"])
    assert whole(objective) == pytest.approx(expected, rel=1e-5)
    assert float(objective.generator_loss(outputs("fake"))) == pytest.approx(-d["fake"], rel=1e-5)


@pytest.mark.parametrize("name", RUMI)
def test_one_round_of_split_updates_adds_up_to_the_whole_loss(name):
    objective = OBJECTIVES[name]()
    found = parts(objective)
    total = sum(w * found[r] for u in objective.schedule("split", 2) for r, w in u.items())
    assert total == pytest.approx(whole(objective), rel=1e-6)


def test_split_updates_of_rumi_wgan_are_its_two_brackets():
    one, two = OBJECTIVES["rumi_wgan"](alpha_pos=0.9, alpha_neg=0.25).schedule("split", 2)
    assert one["fake"] * 0.65 == pytest.approx(0.9) and two["fake"] * 0.65 == pytest.approx(-0.25)


def reduced(name):
    """A Rumi form with weights (1, 0), and its base."""
    weights = {"alpha_pos": 1, "alpha_neg": 0}
    if name == "rumi_lsgan":
        weights = {"beta_pos": 1, "beta_neg": 0, "label_b_pos": 1, "label_c": 1}
    return OBJECTIVES[name](**weights), OBJECTIVES[name.removeprefix("rumi_")]()


@pytest.mark.parametrize("name", RUMI)
def test_rumi_with_weights_1_and_0_is_its_base(name):
    rumi, base = reduced(name)
    assert whole(rumi) == whole(base)
    fake = outputs("fake")
    assert float(rumi.generator_loss(fake)) == float(base.generator_loss(fake))
    real, made = images(1), images(2)
    # Other roles draw other points; of a linear critic the gradient is the same everywhere.
    one = base.penalties(view(linear_critic(2.0), real=real, fake=made))
    two = rumi.penalties(view(linear_critic(2.0), positive=real, negative=images(3), fake=made))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", [n for n in RUMI if n not in ("rumi_lsgan", "rumi_sgan")])
def test_inadmissible_weights_name_the_inequality(name):
    if "wgan" in name:
        bad, words = {"alpha_pos": 1.0, "alpha_neg": 1.0}, "must be less than alpha_pos"
    else:
        bad, words = {"alpha_pos": 0.5, "alpha_neg": -0.6}, r"alpha_pos - 1 = -0\.5 \(Lemma 3\.1\)"
        with pytest.raises(InvalidInput, match=r"--alpha_pos: .* at most 1 \(Lemma 3\.1\)"):
            OBJECTIVES[name](alpha_pos=1.5)
    with pytest.raises(InvalidInput, match=f"--alpha_neg: .*{words}"):
        OBJECTIVES[name](**bad)


# ----- gradient penalties -------------------------------------------------------------------------


def images(seed, size=6):
    return np.random.default_rng(seed).normal(size=(size, 2, 2, 1)).astype(np.float32)


def view(discriminate, **by_role):
    held = {role: tf.constant(x) for role, x in by_role.items()}
    return View(held, {}, {}, discriminate, {}, None, 0, tf.constant(5, tf.int64), 0)


def linear_critic(slope):
    w = np.array([3.0, 0, -4, 0], np.float32) / 5 * slope
    return lambda x: {"score": tf.linalg.matvec(tf.reshape(x, (-1, 4)), w)}


@pytest.mark.parametrize("name", ["wgan_gp", "wgan_lp", "dragan"])
@pytest.mark.parametrize("slope", [0.25, 1.0, 3.0])
def test_penalty_of_a_linear_critic_is_known(name, slope):
    excess = max(slope - 1, 0) if name == "wgan_lp" else slope - 1
    (found,) = OBJECTIVES[name](gp_weight=7.0).penalties(
        view(linear_critic(slope), real=images(1), fake=images(2))
    )
    assert float(found) == pytest.approx(7 * excess**2, rel=1e-4, abs=1e-6)
    both = OBJECTIVES[f"rumi_{name}"](gp_weight=7.0).penalties(
        view(linear_critic(slope), positive=images(1), negative=images(3), fake=images(2))
    )
    assert len(both) == 2 and sum(map(float, both)) == pytest.approx(14 * excess**2, abs=1e-4)


W1 = DRAW.normal(size=(4, 5))
W2 = DRAW.normal(size=5)


@pytest.mark.parametrize("name", ["wgan_gp", "wgan_lp", "dragan"])
def test_penalty_and_its_gradient_match_finite_differences(name):
    real, fake, w1 = images(1), images(2), tf.Variable(W1, dtype=tf.float32)

    def discriminate(x):
        hidden = tf.tanh(tf.reshape(x, (-1, 4)) @ w1)
        return {"score": tf.linalg.matvec(hidden, W2.astype(np.float32))}

    objective, seen = OBJECTIVES[name](), view(discriminate, real=real, fake=fake)
    with tf.GradientTape() as tape:
        (found,) = objective.penalties(seen)
    gradient = tape.gradient(found, w1).numpy()
    points = objective.points(seen, "real").numpy().reshape(-1, 4).astype(np.float64)

    def score(x, w):
        return np.tanh(x @ w) @ W2

    def penalty(w, step=1e-5):
        slopes = [(score(points + e, w) - score(points - e, w)) / 2e-5 for e in np.eye(4) * step]
        excess = np.linalg.norm(slopes, axis=0) - 1
        return 10 * np.mean((np.maximum(excess, 0) if name == "wgan_lp" else excess) ** 2)

    assert float(found) == pytest.approx(penalty(W1), rel=1e-4)
    for i, j in ((0, 0), (1, 3), (3, 4)):
        moved = np.zeros_like(W1)
        moved[i, j] = 1e-4
        expected = (penalty(W1 + moved) - penalty(W1 - moved)) / 2e-4
        assert gradient[i, j] == pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_interpolated_points_lie_on_the_lines_and_perturbed_ones_near_the_images():
    real, fake = images(1, 500), images(2, 500)
    seen = view(None, real=real, fake=fake)
    points = OBJECTIVES["wgan_gp"]().points(seen, "real").numpy()
    where = ((points - real) / (fake - real)).reshape(500, -1)
    np.testing.assert_allclose(where, where[:, :1] * np.ones(4), atol=1e-2)
    assert where.min() >= -1e-3 and where.max() <= 1 + 1e-3
    assert abs(np.median(where) - 0.5) < 0.1
    noise = (OBJECTIVES["dragan"]().points(seen, "real").numpy() - real) / (0.5 * real.std())
    assert noise.min() >= -1e-5 and noise.max() < 1 + 1e-5 and abs(noise.mean() - 0.5) < 0.05


@pytest.mark.parametrize("name", ["wgan_gp", "rumi_wgan_lp", "dragan"])
def test_penalties_carry_no_gradient_into_the_generated_images(name):
    objective, fake = OBJECTIVES[name](), tf.Variable(images(2))
    roles = {role: images(k) for k, role in enumerate(objective.subsets)}
    discriminate = lambda x: {"score": tf.reduce_sum(x**3, axis=(1, 2, 3))}  # noqa: E731
    with tf.GradientTape() as tape:
        seen = view(discriminate, **roles)
        seen.images["fake"] = fake + 0.0
        loss = tf.add_n(objective.penalties(seen))
    assert float(loss) > 0 and tape.gradient(loss, fake) is None


def test_clipping_leaves_the_moving_statistics_alone():
    net = keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()])
    net.build((None, 2))
    objective = OBJECTIVES["wgan"](clip_value=0.3)
    objective.after_update("generator", net.trainable_variables)
    assert net.layers[1].gamma.numpy().max() == 1
    objective.after_update("discriminator", net.trainable_variables)
    assert all(np.abs(v.numpy()).max() <= 0.3 + 1e-7 for v in net.trainable_variables)
    assert net.layers[1].gamma.numpy().min() == pytest.approx(0.3)
    assert net.layers[1].moving_variance.numpy().min() == 1


# ----- conditional objectives ---------------------------------------------------------------------

HINGE = (
    lambda s: np.mean(np.maximum(0, 1 - s)),
    lambda s: np.mean(np.maximum(0, 1 + s)),
    lambda s: -np.mean(s),
)
ADVERSARIAL = {
    "sgan": (
        lambda s: np.mean(softplus(-s)), lambda s: np.mean(softplus(s)),
        lambda s: np.mean(softplus(-s)),
    ),
    "lsgan": (
        lambda s: np.mean((s - 1) ** 2), lambda s: np.mean(s**2), lambda s: np.mean((s - 1) ** 2),
    ),
    "hinge": HINGE,
}  # fmt: skip


@pytest.mark.parametrize("loss", ADVERSARIAL)
@pytest.mark.parametrize("on_fakes", [True, False])
def test_acgan_and_tacgan_against_numpy(loss, on_fakes):
    real, fake, generator = ADVERSARIAL[loss]
    common = {"adversarial_loss": loss, "classifier_on_fakes": on_fakes}
    ac, tac = OBJECTIVES["acgan"](**common), OBJECTIVES["tacgan"](twin_weight=0.5, **common)
    ce, twin = cross_entropy(LOGITS["class"]), cross_entropy(LOGITS["twin"])
    d = real(SCORES["real"]) + fake(SCORES["fake"]) + ce * (1 + on_fakes)
    assert whole(ac) == pytest.approx(d, rel=1e-5)
    assert whole(tac) == pytest.approx(d + twin, rel=1e-5)
    g = generator(SCORES["fake"]) + ce
    assert float(ac.generator_loss(outputs("fake"))) == pytest.approx(g, rel=1e-5)
    assert float(tac.generator_loss(outputs("fake"))) == pytest.approx(g - 0.5 * twin, rel=1e-5)


@pytest.mark.parametrize("loss", ADVERSARIAL)
def test_cgan_pd_adds_the_projection_of_the_own_class(loss):
    real, fake, generator = ADVERSARIAL[loss]
    own = LOGITS["projection"][np.arange(8), LABELS]
    objective = OBJECTIVES["cgan_pd"](adversarial_loss=loss)
    expected = real(SCORES["real"] + own) + fake(SCORES["fake"] + own)
    assert whole(objective) == pytest.approx(expected, rel=1e-5)
    found = float(objective.generator_loss(outputs("fake")))
    assert found == pytest.approx(generator(SCORES["fake"] + own), rel=1e-5)


def test_default_adversarial_losses():
    chosen = {n: k.defaults()["adversarial_loss"] for n, k in OBJECTIVES.items() if k.conditional}
    assert chosen == {"acgan": "sgan", "tacgan": "sgan", "uacgan": "sgan", "cgan_pd": "hinge"}


def test_the_classifier_learns_from_real_images_alone_unless_asked():
    for name in ("acgan", "tacgan", "uacgan"):
        objective = OBJECTIVES[name]()
        wrong = {**outputs("fake"), "class": -10.0 * outputs("fake")["class"]}
        fake = objective.terms()["fake"]
        assert float(fake(outputs("fake"))) == float(fake(wrong)), name
        assert float(objective.generator_loss(outputs("fake"))) != float(
            objective.generator_loss(wrong)
        ), name


@pytest.mark.parametrize(
    "name, zero", [("tacgan", {"twin_weight": 0.0}),
                   ("uacgan", {"mi_weight": 0.0})],
)  # fmt: skip
def test_with_weight_zero_it_is_acgan(name, zero):
    one, acgan = OBJECTIVES[name](**zero), OBJECTIVES["acgan"]()
    assert one.heads() == acgan.heads() and not one.players()
    assert whole(one) == whole(acgan)
    assert float(one.generator_loss(outputs("fake"))) == float(
        acgan.generator_loss(outputs("fake"))
    )


# ----- mutual information -------------------------------------------------------------------------


def test_donsker_varadhan_against_numpy_and_far_values():
    a, b = DRAW.normal(size=20), DRAW.normal(size=30)
    found = losses.donsker_varadhan(tf.constant(a), tf.constant(b))
    assert float(found) == pytest.approx(np.mean(a) - np.log(np.mean(np.exp(b))))
    far = losses.donsker_varadhan(tf.constant([500.0]), tf.constant([500.0, -500.0]))
    assert float(far) == pytest.approx(np.log(2), rel=1e-4)


def test_moving_average_is_that_of_the_means_and_starts_at_the_first():
    draws = DRAW.normal(size=(5, 40))
    average, log_average = None, tf.constant(0.0, tf.float64)
    for k, values in enumerate(draws):
        mean = np.mean(np.exp(values))
        average = mean if average is None else 0.9 * average + 0.1 * mean
        log_average = losses.moving_log_mean_exp(log_average, tf.constant(values), 0.1, k == 0)
        assert float(log_average) == pytest.approx(np.log(average))
    values = tf.constant(draws[0])
    assert float(losses.moving_log_mean_exp(log_average, values, 1.0, False)) == pytest.approx(
        np.log(np.mean(np.exp(draws[0])))
    )


def test_corrected_gradient_has_the_average_in_its_denominator():
    a, b = tf.Variable(DRAW.normal(size=6)), tf.Variable(DRAW.normal(size=6))
    average = 3.7
    with tf.GradientTape() as tape:
        loss = losses.corrected_donsker_varadhan(a, b, tf.constant(np.log(average), tf.float64))
    da, db = tape.gradient(loss, [a, b])
    bound = np.mean(a.numpy()) - np.log(np.mean(np.exp(b.numpy())))
    assert float(loss) == pytest.approx(-bound)  # what is logged means something
    np.testing.assert_allclose(da, -np.ones(6) / 6)
    np.testing.assert_allclose(db, np.exp(b.numpy()) / 6 / average)


@pytest.mark.parametrize("rho", [0.8, pytest.param(0.5, marks=pytest.mark.exhaustive)])
def test_a_trained_t_comes_close_to_the_information_of_gaussians_and_not_above(rho):
    """I = -log(1 - rho^2) / 2; the best T is a quadratic form, so T is one, trained by the
    library's losses. The bound is evaluated on two million new pairs, whose noise is 0.2%.
    """
    draws = np.random.default_rng(4)

    def features(size):
        x, e, other = draws.normal(size=(3, size))
        y = rho * x + np.sqrt(1 - rho**2) * e
        z = rho * other + np.sqrt(1 - rho**2) * draws.normal(size=size)
        return [tf.constant(np.stack([x * x, x * v, v * v], 1)) for v in (y, z)]

    weights = tf.Variable(np.zeros((3, 1)))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, 600))
    log_average, joint, marginal = tf.constant(0.0, tf.float64), *features(200_000)

    @tf.function
    def step(joint, marginal, log_average, first):
        with tf.GradientTape() as tape:
            on, off = (joint @ weights)[:, 0], (marginal @ weights)[:, 0]
            log_average = losses.moving_log_mean_exp(log_average, off, 0.05, first)
            loss = losses.corrected_donsker_varadhan(on, off, log_average)
        return tape.gradient(loss, weights), log_average

    for k in range(600):
        at = 2000 * (k % 100)
        gradient, log_average = step(
            joint[at : at + 2000], marginal[at : at + 2000], log_average, tf.constant(k == 0)
        )
        optimizer.apply([gradient], [weights])
    joint, marginal = features(2_000_000)
    bound = float(losses.donsker_varadhan((joint @ weights)[:, 0], (marginal @ weights)[:, 0]))
    truth = -0.5 * np.log(1 - rho**2)
    assert 0.98 * truth < bound < 1.005 * truth


def test_clipped_information_gradient_has_the_norm_of_the_rest_at_most():
    objective = OBJECTIVES["uacgan"](mi_gradient_clip=True)
    rest = [DRAW.normal(size=s).astype(np.float32) for s in ((2, 3), (4,))]
    for size in (0.01, 100.0):
        information = [size * DRAW.normal(size=r.shape).astype(np.float32) for r in rest]
        norm = {
            "u": np.sqrt(sum(np.sum(r**2) for r in rest)),
            "m": np.sqrt(sum(np.sum(m**2) for m in information)),
        }
        scale = min(norm["u"], norm["m"]) / norm["m"]
        found = objective.combine({"rest": rest, "information": information})
        for u, m, g in zip(rest, information, found, strict=True):
            np.testing.assert_allclose(g, u + scale * m, rtol=1e-4)
