"""Many runs of the same small networks, trained at once as one computation.

A run's own computation is written for one run: ordinary networks, the objective's own losses.
`tf.vectorized_map` maps it over a leading axis of runs, and XLA compiles as many iterations as
are asked for into one call. Runs have nothing in common but that call: each has its own weights,
optimizer state, data and noise.
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

JUDGES = "judges"  # D and the objective's own players, who share an optimizer


@dataclasses.dataclass(frozen=True)
class RunView(View):
    """A view whose random numbers were drawn before: they are parts of what is mapped over runs.

    Attributes:
        drawn: (kind, stream) -> (B,) `uniform` numbers, or a `permutation`.
    """

    drawn: Mapping[tuple[str, str], tf.Tensor] = dataclasses.field(default_factory=dict)

    def uniform(self, shape, stream):
        """(B,) float32 in [0, 1), whatever the shape that is asked for."""
        return self.drawn["uniform", stream]

    def draw_labels(self, count, stream, shares=None):
        """(B,) int32 labels by (K,) `shares`."""
        shares = self.class_shares if shares is None else shares
        return rng.labels_of(self.drawn["uniform", stream], shares)

    def permuted(self, rows, stream):
        """(B, ...) rows in the order that was drawn."""
        return tf.gather(rows, tf.cast(self.drawn["permutation", stream], tf.int32))


class _Needed(dict):
    """Notes which draws are asked for."""

    def __init__(self, count: int):
        super().__init__()
        self._count = count

    def __missing__(self, key):
        self[key] = tf.zeros(self._count, tf.int32 if key[0] == "permutation" else tf.float32)
        return self[key]


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, ICLR 2015) as a function of values.

    Keras's own moves variables, which a compiled loop over tensors does not have, and its
    `stateless_apply` refuses TensorFlow. Every step is elementwise, so one Adam of R runs is R of
    them.
    """

    learning_rate: float
    beta_1: float
    beta_2: float
    epsilon: float = 1e-8

    def __call__(
        self, values: Sequence[tf.Tensor], gradients: Sequence[tf.Tensor], slots: Mapping[str, Any]
    ) -> tuple[list[tf.Tensor], dict]:
        """New values and slots; `slots` has `first`, `second` and the number of `steps`."""
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
    """What `iterations` iterations of R runs take.

    Attributes:
        images: (R, iterations, d_steps, B, ...) real images, or points.
        labels: (R, iterations, d_steps, B) integers.
        noise: (R, iterations, d_steps + 1, B, latent_dim), the last for G's own update.
        fake_labels: (R, iterations, d_steps + 1, B) integers.
        drawn: (kind, stream) as in `Ensemble.draws` -> (R, iterations, d_steps + 1, B).
    """

    images: tf.Tensor
    labels: tf.Tensor
    noise: tf.Tensor
    fake_labels: tf.Tensor
    drawn: Mapping[tuple[str, str], tf.Tensor]


class Ensemble:
    """R runs of a conditional objective; run r is what it would be if it were trained alone.

    An iteration is `d_steps` times an update of D and of each of the objective's players, on the
    same generated images, and then an update of G. All but G are moved by one Adam, as in
    UAC-GAN's published code for mixtures: an update of one of them has zero gradients for the
    others, which their momentum moves on.

    Args:
        objective: conditional; its players make one update at a time.
        make_networks: seed -> the networks of a run by name: `generator`, `discriminator`, and
            the objective's players.
        seeds: of the runs, (R,).
        d_steps: updates of D in an iteration.
        batch_size: B.
        class_shares: (K,) distribution of the labels of generated images.
        adam: of G and of the judges, each with slots of its own.
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
            raise ValueError("an ensemble's players make one update at a time")
        self._shares = tuple(map(float, class_shares))
        self._networks = make_networks(seeds[0])
        # Variables of a run, in whose place its values are put, and of all runs.
        self._own = self._by_owner(self._networks)
        starts = [self._by_owner(make_networks(seed)) for seed in seeds[1:]]
        values = {
            owner: [
                tf.stack([v.value, *(start[owner][k].value for start in starts)])
                for k, v in enumerate(variables)
            ]
            for owner, variables in self._own.items()
        }
        self._adam = adam
        slots = {
            owner: {
                "first": [tf.zeros_like(v) for v in values[owner]],
                "second": [tf.zeros_like(v) for v in values[owner]],
                "steps": tf.constant(0.0),
            }
            for owner in ("generator", JUDGES)
        }
        self._values, self._slots = tf.nest.map_structure(
            lambda v: tf.Variable(v, trainable=False), (values, slots)
        )
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False, name="iteration")
        self._advance = tf.function(self._loop, jit_compile=jit_compile, autograph=False)
        self._images = tf.function(self._generate, jit_compile=jit_compile, autograph=False)

    @property
    def latent_dim(self) -> int:
        """Dimension of the noise."""
        return self._networks["generator"].latent_dim

    def draws(self) -> list[tuple[str, str]]:
        """(kind, stream) of what the objective draws beside noise and labels."""
        needed = _Needed(self.batch_size)
        values = {owner: [v.value for v in own] for owner, own in self._own.items()}
        fakes = self._fakes(
            values["generator"],
            tf.zeros((self.batch_size, self.latent_dim)),
            tf.zeros(self.batch_size, tf.int32),
        )
        for name in self._players:
            self._player_gradients(name, values[JUDGES], values["others"], fakes, needed)
        self._generator_gradients(
            values["generator"], values[JUDGES], values["others"],
            tf.zeros((self.batch_size, self.latent_dim)), fakes[1], needed,
        )  # fmt: skip
        return list(needed)

    def train(self, batches: Callable[[slice], Batches], pieces: int = 1) -> None:
        """Trains all runs on by the same number of iterations; one compiled call per piece.

        Args:
            batches: which runs -> what they take. It is called by several threads at once, as
                many as the machine has processors, each of which works on a piece.
            pieces: number of pieces. A piece whose activations fit into the processor's cache
                takes less time per run; sizes beyond the first are compiled anew.
        """
        now = tf.nest.map_structure(tf.convert_to_tensor, (self._values, self._slots))

        def train_piece(runs: slice) -> tuple[Any, int]:
            own = tf.nest.map_structure(lambda v: v[runs] if v.shape.rank else v, now)
            taken = batches(runs)
            return self._advance(*own, vars(taken)), taken.images.shape[1]

        members = np.array_split(np.arange(self._values["generator"][0].shape[0]), pieces)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = pool.map(train_piece, [slice(runs[0], runs[-1] + 1) for runs in members])
            parts, (iterations, *_) = zip(*done, strict=True)

        def assign(variable, *values):
            variable.assign(tf.concat(values, axis=0) if values[0].shape.rank else values[0])

        tf.nest.map_structure(assign, (self._values, self._slots), *parts)
        self.iteration.assign_add(iterations)

    def generate(self, noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """(R, n, latent_dim) noise and (R, n) labels -> (R, n, ...) images of the R generators."""
        made = [tf.convert_to_tensor(v) for v in self._values["generator"]]
        return self._images(made, noise, labels)

    def state(self) -> dict[str, list[tf.Variable]]:
        """Everything that decides how training goes on, for a checkpoint."""
        slots = {f"{owner}_adam": tf.nest.flatten(slots) for owner, slots in self._slots.items()}
        kept = {"iteration": [self.iteration], **self._values, **slots}
        return {name: list(variables) for name, variables in kept.items() if variables}

    def _by_owner(self, networks: Mapping[str, keras.Model]) -> dict[str, list[keras.Variable]]:
        judges = [networks["discriminator"], *(networks[name] for name in self._players)]
        return {
            "generator": list(networks["generator"].trainable_variables),
            JUDGES: [v for network in judges for v in network.trainable_variables],
            "others": [v for network in judges for v in network.non_trainable_variables],
        }

    # ----- one run: everything below until the loop knows of no other -------------------------

    def _with(self, **values: Sequence[tf.Tensor]) -> keras.StatelessScope:
        """In it the networks compute with these values of their variables."""
        pairs = [
            pair for owner in values for pair in zip(self._own[owner], values[owner], strict=True)
        ]
        return keras.StatelessScope(state_mapping=pairs)

    def _generate(self, generator, noise, labels):
        def one(run):
            return self._fakes(*run)[0]

        return tf.vectorized_map(one, (generator, noise, labels))

    def _fakes(
        self, generator: Sequence[tf.Tensor], noise: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        labels = tf.cast(labels, tf.int32)
        with self._with(generator=generator):
            return self._networks["generator"]((noise, labels), training=True), labels

    def _judge(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._networks["discriminator"](images, training=True)

    def _view(
        self,
        images: Mapping[str, tf.Tensor],
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, Mapping[str, tf.Tensor]],
        drawn: Mapping[tuple[str, str], tf.Tensor],
    ) -> RunView:
        networks = {name: self._networks[name] for name in self._players}
        return RunView(
            images, labels, outputs, self._judge, networks, self._shares, seed=0,
            iteration=tf.constant(0, tf.int64), draw=0, drawn=drawn,
        )  # fmt: skip

    def _seen(
        self, images: Mapping[str, tf.Tensor], labels: Mapping[str, tf.Tensor]
    ) -> dict[str, dict[str, tf.Tensor]]:
        return {
            role: {**self._judge(batch), "image": batch, "label": labels[role]}
            for role, batch in images.items()
        }

    def _discriminator_gradients(
        self,
        judges: Sequence[tf.Tensor],
        others: Sequence[tf.Tensor],
        real: tuple[tf.Tensor, tf.Tensor],
        fakes: tuple[tf.Tensor, tf.Tensor],
    ) -> list[tf.Tensor]:
        pairs = {**dict.fromkeys(self.objective.subsets, real), "fake": fakes}
        images = {role: pair[0] for role, pair in pairs.items()}
        labels = {role: tf.cast(pair[1], tf.int32) for role, pair in pairs.items()}
        with self._with(judges=judges, others=others), tf.GradientTape() as tape:
            tape.watch(judges)
            outputs = self._seen(images, labels)
            parts = [term(outputs[role]) for role, term in self.objective.terms().items()]
            view = self._view(images, labels, outputs, {})
            loss = tf.add_n([*parts, *self.objective.penalties(view)])
        return _dense(tape, loss, judges)

    def _player_gradients(self, name, judges, others, fakes, drawn):
        """Gradients of a player's loss, and what it made of the variables that have none."""
        with self._with(judges=judges, others=others) as scope, tf.GradientTape() as tape:
            tape.watch(judges)
            view = self._view({"fake": fakes[0]}, {"fake": fakes[1]}, {}, drawn)
            loss = self._players[name].loss(view)
        others = [scope.get_current_value(v) for v in self._own["others"]]
        return _dense(tape, loss, judges), [tf.convert_to_tensor(v) for v in others]

    def _generator_gradients(self, generator, judges, others, noise, labels, drawn):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(generator)
            points, labels = self._fakes(generator, noise, labels)
            with self._with(judges=judges, others=others):
                images, named = {"fake": points}, {"fake": labels}
                view = self._view(images, named, self._seen(images, named), drawn)
                losses = self.objective.generator_losses(view)
        return list(
            self.objective.combine(
                {name: _dense(tape, loss, generator) for name, loss in losses.items()}
            )
        )

    # ----- all runs ----------------------------------------------------------------------------

    def _move(self, owner, gradients, values, slots):
        moved, slots_of_owner = self._adam(values[owner], gradients, slots[owner])
        return {**values, owner: moved}, {**slots, owner: slots_of_owner}

    def _loop(self, values, slots, batches):
        iterations = batches["images"].shape[1]

        def at(name, *place):
            return tf.nest.map_structure(lambda t: t[(slice(None), *place)], batches[name])

        def judge_step(k, j, values, slots):
            made, drawn = values["generator"], at("drawn", k, j)
            noise, labels = at("noise", k, j), at("fake_labels", k, j)
            fakes = tf.vectorized_map(lambda run: self._fakes(*run), (made, noise, labels))
            real = at("images", k, j), at("labels", k, j)
            gradients = tf.vectorized_map(
                lambda run: self._discriminator_gradients(*run),
                (values[JUDGES], values["others"], real, fakes),
            )
            values, slots = self._move(JUDGES, gradients, values, slots)
            for name in self._players:
                gradients, others = tf.vectorized_map(
                    lambda run, name=name: self._player_gradients(name, *run),
                    (values[JUDGES], values["others"], fakes, drawn),
                )
                values, slots = self._move(JUDGES, gradients, values, slots)
                values = {**values, "others": others}
            return k, j + 1, values, slots

        def iteration(k, values, slots):
            _, _, values, slots = tf.while_loop(
                lambda k, j, *_: j < self.d_steps, judge_step, (k, 0, values, slots)
            )
            last = self.d_steps
            gradients = tf.vectorized_map(
                lambda run: self._generator_gradients(*run),
                (values["generator"], values[JUDGES], values["others"],
                 at("noise", k, last), at("fake_labels", k, last), at("drawn", k, last)),
            )  # fmt: skip
            return k + 1, *self._move("generator", gradients, values, slots)

        return tf.while_loop(lambda k, *_: k < iterations, iteration, (0, values, slots))[1:]


def _dense(tape: tf.GradientTape, loss: tf.Tensor, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Gradients by the values, zero where the loss does not depend on them."""
    return replicas.dense(tape.gradient(loss, values, unconnected_gradients="zero"))
