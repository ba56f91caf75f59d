"""Base class of the objectives, and what the training step passes to them."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from rumi_tf.utils import replicas, rng
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.lazy import keras, tf

Outputs = Mapping[str, Any]  # name -> tensor
Gradients = Sequence[Any]

ROUNDING = 1e-9  # slack of a bound: 0.8 - 1 is not -0.2 in binary


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of an objective, from which its flag and `RunConfig` field are generated.

    Attributes:
        default: value if the flag is not given.
        help: meaning, unit, and the paper's value.
        choices: valid words; empty if any.
        low, high: inclusive bounds. above: exclusive lower bound.
    """

    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None


def parameter(default: Any, help_text: str, **limits: Any) -> Any:
    """Declares a parameter of an objective; see `Parameter`. Instances have its value."""
    return Parameter(default, help_text, **limits)


@dataclasses.dataclass(frozen=True)
class View:
    """Images, labels and discriminator outputs of one update.

    Attributes:
        images: role -> (B, H, W, C), after augmentation if --d_augment is set. The role `fake` is
            the generated images; they carry a gradient into the generator only in its own update.
        labels: role -> (B,) integers; without `fake` if the generator is unconditional.
        outputs: role -> D's outputs, with `image` and `label` added; empty in the updates of an
            objective's other networks.
        discriminate: images -> D's outputs for them in training mode, normalised by their own
            batch statistics, even with --d_batch_norm=joint.
        networks: the objective's other networks, by name.
        class_shares: (K,) distribution of generated labels; `None` if unconditional.
        seed, iteration, draw: determine the random numbers of `uniform`, `draw_labels` and
            `permuted`; `draw` is the number of the update within its iteration.
    """

    images: Mapping[str, tf.Tensor]
    labels: Mapping[str, tf.Tensor]
    outputs: Mapping[str, Outputs]
    discriminate: Callable[[tf.Tensor], Outputs]
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
        """(count,) int32 labels with probabilities `shares`, (K,); default: `class_shares`."""
        shares = self.class_shares if shares is None else shares
        assert shares is not None, "an unconditional generator has no labels"
        return rng.labels_of(self.uniform([count], stream), shares)

    def permuted(self, rows: tf.Tensor, stream: str) -> tf.Tensor:
        """(B, ...) rows of the batch, in random order over all replicas."""
        numbers = replicas.all_rows(self.uniform([tf.shape(rows)[0]], stream))
        order = tf.argsort(numbers, stable=True)
        return replicas.local_rows(tf.gather(replicas.all_rows(rows), order))


@dataclasses.dataclass(frozen=True)
class Player:
    """A network other than G and D that an objective trains, after D and before G.

    Attributes:
        make: keyword arguments (see `rumi_tf.training.build.make_model`) -> the network.
        loss: view -> the scalar that the network minimises. The view's only role is `fake`.
        steps: updates per iteration.
        shares_trunk: whether its updates, by its own optimizer, also train D's trunk.
    """

    make: Callable[..., keras.Model]
    loss: Callable[[View], tf.Tensor]
    steps: int = 1
    shares_trunk: bool = False


class Objective(abc.ABC):
    """The losses of D and G.

    D's loss is a sum of terms, one per role. The role `fake` is the generated images; `subsets`
    gives the other roles. A subclass declares its parameters with `parameter` and implements
    `terms` and `generator_loss`. The other methods have defaults that most objectives keep.

    Class attributes:
        subsets: role -> subset of the data (`positive`, `negative` or `all`) that it is drawn from.
        parameters: name -> `Parameter`, collected from the class and its bases.
        conditional: whether the generator is given a class label.
        d_batch_norm: default of --d_batch_norm.
    """

    subsets: ClassVar[dict[str, str]] = {"real": "positive"}
    parameters: ClassVar[dict[str, Parameter]] = {}
    conditional: ClassVar[bool] = False
    d_batch_norm: ClassVar[str] = "separate"

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        cls.parameters = {
            name: value
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, Parameter)
        }

    def __init__(self, **values: Any):
        unknown = sorted(set(values) - set(self.parameters))
        if unknown:
            raise InvalidInput(unknown[0], "is not a parameter of this objective")
        for name, value in {**self.defaults(), **values}.items():
            setattr(self, name, value)
        self.check()

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name of each parameter -> its default."""
        return {name: declared.default for name, declared in cls.parameters.items()}

    def check(self) -> None:  # noqa: B027 - most objectives allow all values
        """Raises `InvalidInput` if the parameters are inconsistent."""

    @abc.abstractmethod
    def terms(self) -> dict[str, Callable[[Outputs], tf.Tensor]]:
        """Role -> its term of the discriminator's loss.

        A term takes D's outputs for the images of its role, with the images as `image` and their
        labels as `label`, and returns a scalar.
        """

    @abc.abstractmethod
    def generator_loss(self, outputs: Outputs) -> tf.Tensor:
        """The part of the generator's loss that depends on the generated images.

        Args:
            outputs: D's outputs for the generated images.
        """

    def heads(self) -> tuple[str, ...]:
        """Names of D's outputs of size K other than the score, for conditional objectives."""
        return ()

    def score(self, outputs: Outputs) -> tf.Tensor:
        """(B,) scores of the images, for losses, logs and gradient penalties."""
        return outputs["score"]

    def data_weights(self) -> dict[str, float]:
        """Role of the data -> weight of its term. A role with weight 0 has no penalty."""
        return dict.fromkeys(self.subsets, 1.0)

    def discriminator_loss(self, view: View, weights: Mapping[str, float]) -> tf.Tensor:
        """D's loss in one update: the terms of the roles in `weights`, and the penalties."""
        terms = self.terms()
        parts = [weight * terms[role](view.outputs[role]) for role, weight in weights.items()]
        return tf.add_n([*parts, *self.penalties(view)])

    def penalties(self, view: View) -> list[tf.Tensor]:
        """Scalars that are added to the terms of D's loss."""
        return []

    def generator_losses(self, view: View) -> dict[str, tf.Tensor]:
        """Parts of G's loss, by name. Their gradients are taken separately; see `combine`."""
        return {"loss": self.generator_loss(view.outputs["fake"])}

    def combine(self, gradients: Mapping[str, Gradients]) -> Gradients:
        """G's gradient from the gradients of the parts of its loss: their sum."""
        return [tf.add_n(parts) for parts in zip(*gradients.values(), strict=True)]

    def players(self) -> dict[str, Player]:
        """Networks other than G and D that are trained, by name.

        Only conditional objectives may have players, because only their discriminators return
        features.
        """
        return {}

    def after_update(self, player: str, variables: Sequence[keras.Variable]) -> None:  # noqa: B027
        """Called after each update of a network with the trainable weights that it changed."""

    def fake_shares(self) -> dict[str, float]:
        """Role -> share of the fake term in the update of that role in the split schedule."""
        return dict.fromkeys(self.subsets, 1.0 / len(self.subsets))

    def schedule(self, d_schedule: str, d_steps: int) -> tuple[dict[str, float], ...]:
        """Role -> weight of its term, for each discriminator update of an iteration.

        `joint` repeats the whole loss. `split` takes one role of the data after the other; the
        term of the generated images is added to each, in the shares of `fake_shares`. So one round
        of updates adds up to the whole loss and has the same optimum.

        Raises:
            InvalidInput: `split`, and `d_steps` is not a multiple of the number of roles.
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
