"""The contract between an objective and the training step."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rumi_tf.utils import replicas, rng
from rumi_tf.utils.errors import InvalidInput

Outputs = Mapping[str, tf.Tensor]
Gradients = Sequence[tf.Tensor]

ROUNDING = 1e-9  # slack of a bound: 0.8 - 1 is not -0.2 in binary


@dataclasses.dataclass(frozen=True)
class View:
    """What one update of one player has in front of it.

    Attributes:
        images: role -> (B, H, W, C), after augmentation if --d_augment is set; the role `fake`
            is the generated images, which carry no gradient into the generator except in its own
            update.
        labels: role -> (B,) integers; without `fake` if the generator is unconditional.
        outputs: role -> what D returned for the images, with `image` and `label` beside it;
            empty in the updates of an objective's own players.
        judge: images -> D's outputs for them, as in training; normalised by their own batch
            statistics, with --d_batch_norm=joint as well.
        networks: the networks of the objective's own players, by name.
        class_shares: (K,) distribution of generated labels; `None` if unconditional.
        seed, iteration, draw: what `uniform` and `draw_labels` are functions of; `draw` tells
            apart the updates of an iteration.
    """

    images: Mapping[str, tf.Tensor]
    labels: Mapping[str, tf.Tensor]
    outputs: Mapping[str, Outputs]
    judge: Callable[[tf.Tensor], Outputs]
    networks: Mapping[str, keras.Model]
    class_shares: Sequence[float] | None
    seed: int
    iteration: tf.Tensor
    draw: int

    def uniform(self, shape: Sequence[int] | tf.Tensor, stream: str) -> tf.Tensor:
        """Float32 in [0, 1) of a shape (B, ...); the same for the same view and stream."""
        return replicas.uniform(shape, self.seed, stream, self.iteration, self.draw)

    def draw_labels(
        self, count: int | tf.Tensor, stream: str, shares: Sequence[float] | None = None
    ) -> tf.Tensor:
        """(count,) int32 labels by (K,) `shares`; by default as those of the generated images."""
        shares = self.class_shares if shares is None else shares
        assert shares is not None, "an unconditional generator has no labels"
        return rng.labels_of(self.uniform([count], stream), shares)

    def permuted(self, rows: tf.Tensor, stream: str) -> tf.Tensor:
        """(B, ...) rows of the batch, in random order over all replicas."""
        numbers = replicas.all_rows(self.uniform([tf.shape(rows)[0]], stream))
        order = tf.argsort(numbers, stable=True)
        return replicas.own_rows(tf.gather(replicas.all_rows(rows), order))


@dataclasses.dataclass(frozen=True)
class Player:
    """A network besides G and D that an objective trains, after D and before G.

    Attributes:
        make: keyword arguments (see `rumi_tf.training.build.make_model`) -> the network.
        loss: view -> the scalar it minimises; of the roles the view has `fake` alone.
        steps: updates per iteration.
        shares_trunk: whether its updates, by its own optimizer, train D's trunk as well.
    """

    make: Callable[..., keras.Model]
    loss: Callable[[View], tf.Tensor]
    steps: int = 1
    shares_trunk: bool = False


class Objective(abc.ABC):
    """What the networks minimise, and which images each term of it is about.

    The discriminator's loss is a sum of terms by role. The role `fake` is the generated images;
    the other roles are given by `subsets`. A subclass gives the terms, the generator's loss and
    the defaults of the parameters that occur in them; the other methods are for those that need
    more.

    Class attributes:
        subsets: role -> subset of the data (`positive`, `negative` or `all`) it is drawn from.
        defaults: name of a `RunConfig` field -> the paper's value; becomes an attribute.
        conditional: whether the generator is told a class.
    """

    subsets: ClassVar[dict[str, str]] = {"real": "positive"}
    defaults: ClassVar[dict[str, Any]] = {}
    conditional: ClassVar[bool] = False

    def __init__(self, **parameters: Any):
        unknown = sorted(set(parameters) - set(self.defaults))
        if unknown:
            raise InvalidInput(unknown[0], "is not a parameter of this objective")
        self.parameters = {**self.defaults, **parameters}
        for name, value in self.parameters.items():
            setattr(self, name, value)
        self.check()

    def check(self) -> None:  # noqa: B027 - most objectives admit everything
        """Raises `InvalidInput` where the parameters are not admissible together."""

    @abc.abstractmethod
    def terms(self) -> dict[str, Callable[[Outputs], tf.Tensor]]:
        """Role -> its term of the discriminator's loss.

        A term takes what the discriminator returned for that role's images, with the images as
        `image` and their labels as `label`; it returns a scalar.
        """

    @abc.abstractmethod
    def generator_loss(self, outputs: Outputs) -> tf.Tensor:
        """The part of the generator's loss that depends on the generated images.

        Args:
            outputs: what the discriminator returned for the generated images.
        """

    def heads(self) -> tuple[str, ...]:
        """Names of D's outputs of size K beside the score; of conditional objectives alone."""
        return ()

    def score(self, outputs: Outputs) -> tf.Tensor:
        """(B,) what D says of its images, for logs and gradient penalties."""
        return outputs["score"]

    def data_weights(self) -> dict[str, float]:
        """Role of the data -> weight of its term; with weight 0 it takes no part in penalties."""
        return dict.fromkeys(self.subsets, 1.0)

    def penalties(self, view: View) -> list[tf.Tensor]:
        """What D's loss has beside the terms: scalars, as functions of D's weights."""
        return []

    def generator_losses(self, view: View) -> dict[str, tf.Tensor]:
        """The parts of G's loss whose gradients are taken apart from each other, by name."""
        return {"loss": self.generator_loss(view.outputs["fake"])}

    def combine(self, gradients: Mapping[str, Gradients]) -> Gradients:
        """G's gradient, of those of the parts of its loss: their sum."""
        return [tf.add_n(parts) for parts in zip(*gradients.values(), strict=True)]

    def players(self) -> dict[str, Player]:
        """The networks besides G and D that are to be trained, by name; of conditional objectives
        alone, whose discriminators offer features.
        """
        return {}

    def after_update(self, player: str, variables: Sequence[keras.Variable]) -> None:  # noqa: B027
        """Called after each update of a player with the trainable weights that it changed."""

    def fake_shares(self) -> dict[str, float]:
        """Role -> share of the fake term that goes with its update in the split schedule."""
        return dict.fromkeys(self.subsets, 1.0 / len(self.subsets))

    def schedule(self, d_schedule: str, d_steps: int) -> tuple[dict[str, float], ...]:
        """Which terms, with which weight, each discriminator update of an iteration minimises.

        `joint` repeats the whole loss. `split` deals the roles of the data out to the updates in
        turn; the term of the generated images goes with each role, in the shares that
        `fake_shares` gives, so that one round of updates adds up to the whole loss and has its
        optimum.

        Raises:
            InvalidInput: `split` and `d_steps` not a multiple of the number of roles.
        """
        roles = list(self.subsets)
        if d_schedule == "joint":
            return ({**dict.fromkeys(roles, 1.0), "fake": 1.0},) * d_steps
        if d_steps % len(roles):
            raise InvalidInput(
                "d_steps",
                f"is {d_steps}; with --d_schedule=split it must be a multiple of {len(roles)}, "
                f"one update for each of {', '.join(roles)}",
            )
        shares = self.fake_shares()
        return tuple({role: 1.0, "fake": shares[role]} for role in roles) * (d_steps // len(roles))
