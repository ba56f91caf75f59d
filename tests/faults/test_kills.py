"""A command that is killed at any moment and run again gives the outputs of one that was not."""

import random

import pytest

from tests.faults.commands import (
    COMMANDS,
    KILLED,
    check_intact,
    rerun_and_compare,
    run_reference,
    run_with_fault,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def references(quick_command, tmp_path_factory):
    """Function from the name of a command to its `Reference`, which is computed once."""
    computed = {}

    def reference(name):
        if name not in computed:
            command = COMMANDS[name]
            start = reference(command.after).directory if command.after else None
            directory = tmp_path_factory.mktemp(name) / "reference"
            computed[name] = run_reference(quick_command, command, start, directory)
        return computed[name]

    return reference


def kill_and_rerun(run, reference, directory, faults):
    """Kills the command by one fault after the other, then runs it to the end and compares.

    Args:
        run: starts a Python module.
        reference: the command without a fault.
        directory: created as the working directory.
        faults: keys of `faulty`.

    Returns:
        Number of kills; the command may end before `kill_after`.
    """
    killed, outputs = 0, {}
    reference.prepare(directory)
    for fault in faults:
        process = run_with_fault(run, reference.command, directory, **fault)
        assert process.returncode in (0, KILLED), process.stderr
        killed += process.returncode == KILLED
        outputs = check_intact(reference, outputs, directory)
    rerun_and_compare(run, reference, directory)
    return killed


@pytest.mark.exhaustive
def test_two_executions_give_the_same_outputs(quick_command, references, tmp_path):
    reference = references("train")
    rerun_and_compare(quick_command, reference, reference.prepare(tmp_path / "again"))


def test_killed_training_resumes(quick_command, references, tmp_path):
    """Kills before a change of a file, while resuming, and at any moment."""
    reference = references("train")
    faults = [
        {"kill_at": reference.changes // 2},
        {"kill_at": reference.changes // 8},
        {"kill_after": reference.seconds / 2},
    ]
    assert kill_and_rerun(quick_command, reference, tmp_path / "killed", faults) >= 2


# Number of random tests per command. Each kills it twice at a change of a file, and a third time
# unless it ends before.
REPETITIONS = {
    "train": 4, "train_evaluated": 3, "evaluated_later": 2, "evaluate": 2, "augment": 1,
    "uac_table1": 2, "table1": 1,
}  # fmt: skip


QUICK = ("evaluate", "uac_table1")  # `test_killed_training_resumes` is that of "train"


@pytest.mark.parametrize(
    "name, number",
    [
        pytest.param(name, k, marks=[] if name in QUICK and not k else pytest.mark.exhaustive)
        for name, count in REPETITIONS.items()
        for k in range(count)
    ],
)
def test_killed_commands_resume(name, number, quick_command, references, tmp_path):
    reference, draw = references(name), random.Random(f"{name} {number}")
    faults = [
        {"kill_at": draw.randint(1, reference.changes)},
        {"kill_at": draw.randint(1, max(1, reference.changes // 10))},
        {"kill_after": draw.uniform(0, reference.seconds)},
    ]
    assert kill_and_rerun(quick_command, reference, tmp_path / "killed", faults) >= 1
