"""The commands that faults happen to, on the smallest tasks, and how one is disturbed."""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.faults import leavings

Run = Callable[..., subprocess.CompletedProcess]
KILLED = 128 + 9
# A start cuts these back to the checkpoint that it goes on from.
REWOUND = ("log.csv", "metrics.csv", "tensorboard")
TRAIN = (
    "--dataset=digits", "--minority_class=5", "--objective=lsgan", "--width=0.05",
    "--batch_size=8", "--iterations=6", "--checkpoint_every=2", "--log_every=1",
    "--sample_every=3", "--d_augment=cutout", "--generator_ema=0.9", "--runs_dir=runs",
)  # fmt: skip
EVALUATED = ("--eval_every=3", "--eval_samples=40", "--cache_dir=cache")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command to be disturbed.

    Attributes:
        module, flags: what is run, in a directory of its own.
        after: name of the command whose leavings it starts from, if it needs any.
    """

    module: str
    flags: tuple[str, ...]
    after: str = ""


COMMANDS = {
    "train": Command("reproduce.train", TRAIN),
    "train_evaluated": Command("reproduce.train", (*TRAIN, *EVALUATED)),
    "evaluated_later": Command("reproduce.train", (*TRAIN, *EVALUATED), "train"),
    "evaluate": Command(
        "reproduce.evaluate",
        ("--saved_model=saved_model", "--eval_samples=40", "--cache_dir=cache", "--out=out"),
        "train",
    ),
    "table1": Command(
        "reproduce.table1",
        ("--datasets=digits", "--classes=5", "--smoke", "--models=lsgan,rumi_lsgan", "--seeds=0",
         "--cache_dir=cache", "--runs_dir=sweep", "--out=out"),
        "evaluated_later",  # for its classifier: processes of the table have no quick one
    ),
    "augment": Command(
        "reproduce.augment",
        ("--minority_class=5", "--minority_size=30", "--seeds=1,2", "--seed=2",
         "--objective=lsgan", "--iterations=2", "--width=0.05", "--batch_size=4", "--updates=2",
         "--num=6", "--runs_dir=runs", "--out=out"),
    ),
    "uac_table1": Command(
        "reproduce.uac_table1",
        ("--models=acgan", "--samples=200", "--batch_size=12", "--iterations=3", "--d_steps=2",
         "--epochs=3", "--eval_samples=30", "--num_runs=2", "--runs_dir=runs", "--out=out"),
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Whole:
    """What a command does when nothing goes wrong.

    Attributes:
        command: the command.
        start: directory that it starts from; `None` for an empty one.
        place: directory that it left.
        leavings: what is there.
        changes: of files that it made.
        seconds: that it took.
    """

    command: Command
    start: Path | None
    place: Path
    leavings: dict
    changes: int
    seconds: float

    def begin(self, place: Path) -> Path:
        """Makes a directory in which the command can start."""
        if self.start is None:
            place.mkdir(parents=True)
        else:
            shutil.copytree(self.start, place)
            (model,) = place.glob("runs/*/saved_model")
            shutil.copytree(model, place / "saved_model", dirs_exist_ok=True)
        return place


def disturb(run: Run, command: Command, place: Path, **fault) -> subprocess.CompletedProcess:
    """Runs a command in a directory, with a fault; see `tests.faults.faulty`.

    Args:
        run: starts a Python module, as `quick_command`.
        command: the command.
        place: its working directory.
        fault: what goes wrong.
    """
    fault = json.dumps({"place": str(place), **fault})
    return run("tests.faults.faulty", fault, command.module, *command.flags)


def undisturbed(run: Run, command: Command, start: Path | None, place: Path) -> Whole:
    """Runs a command without a fault."""
    count = place.with_name(f"{place.name}.json")
    whole = Whole(command, start, place, {}, 0, 0.0)
    done = disturb(run, command, whole.begin(place), count=str(count))
    assert done.returncode == 0, done.stderr
    return dataclasses.replace(
        whole, leavings=leavings.of(place), **json.loads(count.read_text("utf-8"))
    )


def finish(run: Run, whole: Whole, place: Path) -> None:
    """Gives the command once more: all is as if nothing had happened."""
    done = disturb(run, whole.command, place)
    assert done.returncode == 0, done.stderr
    same(whole, place)


def same(whole: Whole, place: Path) -> None:
    """A directory has what the undisturbed command left, and nothing half written."""
    found = leavings.of(place)
    assert sorted(found) == sorted(whole.leavings)
    for name, content in found.items():
        assert content == whole.leavings[name], name
    assert leavings.temporaries(place) == []


def intact(whole: Whole, before: dict, place: Path) -> dict:
    """What a killed command left: no file is damaged, none that was complete is gone.

    Args:
        whole: the undisturbed command.
        before: what was there when it started.
        place: where it was killed.

    Returns:
        What is there now.
    """
    now = leavings.of(place)
    for name, content in now.items():
        expected = whole.leavings.get(name)
        if content == leavings.UNREADABLE:
            continue
        if name.endswith(".csv"):
            assert _rows_of(content) <= _rows_of(expected), name
        elif not name.endswith("tensorboard"):
            assert content == expected, name
    for name, content in before.items():
        if content == whole.leavings.get(name) and not name.endswith(REWOUND):
            assert now.get(name) == content, f"{name} was complete"
    return now


def _rows_of(rows: list[dict]) -> set[str]:
    return {json.dumps(row) for row in rows}
