"""Several processes share a run or a table."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import tensorflow as tf

from rumi_tf.runs import directories
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils import locks
from rumi_tf.utils.errors import RunBusy
from rumi_tf.utils.io import read_csv, write_text
from tests.conftest import ROOT, holder, start
from tests.faults.commands import TRAIN

SWEEP = (
    "--datasets=digits", "--classes=5", "--smoke", "--models=lsgan,rumi_lsgan,acgan",
    "--seeds=0,1",
)  # fmt: skip


@pytest.mark.parametrize("date", [0, 4e9])
def test_lock_on_this_machine_depends_on_its_process_and_not_on_its_date(date, tmp_path):
    lock = tmp_path / "run" / "lock"
    with holder(lock):
        os.utime(lock, (date, date))
        with pytest.raises(RunBusy), directories.locked(lock.parent):
            pass
    os.utime(lock, (date, date))
    with directories.locked(lock.parent):
        assert locks.is_held(lock)
    assert not lock.exists()


def test_lock_of_another_machine_expires_after_its_holder_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 3.0)
    lock = tmp_path / "run" / "lock"
    with holder(lock, "elsewhere", 3.0):
        for _ in range(4):  # the holder works for longer than the lease
            time.sleep(1)
            assert locks.is_held(lock)
        start_time = time.monotonic()
        with pytest.raises(RunBusy), directories.locked(lock.parent):
            pass
        assert time.monotonic() - start_time < 3  # a heartbeat was seen
    start_time = time.monotonic()
    with directories.locked(lock.parent):
        assert time.monotonic() - start_time >= 2.9


def test_lock_of_another_machine_counts_as_held_until_it_expires(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 2.0)
    lock = tmp_path / "run" / "lock"
    with holder(lock, "elsewhere", 2.0):
        assert locks.is_held(lock)
    assert locks.is_held(lock)
    time.sleep(2.1)
    assert not locks.is_held(lock)


def test_process_that_stood_still_is_interrupted_after_a_takeover(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 1.0)
    directory = tmp_path / "run"
    with pytest.raises(RunBusy, match="taken over"), directories.locked(directory):
        (directory / "lock").unlink()  # like a process that takes over
        (directory / "lock").write_text("another")
        for _ in range(100):
            time.sleep(0.1)
    assert (directory / "lock").read_text() == "another"


def save_checkpoint(directory):
    Checkpoints(directory, {"iteration": [tf.Variable(7, dtype=tf.int64)]}).save()


@pytest.mark.parametrize("write", [lambda run: write_text(run / "log.csv", "old"), save_checkpoint])
def test_process_that_lost_its_lock_writes_nothing(write, tmp_path):
    """Even before its next heartbeat, which is seconds away."""
    directory = tmp_path / "run"
    with pytest.raises(RunBusy, match="taken over"), directories.locked(directory):
        (directory / "lock").unlink()
        (directory / "lock").write_text("another")
        write(directory)
    assert [path.name for path in directory.iterdir()] == ["lock"]
    assert (directory / "lock").read_text() == "another"


def test_takeover_needs_only_what_every_file_system_supports(tmp_path):
    """NFS cannot exchange two files, which Python could only do through ctypes."""
    lock = tmp_path / "run" / "lock"
    with holder(lock):
        pass
    assert lock.exists()
    script = (
        "import sys; from rumi_tf.utils import locks\n"
        "events = []\n"
        "sys.addaudithook(lambda event, _: events.append(event) if 'ctypes' in event else None)\n"
        f"with locks.held_nowait({str(lock)!r}): print(events)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT
    )
    assert (process.stdout, process.returncode) == ("[]\n", 0), process.stderr


def test_lock_with_a_heartbeat_during_a_break_is_restored(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("another")
    before = locks._heartbeat(lock)
    os.utime(lock, (1, 1))
    locks._break(str(lock), before)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    locks._break(str(lock), locks._heartbeat(lock))
    locks._break(str(lock), before)  # no file
    assert not list(tmp_path.iterdir())


def test_old_files_of_killed_breaks_are_removed(tmp_path):
    lock = tmp_path / "lock"
    old, new = (tmp_path / f"lock.break.7.{suffix}" for suffix in ("ab", "cd"))
    other = tmp_path / "clock.break.7.ab"
    for path in (old, new, other):
        path.write_text("")
    for path in (old, other):
        os.utime(path, (time.time() - 2 * locks.LEASE,) * 2)
    with locks.held(lock):
        assert {path.name for path in tmp_path.iterdir()} == {"lock", new.name, other.name}


def test_held_waits_for_the_holder(tmp_path):
    lock = tmp_path / "cache" / "network.lock"
    with holder(lock) as process:
        start_time, delay = time.monotonic(), 1.0

        def kill():
            process.kill()
            process.wait()  # a zombie counts as alive

        threading.Timer(delay, kill).start()
        with locks.held(lock):
            assert delay <= time.monotonic() - start_time < locks.LEASE / 2


@pytest.mark.slow
def test_second_process_on_a_run_stops_with_one_line(tmp_path, quick_command):
    flags = (*TRAIN, "--iterations=100000", f"--runs_dir={tmp_path}")
    first = start("reproduce.train", *flags)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/lock")) and time.monotonic() < deadline:
            time.sleep(0.1)
        second = quick_command("reproduce.train", *flags)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 3
    assert len(second.stderr.splitlines()) == 1 and str(tmp_path) in second.stderr


def start_table(tmp_path, out, *flags):
    return start(
        "reproduce.table1", *SWEEP, *flags, f"--runs_dir={tmp_path / 'runs'}",
        f"--cache_dir={tmp_path / 'cache'}", f"--out={tmp_path / out}",
    )  # fmt: skip


def kill_with_children(process):
    """Kills a command and the processes that it has started, which train."""
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    for pid in (process.pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def wait_for_a_result(tmp_path):
    deadline = time.monotonic() + 400
    while not list(tmp_path.glob("runs/*/summary.json")) and time.monotonic() < deadline:
        time.sleep(0.05)


def starts(tmp_path) -> list[int]:
    """Number of starts of each run."""
    runs = list(tmp_path.glob("runs/*/environment.json"))
    return [len(json.loads(path.read_text())["starts"]) for path in runs]


def assert_complete(table) -> None:
    assert [line["n"] for line in read_csv(table)] == ["2 (1 classes, 2 seeds)"] * 3


@pytest.mark.slow
@pytest.mark.exhaustive
def test_two_commands_share_a_table_and_one_is_killed(tmp_path):
    """Nothing is lost, and nothing is done twice."""
    first, second = (start_table(tmp_path, str(k)) for k in range(2))
    wait_for_a_result(tmp_path)
    kill_with_children(first)
    _, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    assert_complete(tmp_path / "1" / "table1.csv")
    assert len(starts(tmp_path)) == 6
    assert sum(starts(tmp_path)) <= 7  # the run that was being trained at the kill starts again


@pytest.mark.slow
@pytest.mark.exhaustive
def test_two_shards_write_one_table_and_one_is_killed(tmp_path):
    """The shard that ends last writes the complete table."""
    first, second = (start_table(tmp_path, "out", f"--shard={k}/2") for k in (1, 2))
    wait_for_a_result(tmp_path)
    kill_with_children(first)
    _, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    first = start_table(tmp_path, "out", "--shard=1/2")
    _, errors = first.communicate(timeout=600)
    assert first.returncode == 0, errors
    assert_complete(tmp_path / "out" / "table1.csv")
    assert len(starts(tmp_path)) == 6 and sum(starts(tmp_path)) <= 7
