"""The contract between an objective and the training step."""

import abc
from collections.abc import Callable, Mapping
from typing import ClassVar

import tensorflow as tf

from rumi_tf.errors import InvalidInput

Outputs = Mapping[str, tf.Tensor]


class Objective(abc.ABC):
    """What the networks minimise, and which images each term of it is about.

    The discriminator's loss is a sum of terms by role. The role `fake` is the generated images;
    the other roles are given by `subsets`. A subclass gives the terms, the generator's loss and
    the defaults of the parameters that occur in them.

    Class attributes:
        subsets: role -> subset of the data (`positive`, `negative` or `all`) it is drawn from.
        defaults: name of a `RunConfig` field -> the paper's value; becomes an attribute.
    """

    subsets: ClassVar[dict[str, str]] = {"real": "positive"}
    defaults: ClassVar[dict[str, float]] = {}

    def __init__(self, **parameters: float):
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

        A term takes what the discriminator returned for that role's images, and the images'
        labels as `label`; it returns a scalar.
        """

    @abc.abstractmethod
    def generator_loss(self, outputs: Outputs) -> tf.Tensor:
        """The part of the generator's loss that depends on the generated images.

        Args:
            outputs: what the discriminator returned for the generated images.
        """

    def schedule(self, d_schedule: str, d_steps: int) -> tuple[dict[str, float], ...]:
        """Which terms, with which weight, each discriminator update of an iteration minimises.

        `joint` repeats the whole loss. `split` deals the roles of the data out to the updates in
        turn; the term of the generated images goes with each role, in equal shares, so that one
        round of updates adds up to the whole loss and has its optimum.

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
        share = 1.0 / len(roles)
        return tuple({role: 1.0, "fake": share} for role in roles) * (d_steps // len(roles))
