"""Checkpoints of a training state, of which a damaged one is passed over."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from rumi_tf.utils import locks
from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.tf_errors import refusals_as_os_errors

KEPT = 3
WRITING = "writing"  # directory of what is being written
ON_READ = tf.VariableSynchronization.ON_READ


class Checkpoints:
    """The newest checkpoints of a state, in one directory.

    They are found by their files' names: a list of checkpoints beside them (as
    `tf.train.CheckpointManager` keeps it) would be one more file that can be damaged. TensorFlow
    writes the index of a checkpoint last, so a writer that is killed leaves one without an index
    or with a part of it, which cannot be read and is passed over.

    Args:
        directory: where they are.
        state: named lists of variables, among them `iteration`; see `AdversarialModel.state`.
        written_to: where new ones go; by default the same place. Of several processes of one run
            all have to write, since they gather some values together, but only one writes to
            `directory`.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        state: Mapping[str, Sequence[tf.Variable]],
        written_to: str | os.PathLike | None = None,
    ):
        self._directory = Path(directory)
        self._written_to = Path(written_to or directory)
        self._iteration = state["iteration"][0]
        self._variables = [v for variables in state.values() for v in variables]
        self._checkpoint = tf.train.Checkpoint(**{k: list(v) for k, v in state.items()})

    def save(self) -> str:
        """Writes the state as it is now; returns the checkpoint's path prefix."""
        name = f"ckpt-{int(self._iteration.numpy())}"
        prefix = str(self._written_to / name)
        # TensorFlow writes an index in place: one that was cut short would count as whole.
        place = self._written_to / WRITING
        locks.check()
        place.mkdir(parents=True, exist_ok=True)
        with refusals_as_os_errors(prefix):
            self._checkpoint.write(str(place / name))
        locks.check()
        for path in sorted(place.glob(f"{name}.*"), key=lambda path: path.suffix == ".index"):
            os.replace(path, self._written_to / path.name)
        shutil.rmtree(place, ignore_errors=True)
        for old in _prefixes(self._written_to)[KEPT:]:
            _delete(old)
        return prefix

    def remove_parts(self) -> None:
        """Deletes what killed writers left; call it only while holding the run's lock."""
        shutil.rmtree(self._written_to / WRITING, ignore_errors=True)
        paths = list(self._written_to.glob("ckpt-*"))
        whole = {path.stem for path in paths if path.suffix in (".index", ".damaged")}
        for path in paths:
            own = re.match(r"ckpt-\d+(?=[._])", path.name)
            if own and own[0] not in whole:
                _remove(path)

    def latest(self) -> str | None:
        """Path prefix of the newest checkpoint."""
        return next(iter(_prefixes(self._directory)), None)

    def finite(self) -> bool:
        """Whether no weight, and no state of an optimizer, holds a NaN or an infinity.

        Running means, which several workers can only read together, are left out.
        """
        own = [v for v in self._variables if v.synchronization is not ON_READ]
        return all(bool(tf.reduce_all(tf.math.is_finite(tf.cast(v, tf.float32)))) for v in own)

    def restore(self) -> list[str]:
        """Restores the newest checkpoint that can be read; without any, leaves the state alone.

        Returns:
            Names of the newer checkpoints that had to be passed over; the process that writes
            there renames their indices to `.damaged`, so that they are not tried again.

        Raises:
            RunDamaged: there are checkpoints, and none of them can be read.
        """
        before = [v.numpy() for v in self._variables]
        damaged = []
        for prefix in _prefixes(self._directory):
            try:
                self._checkpoint.read(prefix).assert_consumed()
            except (MemoryError, tf.errors.ResourceExhaustedError):
                raise  # that says nothing of the file
            except Exception:
                # TensorFlow raises a dozen different types here, by which byte is damaged.
                damaged.append(prefix)
                continue
            if self._written_to == self._directory:  # else they are another process's
                for newer in damaged:
                    os.replace(f"{newer}.index", f"{newer}.damaged")
            return [os.path.basename(newer) for newer in damaged]
        for variable, value in zip(self._variables, before, strict=True):
            variable.assign(value)
        if damaged:
            names = ", ".join(os.path.basename(prefix) for prefix in damaged)
            raise RunDamaged(
                f"none of the checkpoints {names} in {self._directory} can be read; delete the "
                "run's directory to train it anew"
            )
        return []


def _prefixes(directory: Path) -> list[str]:
    """Path prefixes of the checkpoints, the newest first."""
    found = [re.fullmatch(r"ckpt-(\d+)\.index", p.name) for p in directory.glob("*")]
    numbers = sorted((int(match[1]) for match in found if match), reverse=True)
    return [str(directory / f"ckpt-{number}") for number in numbers]


def _delete(prefix: str) -> None:
    """Removes a checkpoint, its index first: without it the rest is nothing."""
    Path(f"{prefix}.index").unlink(missing_ok=True)
    for path in Path(prefix).parent.glob(f"{os.path.basename(prefix)}[._]*"):
        _remove(path)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
