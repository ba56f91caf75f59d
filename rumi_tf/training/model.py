"""Generator, discriminator and their training step, run by Keras `fit`."""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.networks.diff_augment import DiffAugment
from rumi_tf.objectives import Objective, View
from rumi_tf.utils import replicas, rng

Batch = Mapping[str, Mapping[str, tf.Tensor]]
Gradients = Sequence[tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The updates of one iteration.

    Attributes:
        d_updates: for each discriminator update, role -> weight of its loss term. The role
            `fake` is the generated images.
        fakes: `shared`: one batch of generated images serves all updates, since G does not change
            before its own. `fresh`: each update draws new noise.
        order: `sequential`, or `simultaneous`: the last gradients of D and of the objective's
            networks are applied only after G's gradient has been taken.
        d_batch_norm: `separate`: D normalises each role by its own batch statistics. `joint`: D
            normalises all roles together. `none`: D has no batch normalisation.
    """

    d_updates: tuple[dict[str, float], ...]
    fakes: str = "shared"
    order: str = "sequential"
    d_batch_norm: str = "separate"


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Generated images.

    Attributes:
        images: (B, H, W, C).
        labels: (B,) classes that the generator was given, or `None`.
        tape: records the generator pass.
    """

    images: tf.Tensor
    labels: tf.Tensor | None
    tape: tf.GradientTape

    def detached(self) -> "Fakes":
        """The same images without a gradient into the generator."""
        return dataclasses.replace(self, images=tf.stop_gradient(self.images))


class AdversarialModel(keras.Model):
    """Generator, discriminator and an objective's other networks; `fit` it on `batch_stream`.

    An update changes only the trainable weights of its own network. Moving statistics (of batch
    normalisation, and of the power iteration of spectral normalisation) change in every pass
    through a network, also in the generator's update.

    The state consists of weights, optimizers, running means of the logs, and `iteration`. Noise
    and labels are functions of the seed and the iteration.

    Args:
        generator: (B, latent_dim) noise, and (B,) labels if conditional, -> (B, H, W, C) images;
            has the attribute `latent_dim`.
        discriminator: (B, H, W, C) images -> dict of outputs, including `score`, (B,); has
            `trunk_variables` if another network of the objective shares its trunk.
        objective: the losses.
        schedule: the updates of an iteration.
        batch_size: generated images per update, over all replicas.
        seed: seed of the noise.
        networks: the objective's other networks, by name.
        class_shares: (K,) distribution of the labels of generated images; `None` for an
            unconditional generator.
        augment: applied to all images that D or another network of the objective sees, or `None`.
        average: a second generator with the same initial weights, which becomes the exponential
            moving average of the first, or `None`.
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
        # Plain numbers: Keras would turn an array into weights.
        self.class_shares = None if class_shares is None else tuple(map(float, class_shares))
        self._players = objective.players()
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False, name="iteration")
        roles = dict.fromkeys(role for update in schedule.d_updates for role in update)
        names = ["d_loss", "g_loss", *(f"{name}_loss" for name in self._players)]
        names += [f"score_{role}" for role in roles]
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True  # the networks are built, and there is no call() to trace

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        jit_compile: bool = False,
        player_optimizers: Mapping[str, keras.optimizers.Optimizer] | None = None,
        steps_per_execution: int = 1,
    ) -> None:
        """Sets the optimizers.

        `jit_compile` is off by default: Keras's own default turns XLA on, which takes three times
        as long on a CPU.
        """
        super().compile(
            optimizer=None, jit_compile=jit_compile, steps_per_execution=steps_per_execution
        )
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.player_optimizers = dict(player_optimizers or {})
        for name, variables in self.trained_variables().items():
            self._optimizer(name).build(variables)

    def trained_variables(self) -> dict[str, list[keras.Variable]]:
        """Name of each network that has an optimizer -> the variables its updates change."""
        variables = {"discriminator": list(self.discriminator.trainable_variables)}
        for name, player in self._players.items():
            variables[name] = list(self.networks[name].trainable_variables)
            if player.shares_trunk:
                variables[name] += self.discriminator.trunk_variables
        return {**variables, "generator": list(self.generator.trainable_variables)}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Empty: `fit` must not reset the running means, which `callbacks.RunLog` resets after
        each row of the log.
        """
        return []

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: the networks are built, and the method of Keras fails for the nested
        batches of several workers.
        """

    def train_step(self, batches: Sequence[Batch]) -> dict[str, tf.Tensor]:
        """One iteration: updates of D, then of the objective's other networks, then of G.

        Args:
            batches: for each discriminator update, role -> {"image", "label"}.

        Returns:
            Running means of the losses, and of the scores by role.
        """
        schedule, objective = self.schedule, self.objective
        variables = self.trained_variables()
        d_variables = variables["discriminator"]
        shared = self._generate(draw=0) if schedule.fakes == "shared" else None
        deferred: dict[str, Gradients] = {}  # the last gradients of a simultaneous update
        draw = 0  # index of the update; its random numbers depend on it

        for weights, batch in zip(schedule.d_updates, batches, strict=True):  # two by default
            fakes = shared or self._generate(draw)
            with tf.GradientTape() as tape:
                view = self._view(batch, fakes.detached(), draw)
                loss = objective.discriminator_loss(view, weights)
            self._track_discriminator(loss, view)
            draw += 1
            deferred["discriminator"] = tape.gradient(loss, d_variables)
            if schedule.order == "sequential" or draw < len(schedule.d_updates):
                self._apply("discriminator", deferred.pop("discriminator"), d_variables)

        for name, player in self._players.items():
            for step in range(player.steps):
                fakes = shared or self._generate(draw)
                with tf.GradientTape() as tape:
                    loss = player.loss(self._view({}, fakes.detached(), draw, scored=False))
                self._track(f"{name}_loss", loss)
                draw += 1
                deferred[name] = tape.gradient(loss, variables[name])
                if schedule.order == "sequential" or step + 1 < player.steps:
                    self._apply(name, deferred.pop(name), variables[name])

        fakes = shared or self._generate(draw)
        # If D normalises all roles together, G's update needs the real images in the batch too.
        real = batches[-1] if schedule.d_batch_norm == "joint" else {}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(fakes.images)
            losses = objective.generator_losses(self._view(real, fakes, draw))
        self._track("g_loss", tf.add_n(list(losses.values())))
        deferred["generator"] = self._generator_gradients(losses, tape, fakes)

        for name, gradients in deferred.items():
            self._apply(name, gradients, variables[name])
        self.iteration.assign_add(1)
        self._update_average()
        return self._logs()

    def state(self) -> dict[str, list[tf.Variable]]:
        """All variables that a checkpoint needs to continue training."""
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
        `tf.train.ExponentialMovingAverage`, so that the initial weights are soon forgotten. The
        batch statistics are averaged like the weights, not recomputed.
        """
        if self.average is None:
            return
        t = tf.cast(self.iteration, tf.float32)
        rate = 1.0 - tf.minimum(self.average_decay, (1.0 + t) / (10.0 + t))
        for average, new in zip(self.average.variables, self.generator.variables, strict=True):
            average.assign(average + rate * (new - average))

    def _optimizer(self, name: str) -> keras.optimizers.Optimizer:
        optimizers = {
            "generator": self.generator_optimizer,
            "discriminator": self.discriminator_optimizer,
            **self.player_optimizers,
        }
        return optimizers[name]

    def _apply(self, name: str, gradients: Gradients, variables: Sequence[keras.Variable]) -> None:
        """Applies the gradients of one update of a network."""
        self._optimizer(name).apply(replicas.scaled_gradients(gradients), variables)
        self.objective.after_update(name, variables)

    def _generate(self, draw: int) -> Fakes:
        shape = (self.batch_size, self.generator.latent_dim)
        noise = rng.normal(shape, self.seed, "noise", self.iteration, draw)
        noise, labels = replicas.local_rows(noise), None
        if self.class_shares is not None:
            labels = rng.labels(
                self.batch_size, self.class_shares, self.seed, "labels", self.iteration, draw
            )
            labels = replicas.local_rows(labels)
        with tf.GradientTape(persistent=True) as tape:
            images = _generated(self.generator, noise, labels, training=True)
        return Fakes(images, labels, tape)

    def _view(self, real: Batch, fakes: Fakes, draw: int, scored: bool = True) -> View:
        """Images and labels of one update, with D's outputs for them if `scored`."""
        images = {**{role: part["image"] for role, part in real.items()}, "fake": fakes.images}
        labels = {role: part["label"] for role, part in real.items()}
        if fakes.labels is not None:
            labels["fake"] = fakes.labels
        images = self._augment(images, draw)
        return View(
            images=images,
            labels=labels,
            outputs=self._discriminate(images, labels) if scored else {},
            discriminate=lambda points: self.discriminator(points, training=True),
            networks=self.networks,
            class_shares=self.class_shares,
            seed=self.seed,
            iteration=self.iteration,
            draw=draw,
        )

    def _augment(self, images: dict[str, tf.Tensor], draw: int) -> dict[str, tf.Tensor]:
        """Role -> images as D sees them in one update; each role has its own random draws."""
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

    def _discriminate(
        self, images: Mapping[str, tf.Tensor], labels: Mapping[str, tf.Tensor]
    ) -> dict[str, dict[str, tf.Tensor]]:
        """Role -> D's outputs for its images, with the images and labels added."""
        if self.schedule.d_batch_norm == "joint":
            together = self.discriminator(tf.concat(list(images.values()), axis=0), training=True)
            parts = {name: tf.split(value, len(images)) for name, value in together.items()}
            outputs = {role: {n: parts[n][k] for n in parts} for k, role in enumerate(images)}
        else:
            outputs = {role: self.discriminator(x, training=True) for role, x in images.items()}
        for role, label in labels.items():
            outputs[role]["label"] = label
        return {role: {**output, "image": images[role]} for role, output in outputs.items()}

    def _generator_gradients(
        self, losses: Mapping[str, tf.Tensor], tape: tf.GradientTape, fakes: Fakes
    ) -> Gradients:
        """G's gradient by the chain rule: from the losses to the images, from those to G."""
        gradients = {
            name: replicas.dense(
                fakes.tape.gradient(
                    fakes.images,
                    self.generator.trainable_variables,
                    output_gradients=tape.gradient(loss, fakes.images),
                )
            )
            for name, loss in losses.items()
        }
        if len(gradients) > 1:  # `combine` needs the gradients of the whole batch
            gradients = {name: replicas.mean(own) for name, own in gradients.items()}
        return list(self.objective.combine(gradients))

    def _track(self, name: str, value: tf.Tensor) -> None:
        """Adds to a running mean; an iteration counts once, whatever the number of replicas."""
        weight = 1 / replicas.count()
        self.trackers[name].update_state(tf.reduce_mean(value), sample_weight=weight)

    def _track_discriminator(self, loss: tf.Tensor, view: View) -> None:
        for role, output in view.outputs.items():
            self._track(f"score_{role}", self.objective.score(output))
        # Scaled so that the mean over the updates is the objective's whole loss, per round.
        rounds = sum(update["fake"] for update in self.schedule.d_updates)
        self._track("d_loss", loss * len(self.schedule.d_updates) / rounds)

    def _logs(self) -> dict[str, tf.Tensor]:
        means = replicas.mean([tracker.result() for tracker in self.trackers.values()])
        return dict(zip(self.trackers, map(replicas.reported, means), strict=True))


def _generated(
    generator: keras.Model, noise: tf.Tensor, labels: tf.Tensor | None, training: bool
) -> tf.Tensor:
    return generator(noise if labels is None else (noise, labels), training=training)
