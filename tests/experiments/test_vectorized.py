"""Many runs at once against single runs, and against ordinary layers and a plain tape."""

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


def trained(config, stop=None):
    ensemble = gaussians.make_ensemble(config, jit_compile=False)
    for _ in gaussians.train_epochs(config, ensemble, stop):
        pass
    return ensemble


def weights(ensemble, run):
    parts = (ensemble._values, {k: v | {"steps": []} for k, v in ensemble._slots.items()})
    return [v.numpy()[run] for v in tf.nest.flatten(parts)]


@pytest.mark.parametrize(("objective", "values"), KINDS, ids=str)
def test_a_run_of_many_is_the_run_alone(objective, values):
    config = gaussians.config_for(objective, **TINY, **values, num_runs=2, seed=4)
    alone = dataclasses.replace(config, num_runs=1, seed=5)
    start = gaussians.make_ensemble(config, jit_compile=False)
    together, single = trained(config), trained(alone)
    pairs = zip(weights(together, 1), weights(single, 0), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
    assert int(together.iteration) == 6
    for before, after, other in zip(
        weights(start, 1), weights(together, 1), weights(together, 0), strict=True
    ):
        assert np.any(before != after) or not after.any()
        assert np.any(after != other) or np.all((after == 0) | (after == 1))


@dataclasses.dataclass(frozen=True)
class Descent:
    """In Adam's place: what it changes is the gradient."""

    rate: float = 1.0

    def __call__(self, values, gradients, slots):
        return [v - self.rate * g for v, g in zip(values, gradients, strict=True)], slots


class Plain:
    """The networks of one run, of ordinary layers, rows instead of columns."""

    def __init__(self, values):
        embedding, *generator = values["generator"]
        self.embedding = tf.Variable(embedding.T)
        self.generator = self._dense(generator, ("tanh", "tanh", None, None))
        trunk, heads, mine = (
            values["judges"][:6],
            values["judges"][6:10],
            values["judges"][10:],
        )
        self.trunk = self._dense(trunk, ("tanh", "tanh", None))
        self.score, self.classes = self._dense(heads, (None, None))
        self.mine = [tf.Variable(v) for v in mine]

    def _dense(self, values, activations):
        made = []
        for k, activation in enumerate(activations):
            matrix, bias = values[2 * k : 2 * k + 2]
            layer = keras.layers.Dense(len(matrix), activation)
            layer.build((None, matrix.shape[1]))
            layer.set_weights([matrix.T, bias[:, 0]])
            made.append(layer)
        return made

    def generate(self, noise, labels):
        x = tf.concat([noise, tf.nn.embedding_lookup(self.embedding, labels)], -1)
        for layer in self.generator:
            x = layer(x)
        return x

    def judge(self, points):
        x = points
        for layer in self.trunk:
            x = layer(x)
        return {"score": self.score(x)[:, 0], "features": x, "class": self.classes(x)}

    def statistics(self, inputs):
        features, labels = inputs
        class_bias, vectors, psi, psi_bias = self.mine
        own = tf.gather(features @ vectors, labels, batch_dims=1)
        return own + (features @ psi)[:, 0] + psi_bias[0] + tf.gather(class_bias, labels)

    def generator_variables(self):
        return [self.embedding, *(w for layer in self.generator for w in layer.weights)]


class Statistics:
    """T as the objective knows it."""

    reads = "features"

    def __init__(self, plain):
        self._plain = plain
        self.log_average = keras.Variable(0.0, trainable=False)
        self.begun = keras.Variable(0.0, trainable=False)

    def __call__(self, inputs):
        return self._plain.statistics(inputs)


def test_an_iteration_is_that_of_a_plain_tape_on_ordinary_layers():
    config = gaussians.config_for("uacgan", **{**TINY, "d_steps": 1, "iterations": 1}, num_runs=2)
    ensemble = gaussians.make_ensemble(config, jit_compile=False)
    ensemble._adam = Descent()
    before = [
        {k: [v.numpy()[r] for v in values] for k, values in ensemble._values.items()}
        for r in range(2)
    ]
    draw = np.random.default_rng(0)
    real = draw.normal(size=(2, 1, 1, 12, 1)).astype(np.float32)
    noise = draw.normal(size=(2, 1, 2, 12, 2)).astype(np.float32)
    labels, fake_labels = draw.integers(0, 3, (2, 1, 1, 12)), draw.integers(0, 3, (2, 1, 2, 12))
    orders = draw.permuted(np.broadcast_to(np.arange(12), (2, 1, 2, 12)), axis=-1)
    assert ensemble.draws() == [("permutation", "marginal")]
    batches = Batches(
        *(tf.constant(v) for v in (real, labels, noise, fake_labels)),
        {("permutation", "marginal"): tf.constant(orders)},
    )
    ensemble.train(lambda runs: batches)
    objective = gaussians.make_objective(config)
    for r in range(2):
        plain = Plain(before[r])
        mine = Statistics(plain)
        order = [tf.constant(orders[r, 0, k]) for k in range(2)]
        seen = real[r, 0, 0], fake_labels[r, 0, 0].astype(np.int32)

        def view(images, label, outputs, order, plain=plain, mine=mine):
            class Known(View):
                def permuted(self, rows, stream):
                    return tf.gather(rows, order)

            return Known({"fake": images}, {"fake": label}, {"fake": outputs}, plain.judge,
                         {"mine": mine}, (1 / 3,) * 3, 0, tf.constant(0), 0)  # fmt: skip

        # D, then T together with D's trunk, each by its own gradient, then G.
        fakes = plain.generate(noise[r, 0, 0], seen[1])
        judges = [w for layer in (*plain.trunk, plain.score, plain.classes) for w in layer.weights]
        with tf.GradientTape() as tape:
            parts = [
                term({**plain.judge(x), "label": y})
                for term, x, y in zip(
                    objective.terms().values(), (seen[0], fakes),
                    (labels[r, 0, 0], seen[1]), strict=True,
                )
            ]  # fmt: skip
            loss = tf.add_n(parts)
        for w, g in zip(judges, tape.gradient(loss, judges), strict=True):
            w.assign_sub(g)
        moved = [w for layer in plain.trunk for w in layer.weights] + plain.mine
        with tf.GradientTape() as tape:
            loss = objective._mine_loss(view(fakes, tf.constant(seen[1]), {}, order[0]))
        for w, g in zip(moved, tape.gradient(loss, moved), strict=True):
            w.assign_sub(g)
        weights, last = plain.generator_variables(), fake_labels[r, 0, 1].astype(np.int32)
        with tf.GradientTape(persistent=True) as tape:
            fakes = plain.generate(noise[r, 0, 1], last)
            outputs = {**plain.judge(fakes), "label": tf.constant(last)}
            losses = objective.generator_losses(view(fakes, tf.constant(last), outputs, order[1]))
        gradients = {
            name: [tf.convert_to_tensor(g) for g in tape.gradient(value, weights)]
            for name, value in losses.items()
        }
        norms = {k: np.sqrt(sum(np.sum(g.numpy() ** 2) for g in v)) for k, v in gradients.items()}
        scale = min(1.0, norms["rest"] / norms["information"])
        found = [v.numpy()[r] for v in ensemble._values["generator"]]
        for w, u, m, value in zip(weights, *gradients.values(), found, strict=True):
            expected = (w - u - scale * m).numpy()
            expected = expected.T if expected.ndim == 2 else expected[:, None]
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
        heads = [w for layer in (*plain.trunk, plain.score, plain.classes) for w in layer.weights]
        found = [v.numpy()[r] for v in ensemble._values["judges"]]
        for w, value in zip(heads, found, strict=False):
            expected = w.numpy().T if len(w.shape) == 2 else w.numpy()[:, None]
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
        for w, value in zip(plain.mine, found[10:], strict=True):
            np.testing.assert_allclose(value, w.numpy(), rtol=1e-4, atol=1e-6)
        other = [v.numpy()[r] for v in ensemble._values["others"]]
        np.testing.assert_allclose(other, [mine.log_average.numpy(), 1.0], rtol=1e-5)


def test_adam_is_keras_adam():
    """Up to where epsilon is added, which does not show here."""
    ours, theirs = Adam(0.01, 0.5, 0.9, 0.0), keras.optimizers.Adam(0.01, 0.5, 0.9, 1e-30)
    variable = keras.Variable(np.ones((2, 3), np.float32))
    values, slots = [tf.ones((2, 3))], {"first": [tf.zeros((2, 3))],
                                        "second": [tf.zeros((2, 3))], "steps": 0.0}  # fmt: skip
    for k in range(5):
        gradient = tf.constant(np.random.default_rng(k).normal(size=(2, 3)).astype(np.float32))
        values, slots = ours(values, [gradient], slots)
        theirs.apply([gradient], [variable])
    np.testing.assert_allclose(values[0], variable.numpy(), rtol=1e-5)


def test_pieces_train_what_the_whole_trains(monkeypatch):
    """Also where they are of different sizes, and end in another order than they began."""
    config = gaussians.config_for("uacgan", **TINY, num_runs=5)
    trained = []
    for size in (5, 2):
        monkeypatch.setattr(gaussians, "PIECE", size)
        ensemble = gaussians.make_ensemble(config, jit_compile=False)
        ensemble._adam = Descent(0.01)  # Adam would enlarge rounding
        assert list(gaussians.train_epochs(config, ensemble, stop=2)) == [1, 2]
        trained.append([v.numpy() for own in ensemble.state().values() for v in own])
    for whole, pieces in zip(*trained, strict=True):
        np.testing.assert_allclose(whole, pieces, rtol=1e-4, atol=1e-6)
