"""Locates and locks run directories."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.utils import distribute, locks
from rumi_tf.utils.errors import InvalidInput, RunBusy, RunDamaged
from rumi_tf.utils.io import is_user_error, read_json, write_json, write_text


def run_directory(config: RunConfig) -> Path:
    """Run directory of a resolved config."""
    return Path(config.runs_dir) / config.name()


def check_writable(runs_dir: str) -> None:
    """Raises `InvalidInput` unless runs can be written to `runs_dir`; writes nothing."""
    if not runs_dir:
        raise InvalidInput("runs_dir", "is empty; use . for the current directory")
    parent = Path(runs_dir).resolve()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InvalidInput("runs_dir", f"cannot write to {runs_dir}: {parent} is not writable")


def is_busy(config: RunConfig) -> bool:
    """True while a process works on the run of a resolved config."""
    return locks.is_held(run_directory(config) / "lock")


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Creates and locks a run directory; a lock whose holder has ended is taken over.

    Raises:
        RunBusy: another process holds the lock, or has taken it over from this process.
        InvalidInput: the directory cannot be written to.
    """
    try:
        with contextlib.ExitStack() as stack:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locks.held_nowait(directory / "lock"))
            except OSError as error:
                if not is_user_error(error):
                    raise
                reason = f"cannot write to {directory}: {error.strerror}"
                raise InvalidInput("runs_dir", reason) from error
            yield
    except locks.LockHeld:
        raise RunBusy(f"another process is working on {directory}; wait for it to end") from None
    except locks.LockLost:
        raise RunBusy(
            f"another process has taken over {directory}, because this process did not refresh "
            f"its lock for {locks.LEASE:g} seconds"
        ) from None


@contextlib.contextmanager
def working_directory(
    config: RunConfig, images: LabelledImages, strategy: tf.distribute.Strategy
) -> Iterator[Path]:
    """Yields the directory that this process writes to.

    It is the locked run directory for the chief. Other workers get a temporary directory, because
    all workers must run the same steps.

    Args:
        config: resolved.
        images: training images.
        strategy: strategy of the run.

    Raises:
        RunBusy, InvalidInput: see `locked`.
        RunDamaged: see `check_identity`.
    """
    directory = run_directory(config)
    if distribute.is_chief(strategy):
        with locked(directory):
            check_identity(config, directory, images)
            distribute.wait_for_all(strategy)
            yield directory
            distribute.wait_for_all(strategy)
    else:
        with tempfile.TemporaryDirectory() as elsewhere:
            distribute.wait_for_all(strategy)
            yield Path(elsewhere)
            distribute.wait_for_all(strategy)


def check_identity(config: RunConfig, directory: Path, images: LabelledImages) -> None:
    """Writes config.json and data.json, or compares them with those of an earlier start.

    Args:
        config: resolved.
        directory: the locked run directory.
        images: training images.

    Raises:
        RunDamaged: the directory belongs to a run with other settings or images, or its files
            cannot be read.
    """
    data = {"fingerprint": images.fingerprint, "images": len(images)}
    try:
        stored_data = read_json(directory / "data.json")
        stored = RunConfig.from_json((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_text(directory / "config.json", config.to_json())
        write_json(directory / "data.json", data)
        return
    except ValueError as error:
        raise RunDamaged(
            f"config.json or data.json in {directory} is damaged: {error}; delete that directory "
            "to start over"
        ) from error
    if stored.identity() != config.identity():
        raise RunDamaged(f"{directory} belongs to a run with other settings; see its config.json")
    if stored_data != data:
        raise RunDamaged(
            f"the images have changed since the run in {directory} started; use another --runs_dir "
            "or delete the directory"
        )


def read_summary(directory: Path, iterations: int) -> dict | None:
    """Summary of a finished run.

    Returns:
        The content of summary.json; `None` if the run is unfinished, has another number of
        iterations, or the file is damaged. Resuming from the checkpoint writes it again.
    """
    try:
        summary = read_json(directory / "summary.json")
        return summary if summary["iterations"] == iterations else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
