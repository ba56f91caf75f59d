"""The training step with more players than two, on digits and tiny networks."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.objectives import losses
from rumi_tf.runs.resolve import resolve
from rumi_tf.training.build import make_batches, make_class_shares, make_model, prepare
from rumi_tf.training.model import Fakes


def config(**values):
    return resolve(
        RunConfig(**{"width": 0.05, "batch_size": 8, "iterations": 2, "split": "even", **values})
    )


@pytest.fixture(scope="module")
def digits():
    return prepare(config())


def made(digits, **values):
    settings = config(**values)
    shares = make_class_shares(settings, *digits)
    return settings, make_model(settings, digits[0].image_shape, shares)


def trained(digits, iterations=2, **values):
    """Without a graph, which would take longer to make than to be run."""
    settings, model = made(digits, **values)
    for batches in make_batches(settings, model, *digits, start=0).take(iterations):
        model.train_step(batches)
    return model


def weights(variables):
    return [v.numpy() for v in variables]


def owners(model):
    trunk = model.discriminator.trunk_variables
    known = {id(v) for v in trunk}
    heads = [v for v in model.discriminator.trainable_variables if id(v) not in known]
    parts = {"generator": model.generator.trainable_variables, "trunk": trunk, "heads": heads}
    return {**parts, **{name: net.trainable_variables for name, net in model.networks.items()}}


MOVES = {
    "generator": {"generator"},
    "discriminator": {"trunk", "heads"},
    "mine": {"mine", "trunk"},
    "label_discriminator": {"label_discriminator"},
}


@pytest.mark.parametrize("mover", MOVES)
def test_an_update_changes_only_its_players_variables(digits, mover):
    """With label frequencies far from uniform, so that the label discriminator has a gradient."""
    settings, model = made(
        digits, objective="uacgan", mine_network="projection_label_disc", fakes="fresh"
    )
    model.class_shares = (0.91,) + (0.01,) * 9
    optimizers = {
        "generator": model.generator_optimizer,
        "discriminator": model.discriminator_optimizer,
        **model.player_optimizers,
    }
    for name, optimizer in optimizers.items():
        optimizer.learning_rate = 0.01 if name == mover else 0.0
    before = {name: weights(v) for name, v in owners(model).items()}
    model.train_step(next(iter(make_batches(settings, model, *digits, start=0))))
    for name, old in before.items():
        new = weights(owners(model)[name])
        same = [np.array_equal(a, b) for a, b in zip(old, new, strict=True)]
        assert not any(same) if name in MOVES[mover] else all(same), name


def test_every_player_has_its_own_number_of_steps(digits):
    model = trained(digits, 2, objective="uacgan", mine_network="concat", mine_steps=3, d_steps=1)
    assert int(model.player_optimizers["mine"].iterations) == 6
    assert int(model.discriminator_optimizer.iterations) == 2
    assert int(model.generator_optimizer.iterations) == 2
    of_mine = {id(v) for v in model.trained_variables()["mine"]}
    assert not of_mine & {id(v) for v in model.discriminator.variables}


@pytest.mark.parametrize(
    "values",
    [
        {"objective": "tacgan", "twin_weight": 0.0},
        {"objective": "uacgan", "mi_weight": 0.0},
    ],
    ids=str,
)
def test_with_weight_zero_it_trains_acgan(digits, values):
    one, acgan = trained(digits, **values), trained(digits, objective="acgan")
    for name in ("generator", "discriminator"):
        for a, b in zip(getattr(one, name).variables, getattr(acgan, name).variables, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["rumi_wgan", "rumi_wgan_gp", "rumi_dragan", "rumi_fgan_kl"])
def test_training_with_weights_1_and_0_trains_the_base(digits, name):
    common = {"d_schedule": "joint", "d_batch_norm": "none"}
    rumi = trained(digits, 1, objective=name, alpha_pos=1.0, alpha_neg=0.0, **common)
    base = trained(digits, 1, objective=name.removeprefix("rumi_"), **common)
    for a, b in zip(rumi.generator.variables, base.generator.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_wgan_keeps_the_critic_in_its_box(digits):
    model = trained(digits, objective="wgan", clip_value=0.02, d_batch_norm="separate")
    for v in model.discriminator.trainable_variables:
        assert np.abs(v.numpy()).max() <= 0.02 + 1e-8
    statistics = model.discriminator.non_trainable_variables
    assert max(v.numpy().max() for v in statistics) > 0.5
    assert max(np.abs(v.numpy()).max() for v in model.generator.trainable_variables) > 0.05


def test_labels_of_generated_images_follow_the_shares(digits):
    images, split = digits
    counts = np.bincount(images.labels[split.indices["all"]], minlength=10)
    for distribution, expected in (
        ("uniform", np.full(10, 0.1)),
        ("frequency", counts / counts.sum()),
    ):
        settings = config(objective="acgan", label_distribution=distribution)
        np.testing.assert_allclose(make_class_shares(settings, images, split), expected)
    unbalanced = config(objective="acgan", minority_class="5", split="unbalanced",
                        label_distribution="frequency")  # fmt: skip
    images, split = prepare(unbalanced)
    shares = make_class_shares(unbalanced, images, split)
    assert shares[5] == pytest.approx(50 / len(split.indices["all"])) and (shares > 0).all()
    some = config(objective="acgan", split="classes", positive_classes=("1",),
                  negative_classes=("7", "8"))  # fmt: skip
    shares = make_class_shares(some, *prepare(some))
    np.testing.assert_allclose(shares, np.isin(np.arange(10), (1, 7, 8)) / 3)


def test_the_information_term_reaches_the_generator_with_its_weight(digits):
    """G's gradient is linear in lambda: that of 3 is as far from 2's as that from 1's."""
    common = {"objective": "uacgan", "d_steps": 1, "mine_network": "projection"}
    gradients = {}
    for weight in (1.0, 2.0, 3.0):
        settings, model = made(digits, mi_weight=weight, **common)
        (batches,) = make_batches(settings, model, *digits, start=0).take(1)
        for optimizer in (model.discriminator_optimizer, *model.player_optimizers.values()):
            optimizer.learning_rate = 0.0
        model.generator_optimizer = keras.optimizers.SGD(1.0)
        before = weights(model.generator.trainable_variables)
        model.train_step(batches)
        after = weights(model.generator.trainable_variables)
        steps = [old - new for old, new in zip(before, after, strict=True)]
        gradients[weight] = np.concatenate([np.ravel(step) for step in steps])
    one, two = gradients[2.0] - gradients[1.0], gradients[3.0] - gradients[2.0]
    assert np.linalg.norm(one) > 1e-6
    np.testing.assert_allclose(one, two, atol=1e-2 * np.abs(one).max())


def test_the_average_of_the_first_iteration_is_its_own_mean(digits):
    model = trained(digits, 1, objective="uacgan", mine_network="projection_lse")
    mine = model.networks["mine"]
    assert float(mine.begun) == 1 and np.isfinite(float(mine.log_average))
    # Minus the bound: near 0, since T, a log-probability of ten classes, has learnt nothing yet.
    assert float(model.trackers["mine_loss"].result()) == pytest.approx(0, abs=0.5)


def test_the_statistics_network_learns_that_images_tell_their_labels(digits):
    """On real digits T's bound, which cannot exceed log 10, must come to at least half of it."""
    _, model = made(digits, objective="uacgan", mine_network="projection_lse", width=0.25)
    images, split = digits
    labels = tf.constant(images.labels[split.indices["all"]])
    pixels = images.gather(tf.constant(split.indices["all"]))
    mine, variables = model.networks["mine"], model.trained_variables()["mine"]
    optimizer = keras.optimizers.Adam(2e-3)
    player = model.objective.players()["mine"]

    @tf.function
    def step(x, y, k):
        fakes = Fakes(x, y, tape=tf.GradientTape())
        view = dataclasses.replace(model._view({}, fakes, 0, scored=False), iteration=k)
        with tf.GradientTape() as tape:
            loss = player.loss(view)
        optimizer.apply(tape.gradient(loss, variables), variables)

    for k in range(80):
        at = np.arange(32 * k, 32 * k + 32) % len(labels)
        step(tf.gather(pixels, at), tf.gather(labels, at), tf.constant(k, tf.int64))
    at = np.random.default_rng(0).permutation(len(labels))[:500]
    features = model.discriminator(tf.gather(pixels, at), training=True)["features"]
    y = tf.gather(labels, at)
    bound = losses.donsker_varadhan(
        mine((features, y)), tf.concat([mine((features, tf.roll(y, k, 0))) for k in range(1, 9)], 0)
    )
    assert 0.5 * np.log(10) < float(bound) < 1.1 * np.log(10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(
            {"objective": "uacgan", "jit": "on", "mi_gradient_clip": True, "d_steps": 1},
            marks=pytest.mark.exhaustive,
        ),
        {"objective": "uacgan", "update": "simultaneous", "precision": "mixed_bfloat16",
         "mine_network": "concat", "fakes": "fresh", "d_batch_norm": "joint"},
    ],
    ids=str,
)  # fmt: skip
def test_switches_train_in_a_graph_to_finite_weights(digits, values):
    settings, model = made(digits, **values)
    traces, step = [], model.train_step
    model.train_step = lambda data: traces.append(1) or step(data)
    model.fit(
        make_batches(settings, model, *digits, start=0), steps_per_epoch=2, verbose=0, shuffle=False
    )
    assert len(traces) == 1
    for variables in model.state().values():
        assert all(np.isfinite(np.asarray(v, np.float32)).all() for v in variables)


def test_a_graph_does_what_eager_execution_does(digits):
    values = {"objective": "uacgan", "mine_network": "projection_label_disc", "d_steps": 1}
    eager = trained(digits, **values)
    settings, model = made(digits, **values)
    batches = make_batches(settings, model, *digits, start=0)
    model.fit(batches, steps_per_epoch=2, verbose=0, shuffle=False)
    for a, b in zip(eager.generator.variables, model.generator.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
