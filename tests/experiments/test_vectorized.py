"""Vectorized training against single runs, and against Keras layers and a gradient tape."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.experiments import gaussians
from rumi_tf.experiments.vectorized import Adam, Batches
from rumi_tf.objectives import View

TINY = {"samples": 200, "batch_size": 12, "iterations": 3, "d_steps": 2, "epochs": 2,
        "eval_samples": 30}  # fmt: skip
KINDS = [
    ("uacgan", {"mine_network": "projection_lse"}),
    *(
        pytest.param(name, values, marks=pytest.mark.exhaustive)
        for name, values in (
            ("acgan", {}),
            ("tacgan", {"classifier_on_fakes": True}),
            ("cgan_pd", {}),
            ("uacgan", {"mine_network": "projection", "mi_marginal": "resample"}),
            ("uacgan", {"mine_network": "projection_label_disc", "mi_gradient_clip": False}),
            ("uacgan", {"mine_network": "concat"}),
        )
    ),
]


def trained(config):
    training = gaussians.make_training(config, jit_compile=False)
    for _ in gaussians.train_epochs(config, training):
        pass
    return training


def run_state(training, run):
    state = (training._values, {k: v | {"steps": []} for k, v in training._slots.items()})
    return [v.numpy()[run] for v in tf.nest.flatten(state)]


@pytest.mark.parametrize(("objective", "values"), KINDS, ids=str)
def test_a_run_does_not_depend_on_the_other_runs(objective, values):
    config = gaussians.config_for(objective, **TINY, **values, num_runs=2, seed=4)
    alone = dataclasses.replace(config, num_runs=1, seed=5)
    start = gaussians.make_training(config, jit_compile=False)
    together, single = trained(config), trained(alone)
    for a, b in zip(run_state(together, 1), run_state(single, 0), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
    assert int(together.iteration) == 6
    for before, after, other in zip(
        run_state(start, 1), run_state(together, 1), run_state(together, 0), strict=True
    ):
        assert np.any(before != after) or not after.any()
        assert np.any(after != other) or np.all((after == 0) | (after == 1))


@dataclasses.dataclass(frozen=True)
class Descent:
    """Gradient descent instead of Adam: the change of a weight is its gradient."""

    rate: float = 1.0

    def __call__(self, values, gradients, slots):
        return [v - self.rate * g for v, g in zip(values, gradients, strict=True)], slots


class KerasRun:
    """The networks of one run as Keras layers on row vectors, with the given weights."""

    def __init__(self, values):
        embedding, *generator = values["generator"]
        self.embedding = tf.Variable(embedding.T)
        self.generator = self._dense_layers(generator, ("tanh", "tanh", None, None))
        critics = values["critics"]
        self.trunk = self._dense_layers(critics[:6], ("tanh", "tanh", None))
        self.score, self.classes = self._dense_layers(critics[6:10], (None, None))
        self.mine = [tf.Variable(v) for v in critics[10:]]

    def _dense_layers(self, values, activations):
        dense_layers = []
        for k, activation in enumerate(activations):
            matrix, bias = values[2 * k : 2 * k + 2]
            layer = keras.layers.Dense(len(matrix), activation)
            layer.build((None, matrix.shape[1]))
            layer.set_weights([matrix.T, bias[:, 0]])
            dense_layers.append(layer)
        return dense_layers

    def generate(self, noise, labels):
        x = tf.concat([noise, tf.nn.embedding_lookup(self.embedding, labels)], -1)
        for layer in self.generator:
            x = layer(x)
        return x

    def discriminate(self, points):
        x = points
        for layer in self.trunk:
            x = layer(x)
        return {"score": self.score(x)[:, 0], "features": x, "class": self.classes(x)}

    def statistics(self, inputs):
        features, labels = inputs
        class_bias, vectors, psi, psi_bias = self.mine
        class_term = tf.gather(features @ vectors, labels, batch_dims=1)
        return class_term + (features @ psi)[:, 0] + psi_bias[0] + tf.gather(class_bias, labels)

    def trunk_weights(self):
        return [w for layer in self.trunk for w in layer.weights]

    def discriminator_weights(self):
        return [*self.trunk_weights(), *self.score.weights, *self.classes.weights]

    def generator_weights(self):
        return [self.embedding, *(w for layer in self.generator for w in layer.weights)]


class Mine:
    """UAC-GAN's statistics network T with the interface that the objective needs."""

    reads = "features"

    def __init__(self, run):
        self._run = run
        self.log_average = keras.Variable(0.0, trainable=False)
        self.begun = keras.Variable(0.0, trainable=False)

    def __call__(self, inputs):
        return self._run.statistics(inputs)


def descend(tape, loss, weights):
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(gradient)


def as_columns(weight):
    """A Keras weight in the layout of the vectorized networks."""
    weight = np.asarray(weight)
    return weight.T if weight.ndim == 2 else weight[:, None]


def test_an_iteration_agrees_with_keras_layers_and_a_tape():
    config = gaussians.config_for("uacgan", **{**TINY, "d_steps": 1, "iterations": 1}, num_runs=2)
    training = gaussians.make_training(config, jit_compile=False)
    training._adam = Descent()
    before = [
        {k: [v.numpy()[r] for v in values] for k, values in training._values.items()}
        for r in range(2)
    ]
    draw = np.random.default_rng(0)
    real = draw.normal(size=(2, 1, 1, 12, 1)).astype(np.float32)
    noise = draw.normal(size=(2, 1, 2, 12, 2)).astype(np.float32)
    labels, fake_labels = draw.integers(0, 3, (2, 1, 1, 12)), draw.integers(0, 3, (2, 1, 2, 12))
    orders = draw.permuted(np.broadcast_to(np.arange(12), (2, 1, 2, 12)), axis=-1)
    assert training.draws() == [("permutation", "marginal")]
    batches = Batches(
        *(tf.constant(v) for v in (real, labels, noise, fake_labels)),
        {("permutation", "marginal"): tf.constant(orders)},
    )
    training.train(lambda runs: batches)
    objective = gaussians.make_objective(config)
    for r in range(2):
        run = KerasRun(before[r])
        mine = Mine(run)
        order = [tf.constant(orders[r, 0, k]) for k in range(2)]

        def view(images, label, outputs, order, run=run, mine=mine):
            class FixedOrder(View):
                def permuted(self, rows, stream):
                    return tf.gather(rows, order)

            return FixedOrder({"fake": images}, {"fake": label}, {"fake": outputs},
                              run.discriminate, {"mine": mine}, (1 / 3,) * 3, 0, tf.constant(0),
                              0)  # fmt: skip

        # The discriminator.
        fake_label = tf.constant(fake_labels[r, 0, 0].astype(np.int32))
        fakes = run.generate(noise[r, 0, 0], fake_label)
        pairs = (real[r, 0, 0], labels[r, 0, 0]), (fakes, fake_label)
        with tf.GradientTape() as tape:
            loss = tf.add_n(
                [
                    term({**run.discriminate(x), "label": y})
                    for term, (x, y) in zip(objective.terms().values(), pairs, strict=True)
                ]
            )
        descend(tape, loss, run.discriminator_weights())
        # T, together with the trunk of the discriminator.
        with tf.GradientTape() as tape:
            loss = objective._mine_loss(view(fakes, fake_label, {}, order[0]))
        descend(tape, loss, run.trunk_weights() + run.mine)
        # The generator.
        weights = run.generator_weights()
        fake_label = tf.constant(fake_labels[r, 0, 1].astype(np.int32))
        with tf.GradientTape(persistent=True) as tape:
            fakes = run.generate(noise[r, 0, 1], fake_label)
            outputs = {**run.discriminate(fakes), "label": fake_label}
            losses = objective.generator_losses(view(fakes, fake_label, outputs, order[1]))
        gradients = {
            name: [tf.convert_to_tensor(g) for g in tape.gradient(value, weights)]
            for name, value in losses.items()
        }
        norms = {k: np.sqrt(sum(np.sum(g.numpy() ** 2) for g in v)) for k, v in gradients.items()}
        scale = min(1.0, norms["rest"] / norms["information"])

        after = {k: [v.numpy()[r] for v in values] for k, values in training._values.items()}
        rest, information = gradients.values()
        for value, w, u, m in zip(after["generator"], weights, rest, information, strict=True):
            np.testing.assert_allclose(value, as_columns(w - u - scale * m), rtol=1e-4, atol=1e-6)
        for value, w in zip(after["critics"][:10], run.discriminator_weights(), strict=True):
            np.testing.assert_allclose(value, as_columns(w), rtol=1e-4, atol=1e-6)
        for value, w in zip(after["critics"][10:], run.mine, strict=True):
            np.testing.assert_allclose(value, w.numpy(), rtol=1e-4, atol=1e-6)
        expected = [mine.log_average.numpy(), 1.0]
        np.testing.assert_allclose(after["others"], expected, rtol=1e-5)


def test_adam_is_keras_adam():
    """With negligible epsilons, which the two add at different places."""
    ours, theirs = Adam(0.01, 0.5, 0.9, 0.0), keras.optimizers.Adam(0.01, 0.5, 0.9, 1e-30)
    variable = keras.Variable(np.ones((2, 3), np.float32))
    values, slots = [tf.ones((2, 3))], {"first": [tf.zeros((2, 3))],
                                        "second": [tf.zeros((2, 3))], "steps": 0.0}  # fmt: skip
    for k in range(5):
        gradient = tf.constant(np.random.default_rng(k).normal(size=(2, 3)).astype(np.float32))
        values, slots = ours(values, [gradient], slots)
        theirs.apply([gradient], [variable])
    np.testing.assert_allclose(values[0], variable.numpy(), rtol=1e-5)


def test_chunks_do_not_change_the_result(monkeypatch):
    """Even if their sizes differ."""
    config = gaussians.config_for("uacgan", **TINY, num_runs=5)
    results = []
    for size in (5, 2):
        monkeypatch.setattr(gaussians, "CHUNK", size)
        training = gaussians.make_training(config, jit_compile=False)
        training._adam = Descent(0.01)  # Adam would amplify rounding
        assert list(gaussians.train_epochs(config, training, stop=2)) == [1, 2]
        results.append([v.numpy() for values in training.state().values() for v in values])
    for whole, chunked in zip(*results, strict=True):
        np.testing.assert_allclose(whole, chunked, rtol=1e-4, atol=1e-6)
