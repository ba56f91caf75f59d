"""Vectorized training: many runs of the same small networks as one computation.

The computation of one run is written with ordinary networks and the objective's losses.
`tf.vectorized_map` maps it over a leading axis of runs, and XLA compiles many iterations into one
call. Runs share nothing but that call: each has its weights, optimizer state, data and noise.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.objectives import Objective, View
from rumi_tf.utils import replicas, rng

CRITICS = "critics"  # D and the objective's players, which share an optimizer


@dataclasses.dataclass(frozen=True)
class RunView(View):
    """A view whose random numbers are inputs, so that they can be mapped over runs.

    Attributes:
        drawn: (kind, stream) -> (B,) `uniform` numbers, or a `permutation`.
    """

    drawn: Mapping[tuple[str, str], tf.Tensor] = dataclasses.field(default_factory=dict)

    def uniform(self, shape, stream):
        """(B,) float32 in [0, 1), whatever the shape."""
        return self.drawn["uniform", stream]

    def draw_labels(self, count, stream, shares=None):
        """(B,) int32 labels, distributed by (K,) `shares`."""
        shares = self.class_shares if shares is None else shares
        return rng.labels_of(self.drawn["uniform", stream], shares)

    def permuted(self, rows, stream):
        """(B, ...) rows in the order of the drawn permutation."""
        return tf.gather(rows, tf.cast(self.drawn["permutation", stream], tf.int32))


class _DrawRecorder(dict):
    """Stands in for `RunView.drawn` and records which draws are requested."""

    def __init__(self, count: int):
        super().__init__()
        self._count = count

    def __missing__(self, key):
        self[key] = tf.zeros(self._count, tf.int32 if key[0] == "permutation" else tf.float32)
        return self[key]


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, ICLR 2015) as a pure function.

    Keras's Adam updates variables, which a compiled loop over tensors does not have, and its
    `stateless_apply` does not support TensorFlow. All operations are elementwise, so one Adam
    updates R stacked runs independently.
    """

    learning_rate: float
    beta_1: float
    beta_2: float
    epsilon: float = 1e-8

    def __call__(
        self, values: Sequence[tf.Tensor], gradients: Sequence[tf.Tensor], slots: Mapping[str, Any]
    ) -> tuple[list[tf.Tensor], dict]:
        """New values and slots: moments `first` and `second`, and the number of `steps`."""
        steps = slots["steps"] + 1.0
        first = [self.beta_1 * m + (1 - self.beta_1) * g
                 for m, g in zip(slots["first"], gradients, strict=True)]  # fmt: skip
        second = [self.beta_2 * v + (1 - self.beta_2) * tf.square(g)
                  for v, g in zip(slots["second"], gradients, strict=True)]  # fmt: skip
        root = tf.sqrt(1 - tf.pow(self.beta_2, steps))
        rate = self.learning_rate * root / (1 - tf.pow(self.beta_1, steps))
        values = [
            value - rate * m / (tf.sqrt(v) + self.epsilon * root)
            for value, m, v in zip(values, first, second, strict=True)
        ]
        return values, {"first": first, "second": second, "steps": steps}


@dataclasses.dataclass(frozen=True)
class Batches:
    """Inputs of several iterations of R runs.

    Attributes:
        images: (R, iterations, d_steps, B, ...) real images, or points.
        labels: (R, iterations, d_steps, B) integers.
        noise: (R, iterations, d_steps + 1, B, latent_dim), the last for G's update.
        fake_labels: (R, iterations, d_steps + 1, B) integers.
        drawn: (kind, stream) as in `VectorizedTraining.draws` -> (R, iterations, d_steps + 1, B).
    """

    images: tf.Tensor
    labels: tf.Tensor
    noise: tf.Tensor
    fake_labels: tf.Tensor
    drawn: Mapping[tuple[str, str], tf.Tensor]


class VectorizedTraining:
    """Trains R runs of a conditional objective; a run does not depend on the others.

    An iteration is `d_steps` updates of D and of each of the objective's players, on the same
    generated images, followed by an update of G. One Adam updates D and the players, as in
    UAC-GAN's published code for mixtures: in an update of one of them the others have zero
    gradients, but their momentum still changes them.

    Args:
        objective: a conditional objective whose players make one update per step of D.
        make_networks: seed -> name -> network of a run: `generator`, `discriminator`, and the
            objective's players.
        seeds: (R,) seeds of the runs.
        d_steps: updates of D in an iteration.
        batch_size: B.
        class_shares: (K,) distribution of the labels of generated images.
        adam: optimizer of G and, with separate slots, of D and the players.
        jit_compile: whether XLA compiles the training loop.

    Raises:
        ValueError: a player with several updates at a time.
    """

    def __init__(
        self,
        objective: Objective,
        make_networks: Callable[[int], dict[str, keras.Model]],
        seeds: Sequence[int],
        *,
        d_steps: int,
        batch_size: int,
        class_shares: Sequence[float],
        adam: Adam,
        jit_compile: bool = True,
    ):
        self.objective = objective
        self.d_steps = d_steps
        self.batch_size = batch_size
        self._players = objective.players()
        if any(player.steps != 1 for player in self._players.values()):
            raise ValueError("vectorized training needs players with steps=1")
        self._shares = tuple(map(float, class_shares))
        self._networks = make_networks(seeds[0])
        # Variables of the networks, which `_scope` replaces by the values of one run.
        self._variables = self._by_group(self._networks)
        others = [self._by_group(make_networks(seed)) for seed in seeds[1:]]
        values = {
            group: [
                tf.stack([v.value, *(run[group][k].value for run in others)])
                for k, v in enumerate(variables)
            ]
            for group, variables in self._variables.items()
        }
        self._adam = adam
        slots = {
            group: {
                "first": [tf.zeros_like(v) for v in values[group]],
                "second": [tf.zeros_like(v) for v in values[group]],
                "steps": tf.constant(0.0),
            }
            for group in ("generator", CRITICS)
        }
        self._values, self._slots = tf.nest.map_structure(
            lambda v: tf.Variable(v, trainable=False), (values, slots)
        )
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False, name="iteration")
        self._run_iterations = tf.function(self._loop, jit_compile=jit_compile, autograph=False)
        self._generate_runs = tf.function(self._generate, jit_compile=jit_compile, autograph=False)

    @property
    def latent_dim(self) -> int:
        """Dimension of the noise."""
        return self._networks["generator"].latent_dim

    def draws(self) -> list[tuple[str, str]]:
        """(kind, stream) of each draw of the objective, in addition to noise and labels."""
        recorder = _DrawRecorder(self.batch_size)
        values = {
            group: [v.value for v in variables] for group, variables in self._variables.items()
        }
        fakes = self._fakes(
            values["generator"],
            tf.zeros((self.batch_size, self.latent_dim)),
            tf.zeros(self.batch_size, tf.int32),
        )
        for name in self._players:
            self._player_gradients(name, values[CRITICS], values["others"], fakes, recorder)
        self._generator_gradients(
            values["generator"], values[CRITICS], values["others"],
            tf.zeros((self.batch_size, self.latent_dim)), fakes[1], recorder,
        )  # fmt: skip
        return list(recorder)

    def train(self, batches: Callable[[slice], Batches], chunks: int = 1) -> None:
        """Trains all runs for the same number of iterations, one compiled call per chunk of runs.

        Args:
            batches: slice of runs -> their batches. Called by as many threads as there are
                processors, each of which trains a chunk.
            chunks: number of chunks. A chunk whose activations fit into the processor's cache
                takes less time per run; each chunk size is compiled once.
        """
        state = tf.nest.map_structure(tf.convert_to_tensor, (self._values, self._slots))

        def train_chunk(runs: slice) -> tuple[Any, int]:
            chunk_state = tf.nest.map_structure(lambda v: v[runs] if v.shape.rank else v, state)
            chunk_batches = batches(runs)
            iterations = chunk_batches.images.shape[1]
            return self._run_iterations(*chunk_state, vars(chunk_batches)), iterations

        runs = np.array_split(np.arange(self._values["generator"][0].shape[0]), chunks)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(train_chunk, [slice(chunk[0], chunk[-1] + 1) for chunk in runs])
            states, (iterations, *_) = zip(*results, strict=True)

        def assign(variable, *values):
            variable.assign(tf.concat(values, axis=0) if values[0].shape.rank else values[0])

        tf.nest.map_structure(assign, (self._values, self._slots), *states)
        self.iteration.assign_add(iterations)

    def generate(self, noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """(R, n, latent_dim) noise and (R, n) labels -> (R, n, ...) images of the R generators."""
        generators = [tf.convert_to_tensor(v) for v in self._values["generator"]]
        return self._generate_runs(generators, noise, labels)

    def state(self) -> dict[str, list[tf.Variable]]:
        """Variables to checkpoint: all that training depends on."""
        slots = {f"{group}_adam": tf.nest.flatten(slots) for group, slots in self._slots.items()}
        state = {"iteration": [self.iteration], **self._values, **slots}
        return {name: list(variables) for name, variables in state.items() if variables}

    def _by_group(self, networks: Mapping[str, keras.Model]) -> dict[str, list[keras.Variable]]:
        critics = [networks["discriminator"], *(networks[name] for name in self._players)]
        return {
            "generator": list(networks["generator"].trainable_variables),
            CRITICS: [v for network in critics for v in network.trainable_variables],
            "others": [v for network in critics for v in network.non_trainable_variables],
        }

    # ----- one run ----------------------------------------------------------------------------

    def _scope(self, **values: Sequence[tf.Tensor]) -> keras.StatelessScope:
        """Scope in which the variables of each named group have the given values."""
        pairs = [
            pair
            for group in values
            for pair in zip(self._variables[group], values[group], strict=True)
        ]
        return keras.StatelessScope(state_mapping=pairs)

    def _fakes(
        self, generator: Sequence[tf.Tensor], noise: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        labels = tf.cast(labels, tf.int32)
        with self._scope(generator=generator):
            return self._networks["generator"]((noise, labels), training=True), labels

    def _discriminate(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._networks["discriminator"](images, training=True)

    def _outputs(
        self, images: Mapping[str, tf.Tensor], labels: Mapping[str, tf.Tensor]
    ) -> dict[str, dict[str, tf.Tensor]]:
        return {
            role: {**self._discriminate(batch), "image": batch, "label": labels[role]}
            for role, batch in images.items()
        }

    def _view(
        self,
        images: Mapping[str, tf.Tensor],
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, Mapping[str, tf.Tensor]],
        drawn: Mapping[tuple[str, str], tf.Tensor],
    ) -> RunView:
        networks = {name: self._networks[name] for name in self._players}
        return RunView(
            images, labels, outputs, self._discriminate, networks, self._shares, seed=0,
            iteration=tf.constant(0, tf.int64), draw=0, drawn=drawn,
        )  # fmt: skip

    def _discriminator_gradients(
        self,
        critics: Sequence[tf.Tensor],
        others: Sequence[tf.Tensor],
        real: tuple[tf.Tensor, tf.Tensor],
        fakes: tuple[tf.Tensor, tf.Tensor],
    ) -> list[tf.Tensor]:
        pairs = {**dict.fromkeys(self.objective.subsets, real), "fake": fakes}
        images = {role: pair[0] for role, pair in pairs.items()}
        labels = {role: tf.cast(pair[1], tf.int32) for role, pair in pairs.items()}
        with self._scope(critics=critics, others=others), tf.GradientTape() as tape:
            tape.watch(critics)
            outputs = self._outputs(images, labels)
            view = self._view(images, labels, outputs, {})
            loss = self.objective.discriminator_loss(view, dict.fromkeys(images, 1.0))
        return _dense_gradients(tape, loss, critics)

    def _player_gradients(self, name, critics, others, fakes, drawn):
        """Gradients of a player's loss, and the new values of the non-trainable variables."""
        with self._scope(critics=critics, others=others) as scope, tf.GradientTape() as tape:
            tape.watch(critics)
            view = self._view({"fake": fakes[0]}, {"fake": fakes[1]}, {}, drawn)
            loss = self._players[name].loss(view)
        others = [scope.get_current_value(v) for v in self._variables["others"]]
        return _dense_gradients(tape, loss, critics), [tf.convert_to_tensor(v) for v in others]

    def _generator_gradients(self, generator, critics, others, noise, labels, drawn):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(generator)
            fakes, labels = self._fakes(generator, noise, labels)
            with self._scope(critics=critics, others=others):
                images, fake_labels = {"fake": fakes}, {"fake": labels}
                outputs = self._outputs(images, fake_labels)
                view = self._view(images, fake_labels, outputs, drawn)
                losses = self.objective.generator_losses(view)
        return list(
            self.objective.combine(
                {name: _dense_gradients(tape, loss, generator) for name, loss in losses.items()}
            )
        )

    # ----- all runs ----------------------------------------------------------------------------

    def _generate(self, generators, noise, labels):
        return tf.vectorized_map(lambda run: self._fakes(*run)[0], (generators, noise, labels))

    def _update(self, group, gradients, values, slots):
        new_values, new_slots = self._adam(values[group], gradients, slots[group])
        return {**values, group: new_values}, {**slots, group: new_slots}

    def _loop(self, values, slots, batches):
        iterations = batches["images"].shape[1]

        def at(name, *index):
            return tf.nest.map_structure(lambda t: t[(slice(None), *index)], batches[name])

        def critic_step(k, j, values, slots):
            drawn = at("drawn", k, j)
            noise, labels = at("noise", k, j), at("fake_labels", k, j)
            fakes = tf.vectorized_map(
                lambda run: self._fakes(*run), (values["generator"], noise, labels)
            )
            real = at("images", k, j), at("labels", k, j)
            gradients = tf.vectorized_map(
                lambda run: self._discriminator_gradients(*run),
                (values[CRITICS], values["others"], real, fakes),
            )
            values, slots = self._update(CRITICS, gradients, values, slots)
            for name in self._players:
                gradients, others = tf.vectorized_map(
                    lambda run, name=name: self._player_gradients(name, *run),
                    (values[CRITICS], values["others"], fakes, drawn),
                )
                values, slots = self._update(CRITICS, gradients, values, slots)
                values = {**values, "others": others}
            return k, j + 1, values, slots

        def iteration(k, values, slots):
            _, _, values, slots = tf.while_loop(
                lambda k, j, *_: j < self.d_steps, critic_step, (k, 0, values, slots)
            )
            last = self.d_steps
            gradients = tf.vectorized_map(
                lambda run: self._generator_gradients(*run),
                (values["generator"], values[CRITICS], values["others"],
                 at("noise", k, last), at("fake_labels", k, last), at("drawn", k, last)),
            )  # fmt: skip
            return k + 1, *self._update("generator", gradients, values, slots)

        return tf.while_loop(lambda k, *_: k < iterations, iteration, (0, values, slots))[1:]


def _dense_gradients(
    tape: tf.GradientTape, loss: tf.Tensor, values: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Gradients by the values, zero where the loss does not depend on them."""
    return replicas.dense(tape.gradient(loss, values, unconnected_gradients="zero"))
