"""Losses of UAC-GAN's networks against NumPy, with known values of T."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.networks.mine import STATISTICS, LabelDiscriminator
from rumi_tf.objectives import OBJECTIVES, View
from rumi_tf.objectives import uacgan as module
from rumi_tf.objectives.uacgan import STATISTICS_NAMES

DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(0, 3, 40).astype(np.int32)
OTHERS = DRAW.permutation(LABELS).astype(np.int32)
FEATURES = DRAW.normal(size=40).astype(np.float32)
TABLE = np.array([0.3, -1.2, 0.8], np.float32)


class KnownT:
    """T(x, y) = table[y] x, and the variables that every T keeps."""

    reads = "features"
    label_discriminator = False

    def __init__(self):
        self.log_average = keras.Variable(0.0, trainable=False)
        self.begun = keras.Variable(0.0, trainable=False)

    def __call__(self, inputs):
        x, y = inputs
        return tf.gather(TABLE, y) * x


def test_names_of_statistics_networks():
    assert tuple(STATISTICS) == STATISTICS_NAMES


def view_of(networks, features=FEATURES, shares=(0.5, 0.3, 0.2), iteration=0):
    outputs = {
        "score": tf.constant(features), "features": tf.constant(features),
        "class": tf.constant(np.outer(features, [1.0, 0.5, -0.5]).astype(np.float32)),
        "label": tf.constant(LABELS),
    }  # fmt: skip
    return View(
        images={"fake": tf.zeros((40, 1, 1, 1))}, labels={"fake": tf.constant(LABELS)},
        outputs={"fake": outputs}, discriminate=lambda _: outputs, networks=networks,
        class_shares=shares, seed=1, iteration=tf.constant(iteration, tf.int64), draw=0,
    )  # fmt: skip


@pytest.fixture
def known_marginal(monkeypatch):
    monkeypatch.setitem(module.MARGINALS, "permutation", lambda *_: tf.constant(OTHERS))


def statistics():
    x = FEATURES.astype(np.float64)
    return TABLE[LABELS] * x, TABLE[OTHERS] * x


def test_the_generator_minimises_the_plain_bound_with_its_weight(known_marginal):
    objective = OBJECTIVES["uacgan"](mi_weight=0.7)
    view = view_of({"mine": KnownT()})
    joint, marginal = statistics()
    bound = joint.mean() - np.log(np.mean(np.exp(marginal)))
    rest = float(objective.generator_loss(view.outputs["fake"]))
    total = sum(float(loss) for loss in objective.generator_losses(view).values())
    assert total == pytest.approx(rest + 0.7 * bound, rel=1e-5)
    clipped = OBJECTIVES["uacgan"](mi_weight=0.7, mi_gradient_clip=True)
    assert float(clipped.generator_losses(view)["information"]) == pytest.approx(0.7 * bound, 1e-5)


def test_the_moving_average_starts_at_the_first_mean_and_follows_by_its_rate(known_marginal):
    objective, mine = OBJECTIVES["uacgan"](mine_ema_rate=0.1), KnownT()
    _, marginal = statistics()
    first, second = np.mean(np.exp(marginal)), np.mean(np.exp(2 * marginal))
    objective._mine_loss(view_of({"mine": mine}))
    assert float(mine.log_average) == pytest.approx(np.log(first), rel=1e-5)
    objective._mine_loss(view_of({"mine": mine}, 2 * FEATURES, iteration=1))
    expected = np.log(0.9 * first + 0.1 * second)
    assert float(mine.log_average) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_t_has_the_average_and_not_the_batch_in_its_denominator(known_marginal):
    objective, mine = OBJECTIVES["uacgan"](mine_ema_rate=0.01), KnownT()
    table = tf.Variable(TABLE)
    mine.__class__ = type("Learnt", (KnownT,), {
        "__call__": lambda self, inputs: tf.gather(table, inputs[1]) * inputs[0]})  # fmt: skip
    objective._mine_loss(view_of({"mine": mine}))
    with tf.GradientTape() as tape:
        loss = objective._mine_loss(view_of({"mine": mine}, 3 * FEATURES, iteration=1))
    found = tf.convert_to_tensor(tape.gradient(loss, table)).numpy()
    x, (_, marginal) = 3 * FEATURES.astype(np.float64), statistics()
    average = 0.99 * np.mean(np.exp(marginal)) + 0.01 * np.mean(np.exp(3 * marginal))
    weights = np.exp(3 * marginal) / 40 / average
    for k in range(3):
        expected = -np.sum(x[k == LABELS]) / 40 + np.sum((weights * x)[k == OTHERS])
        assert found[k] == pytest.approx(expected, rel=1e-4)


def test_the_label_discriminator_learns_minus_log_of_the_labels_distribution():
    objective = OBJECTIVES["uacgan"](mine_network="projection_label_disc")
    shares = np.array([0.6, 0.3, 0.1])
    network = LabelDiscriminator(num_classes=3)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, 400))
    rows = np.random.default_rng(2).choice(3, (400, 500), p=shares).astype(np.int32)
    for k in range(400):
        view = view_of({"label_discriminator": network}, iteration=k)
        view = View(**{**vars(view), "labels": {"fake": tf.constant(rows[k])}})
        with tf.GradientTape() as tape:
            loss = objective._label_loss(view)
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
    logits = network(tf.range(3)).numpy()
    np.testing.assert_allclose(logits - logits[0], np.log(shares[0] / shares), atol=0.15)


def test_a_permutation_keeps_the_batchs_labels_and_a_new_draw_follows_the_shares():
    view, later = (view_of({}, iteration=k) for k in (0, 1))
    many = tf.constant(DRAW.integers(0, 3, 20_000).astype(np.int32))
    permuted = module.MARGINALS["permutation"](view, many).numpy()
    np.testing.assert_array_equal(np.bincount(permuted), np.bincount(many.numpy()))
    assert abs(np.corrcoef(permuted, many.numpy())[0, 1]) < 0.03
    drawn = module.MARGINALS["resample"](view, many).numpy()
    np.testing.assert_allclose(np.bincount(drawn) / len(drawn), [0.5, 0.3, 0.2], atol=0.02)
    assert (module.MARGINALS["resample"](later, many).numpy() != drawn).any()
    assert (module.MARGINALS["permutation"](later, many).numpy() != permuted).any()
