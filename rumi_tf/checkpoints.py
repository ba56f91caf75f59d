"""Checkpoints of a training state, of which a damaged one is passed over."""

import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from rumi_tf.errors import RunDamaged

KEPT = 3


class Checkpoints:
    """The newest checkpoints of a state, in one directory.

    Args:
        directory: where they are.
        state: named lists of variables, among them `iteration`; see `AdversarialModel.state`.
    """

    def __init__(self, directory: str | os.PathLike, state: Mapping[str, Sequence[tf.Variable]]):
        self._iteration = state["iteration"][0]
        self._variables = [v for variables in state.values() for v in variables]
        self._checkpoint = tf.train.Checkpoint(**{k: list(v) for k, v in state.items()})
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(directory), KEPT)

    def save(self) -> str:
        """Writes the state as it is now; returns the checkpoint's path prefix."""
        return self._manager.save(checkpoint_number=int(self._iteration))

    def latest(self) -> str | None:
        """Path prefix of the newest checkpoint."""
        return self._manager.latest_checkpoint

    def finite(self) -> bool:
        """Whether no variable holds a NaN or an infinity."""
        return all(
            bool(tf.reduce_all(tf.math.is_finite(tf.cast(v, tf.float32)))) for v in self._variables
        )

    def restore(self) -> list[str]:
        """Restores the newest checkpoint that can be read; without any, leaves the state alone.

        Returns:
            Names of the newer checkpoints that had to be passed over.

        Raises:
            RunDamaged: there are checkpoints, and none of them can be read.
        """
        damaged = []
        for prefix in reversed(self._manager.checkpoints):
            before = [v.numpy() for v in self._variables]
            try:
                self._checkpoint.restore(prefix).assert_consumed()
                return damaged
            except (tf.errors.OpError, AssertionError, ValueError, OSError):
                for variable, value in zip(self._variables, before, strict=True):
                    variable.assign(value)
                damaged.append(os.path.basename(prefix))
        if damaged:
            raise RunDamaged(
                f"none of the checkpoints {', '.join(damaged)} in {self._manager.directory} can "
                "be read; delete the run's directory to train it anew"
            )
        return damaged

