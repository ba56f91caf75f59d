"""A system that refuses: full disks, directories that are read-only, wrong clocks."""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rumi_tf.utils import tf_errors
from rumi_tf.utils.errors import OutOfMemory
from tests.faults.commands import COMMANDS, disturb, finish, intact, undisturbed

pytestmark = pytest.mark.slow
REFUSED = 8
PROGRESS = re.compile(r"\bleft \d+ ?s$|^\[\d+/\d+\] ")


def one_line(done: subprocess.CompletedProcess, words: str, codes=(REFUSED,)) -> None:
    """The command ended with one line that has the words, beside those on its progress."""
    assert done.returncode in codes, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if not PROGRESS.search(line)]
    assert len(lines) == 1 and words in lines[0], done.stderr


@contextlib.contextmanager
def mounted(place: Path, size: str):
    """A file system of its own, of so many bytes; skips where that is not allowed."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        made = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if made.returncode:
        pytest.skip(f"mounting is not allowed here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


@pytest.fixture(scope="module")
def whole(quick_command, tmp_path_factory):
    return undisturbed(
        quick_command, COMMANDS["train"], None, tmp_path_factory.mktemp("train") / "whole"
    )


@pytest.mark.parametrize("kind", ["UnavailableError", "AbortedError"])
def test_a_worker_that_is_gone_is_no_refusal_of_a_file(kind):
    import tensorflow as tf

    gone = getattr(tf.errors, kind)
    with pytest.raises(gone), tf_errors.refusals_as_os_errors("x/ckpt-1"):
        raise gone(None, None, "Connection reset by peer")


def test_memory_that_runs_out_is_one_line_wherever_it_does():
    import tensorflow as tf

    full = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nand more")
    for error, words in ((full, "OOM when allocating"), (MemoryError(), "no more is to be had")):
        with pytest.raises(OutOfMemory) as caught, tf_errors.memory_told("less"):
            raise error
        assert (str(caught.value), caught.value.exit_code) == (f"memory ran out ({words}); less", 7)


def test_tensorflows_words_for_a_refusal_are_the_systems():
    import tensorflow as tf

    with pytest.raises(OSError) as caught, tf_errors.refusals_as_os_errors("x/ckpt-1"):
        raise tf.errors.ResourceExhaustedError(None, None, "a/b.data; No space left on device")
    assert (caught.value.errno, caught.value.filename) == (28, "x/ckpt-1")
    with pytest.raises(tf.errors.AbortedError), tf_errors.refusals_as_os_errors("x"):
        raise tf.errors.AbortedError(None, None, "another worker has ended")


def test_a_clock_before_zip_files_is_one_line_and_nothing_is_written(quick_command, tmp_path):
    for years in (-60, 100):
        done = disturb(quick_command, COMMANDS["train"], tmp_path, years=years)
        one_line(done, "the clock says that it is the year")
        assert os.listdir(tmp_path) == []


def test_no_file_may_grow_beyond_a_size_and_then_it_may(quick_command, tmp_path):
    """The first file that is too large is a checkpoint."""
    place = tmp_path / "place"
    place.mkdir()
    done = disturb(quick_command, COMMANDS["train"], place, limit=60_000)
    one_line(done, "File too large")
    assert "ckpt-2: " in done.stderr
    assert list(place.glob("runs/*/log.csv")) and not list(place.glob("runs/*/*/*.index"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("limit", [600, 2_000, 30_000, 300_000])
def test_training_goes_on_when_there_is_room_again(limit, whole, quick_command, tmp_path):
    place = whole.begin(tmp_path / "place")
    done = disturb(quick_command, whole.command, place, limit=limit)
    one_line(done, "File too large")
    intact(whole, {}, place)
    finish(quick_command, whole, place)


@pytest.mark.exhaustive
@pytest.mark.parametrize("size", ["64k", "1m", "3m"])
def test_a_full_disk_is_one_line_and_training_goes_on_with_room(
    size, whole, quick_command, tmp_path
):
    place = tmp_path / "place"
    with mounted(place, size):
        done = disturb(quick_command, whole.command, place)
        one_line(done, "No space left on device")
        intact(whole, {}, place)
        remount(place, "size=1g")
        finish(quick_command, whole, place)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["evaluated_later", "evaluate", "augment", "uac_table1"])
def test_a_full_disk_is_one_line_for_every_command(name, whole, quick_command, tmp_path):
    command, place = COMMANDS[name], tmp_path / "place"
    with mounted(place, "1g"):
        if command.after:
            shutil.copytree(whole.place, place, dirs_exist_ok=True)
            (model,) = place.glob("runs/*/saved_model")
            shutil.copytree(model, place / "saved_model")
        used = shutil.disk_usage(place).used
        remount(place, f"size={used + 30_000}")
        one_line(disturb(quick_command, command, place), "No space left on device")
        remount(place, "size=1g")
        done = disturb(quick_command, command, place)
        assert done.returncode == 0, done.stderr


@pytest.mark.exhaustive
def test_from_a_directory_that_is_read_only_is_read_and_nothing_else(
    whole, quick_command, tmp_path
):
    place = tmp_path / "place"
    with mounted(place, "1g"):
        shutil.copytree(whole.place, place, dirs_exist_ok=True)
        (model,) = place.glob("runs/*/saved_model")
        shutil.copytree(model, place / "saved_model")
        remount(place, "ro")
        done = disturb(quick_command, whole.command, place)
        assert done.returncode == 0 and "nothing was trained" in done.stdout, done.stderr
        for name in ("evaluated_later", "evaluate", "augment", "uac_table1"):
            one_line(disturb(quick_command, COMMANDS[name], place), "cannot write", (2,))


@pytest.mark.exhaustive
def test_another_clock_and_other_dates_of_files_change_nothing(whole, quick_command, tmp_path):
    place = whole.begin(tmp_path / "place")
    disturb(quick_command, whole.command, place, years=30, kill_at=whole.changes // 2)
    for number, path in enumerate(sorted(place.rglob("*"))):
        date = (0, 4e9)[number % 2]
        os.utime(path, (date, date))
    finish(quick_command, whole, place)
