"""Checkpoints of a training state. Damaged ones are skipped."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from rumi_tf.utils import locks
from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.tf_errors import translate_file_errors

KEPT = 3
WRITING = "writing"  # temporary directory of a checkpoint
ON_READ = tf.VariableSynchronization.ON_READ


class Checkpoints:
    """The newest checkpoints of a state, in one directory.

    They are listed by file name. `tf.train.CheckpointManager` keeps a list in a further file, which
    can be damaged too. TensorFlow writes the index of a checkpoint last, so a killed writer leaves
    a checkpoint without a complete index, which is skipped.

    Args:
        directory: directory of the checkpoints.
        state: named lists of variables, including `iteration`; see `AdversarialModel.state`.
        written_to: directory for new checkpoints; by default `directory`. If a run has several
            processes, all must write, since they gather values together, but only the chief
            writes to `directory`.
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
        """Writes the current state; returns the checkpoint's path prefix."""
        name = f"ckpt-{int(self._iteration.numpy())}"
        prefix = str(self._written_to / name)
        # TensorFlow writes an index in place, so a truncated one would count as complete.
        place = self._written_to / WRITING
        locks.check()
        place.mkdir(parents=True, exist_ok=True)
        with translate_file_errors(prefix):
            self._checkpoint.write(str(place / name))
        locks.check()
        for path in sorted(place.glob(f"{name}.*"), key=lambda path: path.suffix == ".index"):
            os.replace(path, self._written_to / path.name)
        shutil.rmtree(place, ignore_errors=True)
        for old in _prefixes(self._written_to)[KEPT:]:
            _delete(old)
        return prefix

    def remove_parts(self) -> None:
        """Deletes files of killed writers; call it only while holding the run's lock."""
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
        """Whether all weights and optimizer states are finite.

        Running means are left out, since several workers can only read them together.
        """
        own = [v for v in self._variables if v.synchronization is not ON_READ]
        return all(bool(tf.reduce_all(tf.math.is_finite(tf.cast(v, tf.float32)))) for v in own)

    def restore(self) -> list[str]:
        """Restores the newest readable checkpoint; keeps the state if there are no checkpoints.

        Returns:
            Names of newer checkpoints that cannot be read. The process that writes to the
            directory renames their indices to `.damaged`, so that they are not read again.

        Raises:
            RunDamaged: there are checkpoints, and none of them can be read.
        """
        before = [v.numpy() for v in self._variables]
        damaged = []
        for prefix in _prefixes(self._directory):
            try:
                self._checkpoint.read(prefix).assert_consumed()
            except (MemoryError, tf.errors.ResourceExhaustedError):
                raise  # not about the file
            except Exception:
                # The type of error depends on the damaged byte.
                damaged.append(prefix)
                continue
            if self._written_to == self._directory:  # the chief
                for newer in damaged:
                    os.replace(f"{newer}.index", f"{newer}.damaged")
            return [os.path.basename(newer) for newer in damaged]
        for variable, value in zip(self._variables, before, strict=True):
            variable.assign(value)
        if damaged:
            names = ", ".join(os.path.basename(prefix) for prefix in damaged)
            raise RunDamaged(
                f"none of the checkpoints {names} in {self._directory} can be read; delete the "
                "run directory to train again"
            )
        return []


def _prefixes(directory: Path) -> list[str]:
    """Path prefixes of the checkpoints, newest first."""
    matches = [re.fullmatch(r"ckpt-(\d+)\.index", p.name) for p in directory.glob("*")]
    numbers = sorted((int(match[1]) for match in matches if match), reverse=True)
    return [str(directory / f"ckpt-{number}") for number in numbers]


def _delete(prefix: str) -> None:
    """Removes a checkpoint, its index first: without it the other files are ignored."""
    Path(f"{prefix}.index").unlink(missing_ok=True)
    for path in Path(prefix).parent.glob(f"{os.path.basename(prefix)}[._]*"):
        _remove(path)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
