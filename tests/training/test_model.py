"""The training step against gradients worked out by hand on tiny linear networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.runs.resolve import resolve
from rumi_tf.training.build import make_batches, make_model, prepare
from rumi_tf.training.model import AdversarialModel, Schedule
from rumi_tf.utils import replicas, rng

RATE, BATCH, SEED = 0.1, 6, 3
FEW_IMAGES = {"d_augment": ("flip", "color", "translation", "cutout"), "generator_ema": 0.9}


class Line(keras.Model):
    """x -> x @ w, counting how often it is traced or called."""

    latent_dim = 2

    def __init__(self, w):
        super().__init__()
        w = np.asarray(w, np.float32)
        self.w = self.add_weight(shape=w.shape, initializer=keras.initializers.Constant(w))
        self.calls = 0

    def call(self, x, training=False):
        self.calls += 1
        return x @ self.w


class Score(Line):
    def call(self, x, training=False):
        return {"score": super().call(x)[:, 0]}


G0 = np.array([[0.5, -0.2], [0.1, 0.4]])
D0 = np.array([[0.3], [-0.7]])
POSITIVE = np.random.default_rng(1).normal(size=(BATCH, 2)).astype(np.float32)
NEGATIVE = np.random.default_rng(2).normal(size=(BATCH, 2)).astype(np.float32)


def part(images):
    return {"image": tf.constant(images), "label": tf.zeros(BATCH, tf.int32)}


SPLIT_BATCHES = ({"positive": part(POSITIVE)}, {"negative": part(NEGATIVE)})
JOINT_BATCHES = ({"positive": part(POSITIVE), "negative": part(NEGATIVE)},) * 2


def tiny(d_schedule="split", fakes="shared", update="sequential"):
    objective = OBJECTIVES["rumi_lsgan"]()
    model = AdversarialModel(
        Line(G0), Score(D0), objective,
        Schedule(objective.schedule(d_schedule, 2), fakes, update), batch_size=BATCH, seed=SEED,
    )  # fmt: skip
    sgd = keras.optimizers.SGD
    model.compile(sgd(RATE), sgd(RATE))
    return model


def noise(draw):
    return rng.normal((BATCH, 2), SEED, "noise", 0, draw).numpy().astype(np.float64)


def by_hand(d_schedule, fakes, update):
    """One iteration in NumPy: returns G's and D's weights after it."""
    g, d = G0.copy(), D0.copy()

    def squares(x, target, weight):  # gradient in d of weight * mean (x d - target)^2
        return weight * 2 * x.T @ (x @ d - target) / BATCH

    def g_gradient(z, d):  # gradient in g of mean (z g d - c)^2
        return 2 * z.T @ (z @ g @ d - 1.5) @ d.T / BATCH

    last = noise(0 if fakes == "shared" else 2)
    for k in range(2):
        x = noise(0 if fakes == "shared" else k) @ g
        if d_schedule == "split":
            terms = squares(POSITIVE, 2, 1) if k == 0 else squares(NEGATIVE, -1, 1)
            terms = terms + squares(x, 0, 0.5)
        else:
            terms = squares(POSITIVE, 2, 1) + squares(NEGATIVE, -1, 1) + squares(x, 0, 1)
        before = d
        d = d - RATE * terms
    return g - RATE * g_gradient(last, before if update == "simultaneous" else d), d


@pytest.mark.parametrize("d_schedule", ["split", "joint"])
@pytest.mark.parametrize("fakes", ["shared", "fresh"])
@pytest.mark.parametrize("update", ["sequential", "simultaneous"])
def test_an_iteration_is_what_the_schedule_says(d_schedule, fakes, update):
    model = tiny(d_schedule, fakes, update)
    model.train_step(SPLIT_BATCHES if d_schedule == "split" else JOINT_BATCHES)
    g, d = by_hand(d_schedule, fakes, update)
    np.testing.assert_allclose(model.discriminator.w, d, rtol=1e-5)
    np.testing.assert_allclose(model.generator.w, g, rtol=1e-5)
    assert int(model.iteration) == 1


@pytest.mark.parametrize("fakes, passes", [("shared", 1), ("fresh", 3)])
def test_generator_passes_per_iteration(fakes, passes):
    model = tiny(fakes=fakes)
    model.train_step(SPLIT_BATCHES)
    assert model.generator.calls == passes


def test_reported_losses_are_those_of_the_whole_objective():
    """With SGD at rate 0 both updates see the same D, so the round adds up to Eq. 3."""
    for schedule, batches in (("split", SPLIT_BATCHES), ("joint", JOINT_BATCHES)):
        model = tiny(schedule)
        model.generator_optimizer.learning_rate = model.discriminator_optimizer.learning_rate = 0.0
        logs = model.train_step(batches)
        fake = (noise(0) @ G0 @ D0)[:, 0]
        eq3 = np.mean((POSITIVE @ D0 - 2) ** 2) + np.mean((NEGATIVE @ D0 + 1) ** 2)
        assert float(logs["d_loss"]) == pytest.approx(eq3 + np.mean(fake**2), rel=1e-5)
        assert float(logs["g_loss"]) == pytest.approx(np.mean((fake - 1.5) ** 2), rel=1e-5)
        assert float(logs["score_positive"]) == pytest.approx((POSITIVE @ D0).mean(), rel=1e-4)


def config(**values):
    return resolve(RunConfig(**{"width": 0.1, "batch_size": 8, "iterations": 3, **values}))


def fitted(images_and_split, **values):
    settings = config(**values)
    model = make_model(settings, images_and_split[0].image_shape)
    batches = make_batches(settings, model, *images_and_split, start=0)
    model.fit(batches, steps_per_epoch=settings.iterations, verbose=0, shuffle=False)
    return model


@pytest.fixture(scope="module")
def digits():
    return prepare(config(split="even"))


@pytest.mark.parametrize("mover", ["generator", "discriminator"])
def test_a_players_update_changes_only_its_own_variables(digits, mover):
    settings = config(split="even")
    model = make_model(settings, digits[0].image_shape)
    for name in ("generator", "discriminator"):
        if name != mover:
            getattr(model, f"{name}_optimizer").learning_rate = 0.0
    before = {n: [w.numpy() for w in getattr(model, n).trainable_variables]
              for n in ("generator", "discriminator")}  # fmt: skip
    model.train_step(next(iter(make_batches(settings, model, *digits, start=0))))
    for name, weights in before.items():
        after = [w.numpy() for w in getattr(model, name).trainable_variables]
        same = [np.array_equal(a, b) for a, b in zip(weights, after, strict=True)]
        assert not any(same) if name == mover else all(same)


def test_training_rumi_lsgan_with_weights_1_and_0_trains_lsgan(digits):
    """Equal to float32 rounding: the reduced loss has one more term, which is zero."""
    weights = []
    for values in (
        {"objective": "lsgan"},
        {"label_b_pos": 1.0, "label_c": 1.0, "beta_pos": 1.0, "beta_neg": 0.0},
    ):
        settings = config(split="even", d_schedule="joint", **values)
        model = make_model(settings, digits[0].image_shape)
        for batches in make_batches(settings, model, *digits, start=0).take(2):
            model.train_step(batches)
        weights.append(model.generator.trainable_variables)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_joint_batch_norm_is_that_of_the_concatenation(digits):
    settings = config(split="even", d_batch_norm="joint", d_schedule="joint")
    model = make_model(settings, digits[0].image_shape)
    a, b = (tf.random.stateless_uniform((8, 28, 28, 1), (1, k), -1, 1) for k in (1, 2))
    together = model.discriminator(tf.concat([a, b], 0), training=True)["score"]
    outputs = model._discriminate({"positive": a, "fake": b}, {})
    joint = tf.concat([outputs["positive"]["score"], outputs["fake"]["score"]], 0)
    np.testing.assert_allclose(joint, together, rtol=1e-5, atol=1e-6)
    apart = model.discriminator(a, training=True)["score"]
    assert np.abs(apart - outputs["positive"]["score"]).max() > 1e-3


def test_the_step_is_traced_once(digits):
    traces = []
    settings = config(split="even", iterations=5)
    model = make_model(settings, digits[0].image_shape)
    step = model.train_step
    model.train_step = lambda data: traces.append(1) or step(data)
    batches = make_batches(settings, model, *digits, start=0)
    model.fit(batches, steps_per_epoch=5, verbose=0, shuffle=False)
    assert len(traces) == 1 and int(model.iteration) == 5


def test_xla_is_off_on_cpu():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    assert not make_model(config(split="even"), (28, 28, 1)).jit_compile
    assert make_model(config(split="even", jit="on"), (28, 28, 1)).jit_compile


@pytest.mark.parametrize(
    "values",
    [
        {"jit": "on", "d_schedule": "joint", "d_steps": 1, "generator_ema": 0.9},
        {"precision": "mixed_bfloat16", "fakes": "fresh", "update": "simultaneous",
         "d_batch_norm": "joint", **FEW_IMAGES},
        *(
            pytest.param(values, marks=pytest.mark.exhaustive)
            for values in (
                {"fakes": "fresh"}, {"update": "simultaneous"}, {"d_batch_norm": "joint"},
                {"d_batch_norm": "none"}, {"precision": "mixed_bfloat16"}, {"jit": "on"},
                {"objective": "rumi_sgan", "d_schedule": "joint", "d_steps": 1},
                {"jit": "on", **FEW_IMAGES}, {"precision": "mixed_bfloat16", **FEW_IMAGES},
                {"d_batch_norm": "joint", **FEW_IMAGES},
            )
        ),
    ],
    ids=str,
)  # fmt: skip
def test_every_switch_trains_to_finite_weights_that_moved(digits, values):
    model = fitted(digits, split="even", **values)
    start = make_model(config(split="even", **values), digits[0].image_shape)
    for a, b in zip(
        model.generator.trainable_variables, start.generator.trainable_variables, strict=True
    ):
        assert np.isfinite(a.numpy()).all() and not np.array_equal(a, b)


def test_running_means_count_iterations_and_not_replicas(monkeypatch):
    """What two replicas added up, in a run that goes on with one."""
    model = tiny()
    monkeypatch.setattr(replicas, "count", lambda: 2)
    for _ in range(2):
        model._track("score_fake", tf.ones(BATCH // 2))
    monkeypatch.setattr(replicas, "count", lambda: 1)
    model._track("score_fake", tf.zeros(BATCH))
    assert float(model.trackers["score_fake"].result()) == 0.5
