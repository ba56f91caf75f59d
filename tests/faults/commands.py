"""Commands on tiny tasks, and functions that run them with and without faults."""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.faults import leavings

Run = Callable[..., subprocess.CompletedProcess]
KILLED = 128 + 9
# Truncated at a start to the checkpoint that it resumes from.
REWOUND = ("log.csv", "metrics.csv", "tensorboard")
TRAIN = (
    "--dataset=digits", "--minority_class=5", "--objective=lsgan", "--width=0.05",
    "--batch_size=8", "--iterations=6", "--checkpoint_every=2", "--log_every=1",
    "--sample_every=3", "--d_augment=cutout", "--generator_ema=0.9", "--runs_dir=runs",
)  # fmt: skip
EVALUATED = ("--eval_every=3", "--eval_samples=40", "--cache_dir=cache")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command to be tested with faults.

    Attributes:
        module, flags: Python module and its arguments.
        after: name of the command whose outputs it starts from, if any.
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
        "evaluated_later",  # provides the classifier, which the table's processes train slowly
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
class Reference:
    """A command that ran without a fault.

    Attributes:
        command: the command.
        start: initial content of the directory; `None` if it was empty.
        directory: working directory after the command.
        outputs: its content, see `leavings.outputs`.
        changes: number of changes of files.
        seconds: duration.
    """

    command: Command
    start: Path | None
    directory: Path
    outputs: dict
    changes: int
    seconds: float

    def prepare(self, directory: Path) -> Path:
        """Creates a directory in which the command can start."""
        if self.start is None:
            directory.mkdir(parents=True)
        else:
            shutil.copytree(self.start, directory)
            copy_saved_model(directory)
        return directory


def copy_saved_model(directory: Path) -> None:
    """Copies the only run's SavedModel to where the command `evaluate` expects it."""
    (model,) = directory.glob("runs/*/saved_model")
    shutil.copytree(model, directory / "saved_model", dirs_exist_ok=True)


def run_with_fault(
    run: Run, command: Command, directory: Path, **fault
) -> subprocess.CompletedProcess:
    """Runs a command in a directory, with a fault; see `tests.faults.faulty`.

    Args:
        run: starts a Python module, like `quick_command`.
        command: the command.
        directory: its working directory.
        fault: keys of the fault; none for a run without.
    """
    fault = json.dumps({"directory": str(directory), **fault})
    return run("tests.faults.faulty", fault, command.module, *command.flags)


def run_reference(run: Run, command: Command, start: Path | None, directory: Path) -> Reference:
    """Runs a command without a fault."""
    count = directory.with_name(f"{directory.name}.json")
    reference = Reference(command, start, directory, {}, 0, 0.0)
    process = run_with_fault(run, command, reference.prepare(directory), count=str(count))
    assert process.returncode == 0, process.stderr
    return dataclasses.replace(
        reference, outputs=leavings.outputs(directory), **json.loads(count.read_text("utf-8"))
    )


def rerun_and_compare(run: Run, reference: Reference, directory: Path) -> None:
    """Runs the command again without a fault; the outputs must equal those of the reference."""
    process = run_with_fault(run, reference.command, directory)
    assert process.returncode == 0, process.stderr
    outputs = leavings.outputs(directory)
    assert sorted(outputs) == sorted(reference.outputs)
    for name, content in outputs.items():
        assert content == reference.outputs[name], name
    assert leavings.temporaries(directory) == []


def check_intact(reference: Reference, before: dict, directory: Path) -> dict:
    """Checks that a failed command damaged no file and deleted no complete one.

    Args:
        reference: the command without a fault.
        before: outputs at the start of the failed command.
        directory: working directory of the failed command.

    Returns:
        Outputs of the failed command.
    """
    outputs = leavings.outputs(directory)
    for name, content in outputs.items():
        expected = reference.outputs.get(name)
        if content == leavings.UNREADABLE:
            continue
        if name.endswith(".csv"):
            assert _row_set(content) <= _row_set(expected), name
        elif not name.endswith("tensorboard"):
            assert content == expected, name
    for name, content in before.items():
        if content == reference.outputs.get(name) and not name.endswith(REWOUND):
            assert outputs.get(name) == content, f"{name} was complete"
    return outputs


def _row_set(rows: list[dict]) -> set[str]:
    return {json.dumps(row) for row in rows}
