"""The directory of a run: where it is, whose it is, who works in it, whether it is finished."""

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
from rumi_tf.utils.io import is_foreseen, read_json, write_json, write_text


def run_directory(config: RunConfig) -> Path:
    """Where the run of a resolved configuration lives."""
    return Path(config.runs_dir) / config.name()


def check_writable(runs_dir: str) -> None:
    """Raises `InvalidInput` before long work that could not be written down."""
    if not runs_dir:
        raise InvalidInput("runs_dir", "is empty; name a directory, . for this one")
    place = Path(runs_dir).resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK) or place.is_relative_to("/proc"):
        raise InvalidInput("runs_dir", f"cannot write to {runs_dir}: {place} is not writable")


def is_busy(config: RunConfig) -> bool:
    """Whether a process is working on the run of a resolved configuration right now."""
    return locks.is_taken(run_directory(config) / "lock")


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Makes the directory and holds its lock; one whose holder has ended is free again (`leases`).

    Raises:
        RunBusy: another process holds it, or has taken it from this one.
        InvalidInput: it cannot be written to.
    """
    try:
        with contextlib.ExitStack() as stack:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locks.held_alone(directory / "lock"))
            except OSError as error:
                if not is_foreseen(error):
                    raise
                reason = f"cannot write to {directory}: {error.strerror}"
                raise InvalidInput("runs_dir", reason) from error
            yield
    except locks.Taken:
        raise RunBusy(f"another process is working on {directory}; wait for it to end") from None
    except locks.Lost:
        raise RunBusy(
            f"another process has taken over {directory}, since this one stood still for "
            f"{locks.LEASE:g} seconds"
        ) from None


@contextlib.contextmanager
def working_place(
    config: RunConfig, images: LabelledImages, strategy: tf.distribute.Strategy
) -> Iterator[Path]:
    """Where this process writes: the run's directory, claimed; if it is not the chief, elsewhere.

    All processes of a run do the same, since they compute some of what they write together.

    Args:
        config: resolved.
        images: that the run is trained on.
        strategy: of the run; tells which process is the chief.

    Raises:
        RunBusy, InvalidInput: see `locked`.
        RunDamaged: see `claim`.
    """
    directory = run_directory(config)
    if distribute.is_chief(strategy):
        with locked(directory):
            claim(config, directory, images)
            distribute.wait_for_all(strategy)
            yield directory
            distribute.wait_for_all(strategy)
    else:
        with tempfile.TemporaryDirectory() as elsewhere:
            distribute.wait_for_all(strategy)
            yield Path(elsewhere)
            distribute.wait_for_all(strategy)


def claim(config: RunConfig, directory: Path, images: LabelledImages) -> None:
    """Writes what a run is into its directory, or makes sure that it stands there already.

    Args:
        config: resolved.
        directory: of the run; its lock is held.
        images: that the run is trained on.

    Raises:
        RunDamaged: the directory holds another run, or one of other images, or it cannot be told.
    """
    data = {"fingerprint": images.fingerprint, "images": len(images)}
    try:
        before = read_json(directory / "data.json")
        known = RunConfig.from_json((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_text(directory / "config.json", config.to_json())
        write_json(directory / "data.json", data)
        return
    except (ValueError, InvalidInput) as error:
        raise RunDamaged(
            f"config.json or data.json in {directory} is damaged: {error}; delete that directory "
            "to train anew"
        ) from error
    if known.identity() != config.identity():
        raise RunDamaged(f"{directory} belongs to a run with other settings; see its config.json")
    if before != data:
        raise RunDamaged(
            f"the images have changed since {directory} was begun; train with another --runs_dir, "
            "or delete that directory"
        )


def read_summary(directory: Path, iterations: int) -> dict | None:
    """What a run of so many iterations says of itself; `None` while it is not finished.

    A summary that is damaged is none: it is written anew by what goes on from the checkpoint.
    """
    try:
        found = read_json(directory / "summary.json")
        return found if found["iterations"] == iterations else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
