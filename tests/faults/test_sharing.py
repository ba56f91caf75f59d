"""Processes that work on one run, or on one table."""

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
from tests.conftest import ROOT, command, holder, start
from tests.faults.commands import TRAIN

SWEEP = (
    "--datasets=digits", "--classes=5", "--smoke", "--models=lsgan,rumi_lsgan,acgan",
    "--seeds=0,1",
)  # fmt: skip


@pytest.mark.parametrize("date", [0, 4e9])
def test_on_one_machine_a_lock_is_held_by_a_process_and_not_by_a_date(date, tmp_path):
    lock = tmp_path / "run" / "lock"
    with holder(lock):
        os.utime(lock, (date, date))
        busy = pytest.raises(RunBusy, match="another process is working")
        with busy, directories.locked(lock.parent):
            pass
    os.utime(lock, (date, date))
    with directories.locked(lock.parent):
        assert locks.is_taken(lock)
    assert not lock.exists()


def test_the_lock_of_another_machine_expires_when_its_holder_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 3.0)
    lock = tmp_path / "run" / "lock"
    with holder(lock, "elsewhere", 3.0):
        for _ in range(4):  # it is at work for longer than a claim lasts
            time.sleep(1)
            assert locks.is_taken(lock)
        began = time.monotonic()
        with pytest.raises(RunBusy), directories.locked(lock.parent):
            pass
        assert time.monotonic() - began < 3  # it was seen to touch its claim
    began = time.monotonic()
    with directories.locked(lock.parent):
        assert time.monotonic() - began >= 2.9


def test_a_table_passes_by_the_lock_of_a_machine_that_has_ended_until_it_expires(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(locks, "LEASE", 2.0)
    lock = tmp_path / "run" / "lock"
    with holder(lock, "elsewhere", 2.0):
        assert locks.is_taken(lock)
    assert locks.is_taken(lock)
    time.sleep(2.1)
    assert not locks.is_taken(lock)


def test_a_process_that_stood_still_is_told_that_another_took_over(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 1.0)
    directory = tmp_path / "run"
    told = pytest.raises(RunBusy, match=r"another process has taken over .* stood still for 1 sec")
    with told, directories.locked(directory):
        (directory / "lock").unlink()  # as who takes over does
        (directory / "lock").write_text("another")
        for _ in range(100):
            time.sleep(0.1)
    assert (directory / "lock").read_text() == "another"


def checkpoint(directory):
    Checkpoints(directory, {"iteration": [tf.Variable(7, dtype=tf.int64)]}).save()


@pytest.mark.parametrize("write", [lambda run: write_text(run / "log.csv", "old"), checkpoint])
def test_who_wakes_up_writes_nothing_into_what_is_now_of_another(write, tmp_path):
    """Before its next touch, which is seconds away, would tell it."""
    directory = tmp_path / "run"
    told = pytest.raises(RunBusy, match="another process has taken over")
    with told, directories.locked(directory):
        (directory / "lock").unlink()
        (directory / "lock").write_text("another")
        write(directory)
    assert [path.name for path in directory.iterdir()] == ["lock"]
    assert (directory / "lock").read_text() == "another"


def test_a_claim_is_taken_over_by_what_every_file_system_has(tmp_path):
    """NFS, for one, cannot exchange two files, which Python reaches through C alone."""
    lock = tmp_path / "run" / "lock"
    with holder(lock):
        pass
    assert lock.exists()
    script = (
        "import sys; from rumi_tf import leases\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if 'ctypes' in event else None)\n"
        f"with leases.held_alone({str(lock)!r}): print(seen)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (run.stdout, run.returncode) == ("[]\n", 0), run.stderr


def test_a_claim_that_is_touched_while_it_is_broken_is_put_back(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("of another")
    before = locks._sign_of_life(lock)
    os.utime(lock, (1, 1))
    locks._break(str(lock), before)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    locks._break(str(lock), locks._sign_of_life(lock))
    locks._break(str(lock), before)  # gone
    assert not list(tmp_path.iterdir())


def test_claims_that_were_being_broken_when_their_breaker_was_killed_are_removed(tmp_path):
    lock = tmp_path / "lock"
    old, young, other = (tmp_path / f"{name}.break.7.ab" for name in ("lock", "lock", "clock"))
    young = young.with_suffix(".cd")
    for path in (old, young, other):
        path.write_text("")
    for path in (old, other):
        os.utime(path, (time.time() - 2 * locks.LEASE,) * 2)
    with locks.held(lock):
        assert {path.name for path in tmp_path.iterdir()} == {"lock", young.name, other.name}


def test_a_claim_is_waited_for_where_work_is_to_be_reused(tmp_path):
    lock = tmp_path / "cache" / "network.lock"
    with holder(lock) as process:
        began, gave_up = time.monotonic(), 1.0

        def end():
            process.kill()
            process.wait()  # what nobody waits for is no ended process yet

        threading.Timer(gave_up, end).start()
        with locks.held(lock):
            assert gave_up <= time.monotonic() - began < locks.LEASE / 2


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


def kill_all_of(process):
    """A command and the processes that it has begun, which train."""
    trained = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    for pid in (process.pid, *map(int, trained)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


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
def test_two_commands_share_a_table_and_one_is_killed_in_the_middle(tmp_path):
    """Nothing is lost, nothing is done twice."""
    first, second = (shared(tmp_path, str(k)) for k in range(2))
    wait_for_a_result(tmp_path)
    kill_all_of(first)
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
    kill_all_of(first)
    _, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    first = shared(tmp_path, "out", "--shard=1/2")
    _, errors = first.communicate(timeout=600)
    assert first.returncode == 0, errors
    complete(tmp_path / "out" / "table1.csv")
    assert len(starts(tmp_path)) == 6 and sum(starts(tmp_path)) <= 7
