"""Killed at any moment, a command that is given again ends as if nothing had happened."""

import random

import pytest

from tests.faults.commands import COMMANDS, KILLED, disturb, finish, intact, undisturbed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wholes(quick_command, tmp_path_factory):
    """name -> what the undisturbed command leaves."""
    made = {}

    def whole(name):
        if name not in made:
            command = COMMANDS[name]
            start = whole(command.after).place if command.after else None
            place = tmp_path_factory.mktemp(name) / "whole"
            made[name] = undisturbed(quick_command, command, start, place)
        return made[name]

    return whole


def kills_and_finish(run, whole, place, faults):
    """Kills the command by one fault after the other, then lets it end.

    Args:
        run: starts a Python module.
        whole: the undisturbed command.
        place: a directory to be made.
        faults: of `faulty`.

    Returns:
        How often it was killed, as a command that has little left to do may end before.
    """
    killed, before = 0, {}
    whole.begin(place)
    for fault in faults:
        done = disturb(run, whole.command, place, **fault)
        assert done.returncode in (0, KILLED), done.stderr
        killed += done.returncode == KILLED
        before = intact(whole, before, place)
    finish(run, whole, place)
    return killed


@pytest.mark.exhaustive
def test_two_runs_of_a_command_leave_the_same(quick_command, wholes, tmp_path):
    finish(quick_command, wholes("train"), wholes("train").begin(tmp_path / "again"))


def test_training_is_killed(quick_command, wholes, tmp_path):
    """Before a change of a file, while it resumes, and at any moment, if it has not ended."""
    whole = wholes("train")
    faults = [
        {"kill_at": whole.changes // 2},
        {"kill_at": whole.changes // 8},
        {"kill_after": whole.seconds / 2},
    ]
    assert kills_and_finish(quick_command, whole, tmp_path / "killed", faults) >= 2


# How many times each is killed and ends; every time it is killed twice for sure, and once more if
# it has not ended by then.
CHAINS = {
    "train": 4, "train_evaluated": 3, "evaluated_later": 2, "evaluate": 2, "augment": 1,
    "uac_table1": 2, "table1": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    "name, number",
    [
        pytest.param(name, k, marks=[pytest.mark.exhaustive] if k else [])
        for name, count in CHAINS.items()
        for k in range(count)
    ],
)
def test_commands_are_killed(name, number, quick_command, wholes, tmp_path):
    whole, draw = wholes(name), random.Random(f"{name} {number}")
    faults = [
        {"kill_at": draw.randint(1, whole.changes)},
        {"kill_at": draw.randint(1, max(1, whole.changes // 10))},
        {"kill_after": draw.uniform(0, whole.seconds)},
    ]
    assert kills_and_finish(quick_command, whole, tmp_path / "killed", faults) >= 1
