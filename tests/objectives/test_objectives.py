import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.objectives import OBJECTIVES
from rumi_tf.utils.errors import InvalidInput

DRAW = np.random.default_rng(0)
SCORES = {
    role: DRAW.normal(size=50).astype(np.float32) * 3
    for role in ("real", "positive", "negative", "fake")
}


def term(objective, role, scores):
    return float(objective.terms()[role]({"score": tf.constant(scores)}))


def whole(objective, scores):
    return sum(term(objective, role, scores[role]) for role in objective.terms())


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_lsgan_has_the_papers_labels():
    expected = np.mean((SCORES["real"] - 1) ** 2) + np.mean(SCORES["fake"] ** 2)
    assert whole(OBJECTIVES["lsgan"](), SCORES) == pytest.approx(expected, rel=1e-6)
    loss = OBJECTIVES["lsgan"]().generator_loss({"score": tf.constant(SCORES["fake"])})
    assert float(loss) == pytest.approx(np.mean((SCORES["fake"] - 1) ** 2), rel=1e-6)


def test_rumi_lsgan_is_equation_3_and_4():
    objective = OBJECTIVES["rumi_lsgan"](beta_pos=2.5, beta_neg=0.5)
    expected = (
        2.5 * np.mean((SCORES["positive"] - 2) ** 2)
        + 0.5 * np.mean((SCORES["negative"] + 1) ** 2)
        + np.mean(SCORES["fake"] ** 2)
    )
    assert whole(objective, SCORES) == pytest.approx(expected, rel=1e-6)
    loss = objective.generator_loss({"score": tf.constant(SCORES["fake"])})
    assert float(loss) == pytest.approx(np.mean((SCORES["fake"] - 1.5) ** 2), rel=1e-6)


def test_rumi_sgan_is_equation_1():
    objective = OBJECTIVES["rumi_sgan"](alpha_pos=0.75, alpha_neg=0.25)
    expected = -(
        0.75 * np.mean(np.log(sigmoid(SCORES["positive"])))
        + np.mean(np.log(1 - sigmoid(SCORES["fake"])))
        + 0.25 * np.mean(np.log(1 - sigmoid(SCORES["negative"])))
    )
    assert whole(objective, SCORES) == pytest.approx(expected, rel=1e-6)


def test_sgan_generator_is_non_saturating():
    loss = OBJECTIVES["sgan"]().generator_loss({"score": tf.constant(SCORES["fake"])})
    assert float(loss) == pytest.approx(-np.mean(np.log(sigmoid(SCORES["fake"]))), rel=1e-6)


@pytest.mark.parametrize(
    "rumi, base, parameters",
    [
        ("rumi_sgan", "sgan", {"alpha_pos": 1, "alpha_neg": 0}),
        (
            "rumi_lsgan",
            "lsgan",
            {"beta_pos": 1, "beta_neg": 0, "label_a": 0, "label_b_pos": 1, "label_c": 1},
        ),
    ],
)
def test_rumi_with_weights_1_and_0_is_its_base(rumi, base, parameters):
    scores = {**SCORES, "positive": SCORES["real"]}
    reduced, plain = OBJECTIVES[rumi](**parameters), OBJECTIVES[base]()
    assert whole(reduced, scores) == whole(plain, scores)
    fake = {"score": tf.constant(SCORES["fake"])}
    assert float(reduced.generator_loss(fake)) == float(plain.generator_loss(fake))


def test_joint_schedule_repeats_the_whole_loss():
    for name, roles in (("lsgan", {"real"}), ("rumi_lsgan", {"positive", "negative"})):
        for update in OBJECTIVES[name]().schedule("joint", 3):
            assert update == {**dict.fromkeys(roles, 1.0), "fake": 1.0}


def test_split_schedule_of_a_baseline_is_its_joint_one():
    objective = OBJECTIVES["lsgan"]()
    assert objective.schedule("split", 3) == objective.schedule("joint", 3)


def test_one_round_of_split_updates_adds_up_to_the_whole_loss():
    objective = OBJECTIVES["rumi_lsgan"]()
    updates = objective.schedule("split", 2)
    assert [sorted(u) for u in updates] == [["fake", "positive"], ["fake", "negative"]]
    total = sum(w * term(objective, role, SCORES[role]) for u in updates for role, w in u.items())
    assert total == pytest.approx(whole(objective, SCORES), rel=1e-6)


def test_split_needs_whole_rounds():
    with pytest.raises(InvalidInput, match=r"--d_steps: is 3"):
        OBJECTIVES["rumi_sgan"]().schedule("split", 3)


@pytest.mark.parametrize(
    "name, parameters, flag",
    [
        ("rumi_lsgan", {"label_b_pos": -1}, "label_b_pos"),
        ("rumi_lsgan", {"label_a": 0.6}, "label_a"),
        ("rumi_lsgan", {"beta_neg": 2.0}, "beta_neg"),
        ("rumi_lsgan", {"beta_neg": 0.0, "label_b_pos": -5.0}, "label_b_pos"),
        ("lsgan", {"label_a": 1.0}, "label_b_pos"),
        ("rumi_sgan", {"alpha_pos": 1.5}, "alpha_pos"),
        ("rumi_sgan", {"alpha_pos": 0.5, "alpha_neg": -0.6}, "alpha_neg"),
        ("lsgan", {"beta_pos": 2}, "beta_pos"),
    ],
)
def test_inadmissible_parameters_name_their_flag(name, parameters, flag):
    with pytest.raises(InvalidInput) as caught:
        OBJECTIVES[name](**parameters)
    assert caught.value.flag == flag


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("rumi_lsgan", {"label_a": 0.5, "beta_neg": 0.9}),
        ("rumi_lsgan", {"beta_neg": 1.99}),
        ("rumi_sgan", {"alpha_pos": 0.5, "alpha_neg": -0.5}),
        ("rumi_sgan", {"alpha_pos": 0.8, "alpha_neg": -0.2}),  # rounds to below 0.8 - 1
    ],
)
def test_bounds_of_the_lemmas_are_admissible(name, parameters):
    made = OBJECTIVES[name](**parameters)
    expected = {**OBJECTIVES[name].defaults(), **parameters}
    assert {key: getattr(made, key) for key in expected} == expected
