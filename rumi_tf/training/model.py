"""The one training step: a schedule of updates over players, run by Keras `fit`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.networks.diff_augment import DiffAugment
from rumi_tf.objectives import Objective, View
from rumi_tf.utils import replicas, rng

Batch = Mapping[str, Mapping[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What an iteration consists of.

    Attributes:
        updates: for every discriminator update, role -> weight of its term; the role `fake` is
            the generated images.
        fakes: `shared` or `fresh` (`SharedFakes`, `FreshFakes`).
        update: `sequential`, or `simultaneous`: the generator's gradient is taken together with
            those of the other players' last updates, before any is applied.
        d_batch_norm: `separate`, `joint` or `none` (`judge_separately`, `judge_jointly`).
    """

    updates: tuple[dict[str, float], ...]
    fakes: str = "shared"
    update: str = "sequential"
    d_batch_norm: str = "separate"


class Fakes(NamedTuple):
    """Generated images, (B, H, W, C), and the labels they were asked for, (B,), if any."""

    images: tf.Tensor
    labels: tf.Tensor | None

    def detached(self) -> "Fakes":
        """The same without a way back to the generator."""
        return Fakes(tf.stop_gradient(self.images), self.labels)


class SharedFakes:
    """One generator pass serves all updates of an iteration: G does not change before its own."""

    def __init__(self, generate: Callable[[int], Fakes], updates: int):
        del updates
        with tf.GradientTape(persistent=True) as self._tape:
            self._fakes = generate(0)

    def detached(self, update: int) -> Fakes:
        """Generated images for the update of another player than G."""
        return self._fakes.detached()

    def for_generator(self) -> tuple[Fakes, tf.GradientTape]:
        """The images for the generator's update, and the tape that made them."""
        return self._fakes, self._tape


class FreshFakes:
    """Every update draws its own noise and runs the generator anew."""

    def __init__(self, generate: Callable[[int], Fakes], updates: int):
        self._generate = generate
        self._updates = updates

    def detached(self, update: int) -> Fakes:
        """Generated images for the update of another player than G."""
        return self._generate(update).detached()

    def for_generator(self) -> tuple[Fakes, tf.GradientTape]:
        """The images for the generator's update, and the tape that made them."""
        with tf.GradientTape(persistent=True) as tape:
            fakes = self._generate(self._updates)
        return fakes, tape


FAKES: dict[str, type[SharedFakes] | type[FreshFakes]] = {
    "shared": SharedFakes,
    "fresh": FreshFakes,
}


def judge_separately(discriminator: keras.Model, images: Mapping[str, tf.Tensor]) -> dict:
    """Role -> discriminator outputs; each role is normalised by its own batch statistics."""
    return {role: discriminator(batch, training=True) for role, batch in images.items()}


def judge_jointly(discriminator: keras.Model, images: Mapping[str, tf.Tensor]) -> dict:
    """Role -> discriminator outputs; all roles are normalised together."""
    outputs = discriminator(tf.concat(list(images.values()), axis=0), training=True)
    parts = {name: tf.split(value, len(images)) for name, value in outputs.items()}
    return {role: {name: parts[name][k] for name in outputs} for k, role in enumerate(images)}


JUDGES = {"separate": judge_separately, "joint": judge_jointly, "none": judge_separately}


@dataclasses.dataclass(frozen=True)
class Update:
    """One move of one player: its gradients, and the variables that they change."""

    player: str
    gradients: Callable[[Sequence[Batch], SharedFakes | FreshFakes], list[tf.Tensor]]
    optimizer: keras.optimizers.Optimizer
    variables: list[keras.Variable]


class AdversarialModel(keras.Model):
    """Generator, discriminator and what else an objective trains; `fit` it on `batch_stream`.

    An update changes the trainable weights of its own player alone. Statistics that follow the
    data (of batch normalisation, of spectral normalisation's power iteration) move in every pass
    through a network, the generator's update included.

    Its whole state is weights, optimizers, running means of the logs and `iteration`: noise and
    labels are functions of the seed and the iteration.

    Args:
        generator: (B, latent_dim) noise, or that and (B,) labels, -> (B, H, W, C) images; has the
            attribute `latent_dim`.
        discriminator: (B, H, W, C) images -> dict of outputs, among them `score`, (B,); has
            `trunk_variables` if a player of the objective shares its trunk.
        objective: the losses.
        schedule: the discriminator's updates of an iteration.
        batch_size: generated images per update, over all replicas.
        seed: seed of the noise.
        networks: of the objective's own players, by name.
        class_shares: (K,) distribution that labels of generated images are drawn from; `None` for
            a generator that takes noise alone.
        augment: applied to all images that D, or a player of the objective, sees; `None` for none.
        average: a second generator with the same initial weights, which becomes the exponential
            moving average of the first; `None` for none.
        average_decay: largest decay of the average, in (0, 1).
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: Objective,
        schedule: Schedule,
        *,
        batch_size: int,
        seed: int,
        networks: Mapping[str, keras.Model] | None = None,
        class_shares: np.ndarray | None = None,
        augment: DiffAugment | None = None,
        average: keras.Model | None = None,
        average_decay: float = 0.0,
    ):
        super().__init__()
        self.generator = generator
        self.average = average
        self.average_decay = average_decay
        self.augment = augment
        self.discriminator = discriminator
        self.objective = objective
        self.schedule = schedule
        self.batch_size = batch_size
        self.seed = seed
        self.networks = dict(networks or {})
        # As plain numbers: Keras would make a list of weights of an array.
        self.class_shares = None if class_shares is None else tuple(map(float, class_shares))
        self._players = objective.players()
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False, name="iteration")
        roles = dict.fromkeys(role for update in schedule.updates for role in update)
        names = ["d_loss", "g_loss", *(f"{name}_loss" for name in self._players)]
        names += [f"score_{role}" for role in roles]
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True  # the networks are; there is no call() to trace

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        jit_compile: bool = False,
        player_optimizers: Mapping[str, keras.optimizers.Optimizer] | None = None,
        steps_per_execution: int = 1,
    ) -> None:
        """Gives the players their optimizers and lays out the iteration.

        `jit_compile` is off by default: Keras's own default turns XLA on, which on CPU takes
        twice as long.
        """
        super().compile(
            optimizer=None, jit_compile=jit_compile, steps_per_execution=steps_per_execution
        )
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.player_optimizers = dict(player_optimizers or {})
        # In the order in which they move; the generator is the last.
        moves = {"discriminator": self._discriminator_moves(), **self._player_moves()}
        moves["generator"] = [
            Update(
                "generator", self._generator_gradients, generator_optimizer,
                self.generator.trainable_variables,
            )
        ]  # fmt: skip
        for first, *_ in moves.values():
            first.optimizer.build(first.variables)
        # All gradients of a group are taken before any of them is applied.
        if self.schedule.update == "simultaneous":
            self._groups = [[move] for of_one in moves.values() for move in of_one[:-1]]
            self._groups.append([of_one[-1] for of_one in moves.values()])
        else:
            self._groups = [[move] for of_one in moves.values() for move in of_one]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """None that `fit` may reset: the running means belong to a row of the log, whose
        boundaries are counted in iterations and survive a restart (`callbacks.RunLog`).
        """
        return []

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: the networks are built, and Keras's own method cannot average the nested
        batches of several workers.
        """

    def train_step(self, batches: Sequence[Batch]) -> dict[str, tf.Tensor]:
        """One iteration: the updates of all players in order.

        Args:
            batches: for every discriminator update, role -> {"image", "label"}.

        Returns:
            Running means of the losses, and of the scores by role.
        """
        fakes = FAKES[self.schedule.fakes](self._generate, self._generator_draw())
        for group in self._groups:
            gradients = [update.gradients(batches, fakes) for update in group]
            for update, gradient in zip(group, gradients, strict=True):
                update.optimizer.apply(replicas.addends(gradient), update.variables)
                self.objective.after_update(update.player, update.variables)
        self.iteration.assign_add(1)
        self._update_average()
        means = [tracker.result() for tracker in self.trackers.values()]
        reported = map(replicas.reported, replicas.mean(means))
        return dict(zip(self.trackers, reported, strict=True))

    def state(self) -> dict[str, list[tf.Variable]]:
        """Everything that decides how training goes on, for a checkpoint."""
        owners = {
            "generator": self.generator,
            **({} if self.average is None else {"average": self.average}),
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **self.networks,
            **{f"{name}_optimizer": made for name, made in self.player_optimizers.items()},
            **self.trackers,
        }
        variables = {name: [v.value for v in owner.variables] for name, owner in owners.items()}
        return {"iteration": [self.iteration], **variables}

    @property
    def inference_generator(self) -> keras.Model:
        """The generator to sample, evaluate and export: the moving average, if there is one."""
        return self.generator if self.average is None else self.average

    def sample(self, noise: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Images of `inference_generator`, (B, H, W, C), in inference mode.

        Args:
            noise: (B, latent_dim).
            labels: (B,) integers; `None` for an unconditional generator.
        """
        return _generated(self.inference_generator, noise, labels, training=False)

    def _update_average(self) -> None:
        """Moves the average towards the generator: its weights, and its moving batch statistics.

        The decay is at most (1 + t) / (10 + t) after t iterations, as in
        `tf.train.ExponentialMovingAverage`, so the initial weights are soon forgotten. The batch
        statistics of the generator are averaged too. They are not recomputed for the averaged
        weights.
        """
        if self.average is None:
            return
        t = tf.cast(self.iteration, tf.float32)
        rate = 1.0 - tf.minimum(self.average_decay, (1.0 + t) / (10.0 + t))
        for average, new in zip(self.average.variables, self.generator.variables, strict=True):
            average.assign(average + rate * (new - average))

    def _track(self, name: str, value: tf.Tensor) -> None:
        """Adds to a running mean, where an iteration counts once, by however many replicas."""
        weight = 1 / replicas.count()
        self.trackers[name].update_state(tf.reduce_mean(value), sample_weight=weight)

    def _generate(self, draw: int) -> Fakes:
        shape = (self.batch_size, self.generator.latent_dim)
        noise = rng.normal(shape, self.seed, "noise", self.iteration, draw)
        noise, labels = replicas.own_rows(noise), None
        if self.class_shares is not None:
            labels = rng.labels(
                self.batch_size, self.class_shares, self.seed, "labels", self.iteration, draw
            )
            labels = replicas.own_rows(labels)
        return Fakes(_generated(self.generator, noise, labels, training=True), labels)

    def _generator_draw(self) -> int:
        """Number of the generator's draw: the other players' updates have those below."""
        others = sum(player.steps for player in self._players.values())
        return len(self.schedule.updates) + others

    def _augmented(self, images: dict[str, tf.Tensor], draw: int) -> dict[str, tf.Tensor]:
        """Role -> images as D sees them in one update, each role with random draws of its own."""
        augment = self.augment
        if augment is None:
            return images

        def augment_role(role: str, batch: tf.Tensor) -> tf.Tensor:
            def uniform(count: int, stream: str) -> tf.Tensor:
                shape = (tf.shape(batch)[0], count)
                return replicas.uniform(
                    shape, self.seed, f"augment/{stream}/{role}", self.iteration, draw
                )

            return augment(batch, uniform)

        return {role: augment_role(role, batch) for role, batch in images.items()}

    def _judge(
        self, images: Mapping[str, tf.Tensor], labels: Mapping[str, tf.Tensor] | None = None
    ) -> dict[str, dict[str, tf.Tensor]]:
        """Role -> what the discriminator says of the images, with images and labels beside it."""
        outputs = JUDGES[self.schedule.d_batch_norm](self.discriminator, images)
        for role, label in (labels or {}).items():
            outputs[role]["label"] = label
        return {role: {**output, "image": images[role]} for role, output in outputs.items()}

    def _view(
        self,
        images: Mapping[str, tf.Tensor],
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, Mapping[str, tf.Tensor]],
        draw: int,
    ) -> View:
        return View(
            images, labels, outputs, lambda points: self.discriminator(points, training=True),
            self.networks, self.class_shares, self.seed, self.iteration, draw,
        )  # fmt: skip

    def _discriminator_moves(self) -> list[Update]:
        return [
            Update(
                "discriminator",
                functools.partial(self._discriminator_gradients, k),
                self.discriminator_optimizer,
                self.discriminator.trainable_variables,
            )
            for k in range(len(self.schedule.updates))
        ]

    def _player_moves(self) -> dict[str, list[Update]]:
        moves, draw = {}, len(self.schedule.updates)
        for name, player in self._players.items():
            variables = list(self.networks[name].trainable_variables)
            if player.shares_trunk:
                variables += self.discriminator.trunk_variables
            moves[name] = [
                Update(
                    name,
                    functools.partial(self._player_gradients, name, draw + step, variables),
                    self.player_optimizers[name],
                    variables,
                )
                for step in range(player.steps)
            ]
            draw += player.steps
        return moves

    def _discriminator_gradients(
        self, k: int, batches: Sequence[Batch], fakes: SharedFakes | FreshFakes
    ) -> list[tf.Tensor]:
        weights, terms = self.schedule.updates[k], self.objective.terms()
        images, labels = _by_role(batches[k], fakes.detached(k))
        images = self._augmented(images, k)
        with tf.GradientTape() as tape:
            outputs = self._judge(images, labels)
            view = self._view(images, labels, outputs, k)
            parts = [weights[role] * terms[role](outputs[role]) for role in weights]
            loss = tf.add_n([*parts, *self.objective.penalties(view)])
        for role, output in outputs.items():
            self._track(f"score_{role}", self.objective.score(output))
        # Scaled so that the mean over the updates is the objective's whole loss, per round.
        rounds = sum(update["fake"] for update in self.schedule.updates)
        self._track("d_loss", loss * len(self.schedule.updates) / rounds)
        return tape.gradient(loss, self.discriminator.trainable_variables)

    def _player_gradients(
        self,
        name: str,
        draw: int,
        variables: Sequence[keras.Variable],
        batches: Sequence[Batch],
        fakes: SharedFakes | FreshFakes,
    ) -> list[tf.Tensor]:
        del batches  # what a player learns from is generated
        images, labels = _by_role({}, fakes.detached(draw))
        images = self._augmented(images, draw)
        with tf.GradientTape() as tape:
            loss = self._players[name].loss(self._view(images, labels, {}, draw))
        self._track(f"{name}_loss", loss)
        return tape.gradient(loss, variables)

    def _generator_gradients(
        self, batches: Sequence[Batch], fakes: SharedFakes | FreshFakes
    ) -> list[tf.Tensor]:
        made, tape_of_images = fakes.for_generator()
        # Where D normalises jointly it must do so here as well, or the scores would shift.
        beside = batches[-1] if self.schedule.d_batch_norm == "joint" else {}
        images, labels = _by_role(beside, made)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(made.images)
            images = self._augmented(images, self._generator_draw())
            outputs = self._judge(images, labels)
            losses = self.objective.generator_losses(
                self._view(images, labels, outputs, self._generator_draw())
            )
        self._track("g_loss", tf.add_n(list(losses.values())))
        # The chain rule by hand: through D to the images, then through the pass that made them.
        gradients = {
            name: replicas.dense(
                tape_of_images.gradient(
                    made.images,
                    self.generator.trainable_variables,
                    output_gradients=tape.gradient(loss, made.images),
                )
            )
            for name, loss in losses.items()
        }
        if len(gradients) > 1:  # combined by what they are for the whole batch
            gradients = {name: replicas.mean(own) for name, own in gradients.items()}
        return list(self.objective.combine(gradients))


def _generated(
    generator: keras.Model, noise: tf.Tensor, labels: tf.Tensor | None, training: bool
) -> tf.Tensor:
    return generator(noise if labels is None else (noise, labels), training=training)


def _by_role(batch: Batch, fakes: Fakes) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Images by role and labels by role, the generated ones among them."""
    images = {**{role: part["image"] for role, part in batch.items()}, "fake": fakes.images}
    labels = {role: part["label"] for role, part in batch.items()}
    return images, labels if fakes.labels is None else {**labels, "fake": fakes.labels}
