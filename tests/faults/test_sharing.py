"""Processes that work on one run, or on one table."""

import json
import os
import subprocess
import sys
import time

import filelock
import pytest

from rumi_tf import run_files
from rumi_tf.errors import RunBusy
from rumi_tf.files import read_csv
from tests.conftest import command, start
from tests.faults.commands import TRAIN

SWEEP = (
    "--datasets=digits", "--classes=5", "--smoke", "--models=lsgan,rumi_lsgan,acgan",
    "--seeds=0,1",
)  # fmt: skip


@pytest.mark.parametrize("date", [0, 4e9])
def test_a_lock_is_held_by_a_process_and_not_by_a_date(date, tmp_path):
    """It needs no expiry: what held it is dead, or is still at work."""
    (tmp_path / "run").mkdir()
    lock = tmp_path / "run" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", "import filelock, sys\n"
         "with filelock.FileLock(sys.argv[1]): print('held', flush=True); sys.stdin.read()",
         str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    os.utime(lock, (date, date))
    with pytest.raises(RunBusy, match="another process is working"), run_files.locked(lock.parent):
        pass
    holder.kill()
    holder.communicate()
    os.utime(lock, (date, date))
    with run_files.locked(lock.parent), pytest.raises(filelock.Timeout):
        filelock.FileLock(lock, timeout=0).acquire()


@pytest.mark.slow
def test_a_second_process_on_the_same_run_says_so_and_stops(tmp_path):
    flags = (*TRAIN, "--iterations=100000", f"--runs_dir={tmp_path}")
    first = start("reproduce.train", *flags)
    try:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("*/log.csv")) and time.monotonic() < until:
            time.sleep(0.1)
        second = command("reproduce.train", *flags)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 3
    assert len(second.stderr.splitlines()) == 1 and "another process" in second.stderr


def shared(tmp_path, out, *words):
    return start(
        "reproduce.table1", *SWEEP, *words, f"--runs_dir={tmp_path / 'runs'}",
        f"--cache_dir={tmp_path / 'cache'}", f"--out={tmp_path / out}",
    )  # fmt: skip


def wait_for_a_result(tmp_path):
    until = time.monotonic() + 400
    while not list(tmp_path.glob("runs/*/summary.json")) and time.monotonic() < until:
        time.sleep(0.05)


def starts(tmp_path) -> list[int]:
    """How often each run was begun."""
    runs = list(tmp_path.glob("runs/*/environment.json"))
    return [len(json.loads(path.read_text())["starts"]) for path in runs]


def complete(table) -> None:
    assert [line["n"] for line in read_csv(table)] == ["2 (1 classes, 2 seeds)"] * 3


@pytest.mark.slow
@pytest.mark.exhaustive
def test_two_commands_share_a_table_and_one_is_killed_in_the_middle(tmp_path):
    """Nothing is lost, nothing is done twice."""
    first, second = (shared(tmp_path, str(k)) for k in range(2))
    wait_for_a_result(tmp_path)
    first.kill()
    first.communicate()
    _, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    complete(tmp_path / "1" / "table1.csv")
    assert len(starts(tmp_path)) == 6
    assert sum(starts(tmp_path)) <= 7  # the one that was in work when its command was killed


@pytest.mark.slow
@pytest.mark.exhaustive
def test_two_shards_make_one_table_and_one_is_killed_in_the_middle(tmp_path):
    """Each does its own part, and whichever ends last writes the table of both."""
    first, second = (shared(tmp_path, "out", f"--shard={k}/2") for k in (1, 2))
    wait_for_a_result(tmp_path)
    first.kill()
    first.communicate()
    _, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    first = shared(tmp_path, "out", "--shard=1/2")
    _, errors = first.communicate(timeout=600)
    assert first.returncode == 0, errors
    complete(tmp_path / "out" / "table1.csv")
    assert len(starts(tmp_path)) == 6 and sum(starts(tmp_path)) <= 7
