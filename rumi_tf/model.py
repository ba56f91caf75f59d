"""The one training step: a schedule of updates over players, run by Keras `fit`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from rumi_tf import randomness
from rumi_tf.objectives import Objective

Batch = Mapping[str, Mapping[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What an iteration consists of.

    Attributes:
        updates: for every discriminator update, role -> weight of its term; the role `fake` is
            the generated images.
        fakes: `shared` or `fresh` (`SharedFakes`, `FreshFakes`).
        update: `sequential`, or `simultaneous`: the generator's gradient is taken together with
            that of the discriminator's last update, before either is applied.
        d_batch_norm: `separate`, `joint` or `none` (`judge_separately`, `judge_jointly`).
    """

    updates: tuple[dict[str, float], ...]
    fakes: str = "shared"
    update: str = "sequential"
    d_batch_norm: str = "separate"


class SharedFakes:
    """One generator pass serves all updates of an iteration: G does not change before its own."""

    def __init__(self, generate: Callable[[int], tf.Tensor], updates: int):
        del updates
        with tf.GradientTape() as self._tape:
            self._images = generate(0)

    def for_discriminator(self, update: int) -> tf.Tensor:
        """(B, H, W, C) images for a discriminator update."""
        return self._images

    def for_generator(self) -> tuple[tf.Tensor, tf.GradientTape]:
        """The images for the generator's update, and the tape that made them."""
        return self._images, self._tape


class FreshFakes:
    """Every update draws its own noise and runs the generator anew."""

    def __init__(self, generate: Callable[[int], tf.Tensor], updates: int):
        self._generate = generate
        self._updates = updates

    def for_discriminator(self, update: int) -> tf.Tensor:
        """(B, H, W, C) images for a discriminator update."""
        return self._generate(update)

    def for_generator(self) -> tuple[tf.Tensor, tf.GradientTape]:
        """The images for the generator's update, and the tape that made them."""
        with tf.GradientTape() as tape:
            images = self._generate(self._updates)
        return images, tape


FAKES = {"shared": SharedFakes, "fresh": FreshFakes}


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

    gradients: Callable[[Sequence[Batch], SharedFakes | FreshFakes], list[tf.Tensor]]
    optimizer: keras.optimizers.Optimizer
    variables: list[keras.Variable]


class AdversarialModel(keras.Model):
    """Generator and discriminator with their optimizers; `fit` it on `batch_stream`.

    Its whole state is weights, optimizers, running means of the logs and `iteration`: noise is
    a function of the seed and the iteration.

    Args:
        generator: (B, latent_dim) noise -> (B, H, W, C) images; has the attribute `latent_dim`.
        discriminator: (B, H, W, C) images -> dict of outputs, among them `score`, (B,).
        objective: the losses.
        schedule: the updates of an iteration.
        batch_size: generated images per update.
        seed: seed of the noise.
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
    ):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.objective = objective
        self.schedule = schedule
        self.batch_size = batch_size
        self.seed = seed
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False, name="iteration")
        roles = dict.fromkeys(role for update in schedule.updates for role in update)
        names = ["d_loss", "g_loss", *(f"score_{role}" for role in roles)]
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True  # both networks are; there is no call() to trace

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        jit_compile: bool = False,
    ) -> None:
        """Gives the players their optimizers and lays out the iteration.

        `jit_compile` is off by default: Keras's own default turns XLA on, which on CPU takes
        twice as long.
        """
        super().compile(optimizer=None, jit_compile=jit_compile)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        moves = [
            Update(
                lambda batches, fakes, k=k: self._discriminator_gradients(k, batches[k], fakes),
                discriminator_optimizer,
                self.discriminator.trainable_variables,
            )
            for k in range(len(self.schedule.updates))
        ]
        last = Update(
            self._generator_gradients, generator_optimizer, self.generator.trainable_variables
        )
        # All gradients of a group are taken before any of them is applied.
        if self.schedule.update == "simultaneous":
            self._groups = [*([move] for move in moves[:-1]), [moves[-1], last]]
        else:
            self._groups = [*([move] for move in moves), [last]]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """None that `fit` may reset: the running means belong to a row of the log, whose
        boundaries are counted in iterations and survive a restart (`callbacks.RunLog`).
        """
        return []

    def train_step(self, batches: Sequence[Batch]) -> dict[str, tf.Tensor]:
        """One iteration: the schedule's updates in order.

        Args:
            batches: for every discriminator update, role -> {"image", "label"}.

        Returns:
            Running means of the losses, and of the scores by role.
        """
        fakes = FAKES[self.schedule.fakes](self._generate, len(self.schedule.updates))
        for group in self._groups:
            gradients = [update.gradients(batches, fakes) for update in group]
            for update, gradient in zip(group, gradients, strict=True):
                update.optimizer.apply(gradient, update.variables)
        self.iteration.assign_add(1)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def state(self) -> dict[str, list[tf.Variable]]:
        """Everything that decides how training goes on, for a checkpoint."""
        owners = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **self.trackers,
        }
        variables = {name: [v.value for v in owner.variables] for name, owner in owners.items()}
        return {"iteration": [self.iteration], **variables}

    def _generate(self, draw: int) -> tf.Tensor:
        shape = (self.batch_size, self.generator.latent_dim)
        noise = randomness.normal(shape, self.seed, "noise", self.iteration, draw)
        return self.generator(noise, training=True)

    def _judge(self, images: Mapping[str, tf.Tensor]) -> dict[str, dict[str, tf.Tensor]]:
        return JUDGES[self.schedule.d_batch_norm](self.discriminator, images)

    def _discriminator_gradients(self, k: int, batch: Batch, fakes) -> list[tf.Tensor]:
        weights, terms = self.schedule.updates[k], self.objective.terms()
        images = {role: part["image"] for role, part in batch.items()}
        images["fake"] = fakes.for_discriminator(k)
        with tf.GradientTape() as tape:
            outputs = self._judge(images)
            for role, part in batch.items():
                outputs[role]["label"] = part["label"]
            loss = tf.add_n([weights[role] * terms[role](outputs[role]) for role in weights])
        for role, output in outputs.items():
            self.trackers[f"score_{role}"].update_state(output["score"])
        # Scaled so that the mean over the updates is the objective's whole loss, per round.
        rounds = sum(update["fake"] for update in self.schedule.updates)
        self.trackers["d_loss"].update_state(loss * len(self.schedule.updates) / rounds)
        return tape.gradient(loss, self.discriminator.trainable_variables)

    def _generator_gradients(self, batches: Sequence[Batch], fakes) -> list[tf.Tensor]:
        images, made = fakes.for_generator()
        # Where D normalises jointly it must do so here as well, or the scores would shift.
        joint = self.schedule.d_batch_norm == "joint"
        beside = {role: part["image"] for role, part in batches[-1].items() if joint}
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = self.objective.generator_loss(self._judge({**beside, "fake": images})["fake"])
        self.trackers["g_loss"].update_state(loss)
        # The chain rule by hand: through D to the images, then through the pass that made them.
        return made.gradient(
            images,
            self.generator.trainable_variables,
            output_gradients=tape.gradient(loss, images),
        )
