"""Failures of storage and memory: full disks, file size limits, read-only directories."""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rumi_tf.utils import tf_errors
from rumi_tf.utils.errors import OutOfMemory
from tests.faults.commands import (
    COMMANDS,
    check_intact,
    copy_saved_model,
    rerun_and_compare,
    run_reference,
    run_with_fault,
)

pytestmark = pytest.mark.slow
STORAGE_FAILED = 8
PROGRESS = re.compile(r"\bleft \d+ ?s$|^\[\d+/\d+\] ")


def assert_one_line(
    process: subprocess.CompletedProcess, words: str, code: int = STORAGE_FAILED
) -> None:
    """The command failed with one line that contains `words`, apart from lines of progress."""
    assert process.returncode == code, (process.returncode, process.stderr)
    lines = [line for line in process.stderr.splitlines() if not PROGRESS.search(line)]
    assert len(lines) == 1 and words in lines[0], process.stderr


@contextlib.contextmanager
def mounted(directory: Path, size: str):
    """Mounts a file system of limited size; skips the test if that is not allowed."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    try:
        process = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    if process.returncode:
        pytest.skip(f"mounting is not allowed here: {process.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def remount(directory: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(directory)], check=True)


@pytest.fixture(scope="module")
def reference(quick_command, tmp_path_factory):
    return run_reference(
        quick_command, COMMANDS["train"], None, tmp_path_factory.mktemp("train") / "reference"
    )


@pytest.mark.parametrize("kind", ["UnavailableError", "AbortedError"])
def test_lost_worker_is_not_reported_as_a_file_error(kind):
    import tensorflow as tf

    error = getattr(tf.errors, kind)
    with pytest.raises(error), tf_errors.translate_file_errors("x/ckpt-1"):
        raise error(None, None, "Connection reset by peer")


def test_out_of_memory_is_one_line():
    import tensorflow as tf

    full = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nand more")
    for error in (full, MemoryError()):
        with pytest.raises(OutOfMemory) as caught, tf_errors.translate_oom("less"):
            raise error
        message = str(caught.value)
        assert message.endswith("; less") and "\n" not in message and "and more" not in message
        assert caught.value.exit_code == 7


def test_tensorflow_file_errors_become_os_errors():
    import tensorflow as tf

    with pytest.raises(OSError) as caught, tf_errors.translate_file_errors("x/ckpt-1"):
        raise tf.errors.ResourceExhaustedError(None, None, "a/b.data; No space left on device")
    assert (caught.value.errno, caught.value.filename) == (28, "x/ckpt-1")


def test_classifier_is_not_cached_on_a_full_disk(tmp_path, monkeypatch):
    from rumi_tf.data.dataset import from_memory
    from rumi_tf.evaluation.embeddings import classifier

    monkeypatch.setattr(classifier, "UPDATES", (1, 1))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    images = from_memory(pixels, np.arange(40) % 2, ("a", "b"))
    with pytest.raises(OSError, match="No space left on device") as caught:
        classifier.load_classifier(images, None, dataset="x", cache_dir=tmp_path)
    assert caught.value.filename.startswith(str(tmp_path))
    assert not list(tmp_path.glob("*.h5"))


def test_file_size_limit_is_one_line(quick_command, tmp_path):
    """The first file beyond the limit is a checkpoint."""
    directory = tmp_path / "limited"
    directory.mkdir()
    process = run_with_fault(quick_command, COMMANDS["train"], directory, limit=60_000)
    assert_one_line(process, "File too large")
    assert "ckpt-2: " in process.stderr
    assert list(directory.glob("runs/*/log.csv")) and not list(directory.glob("runs/*/*/*.index"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("limit", [600, 2_000, 30_000, 300_000])
def test_training_resumes_without_the_size_limit(limit, reference, quick_command, tmp_path):
    directory = reference.prepare(tmp_path / "limited")
    process = run_with_fault(quick_command, reference.command, directory, limit=limit)
    assert_one_line(process, "File too large")
    check_intact(reference, {}, directory)
    rerun_and_compare(quick_command, reference, directory)


@pytest.mark.exhaustive
@pytest.mark.parametrize("size", ["64k", "1m", "3m"])
def test_training_on_a_full_disk_is_one_line_and_resumes(size, reference, quick_command, tmp_path):
    directory = tmp_path / "disk"
    with mounted(directory, size):
        process = run_with_fault(quick_command, reference.command, directory)
        assert_one_line(process, "No space left on device")
        check_intact(reference, {}, directory)
        remount(directory, "size=1g")
        rerun_and_compare(quick_command, reference, directory)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["evaluated_later", "evaluate", "augment", "uac_table1"])
def test_full_disk_is_one_line_for_every_command(name, reference, quick_command, tmp_path):
    command, directory = COMMANDS[name], tmp_path / "disk"
    with mounted(directory, "1g"):
        if command.after:
            shutil.copytree(reference.directory, directory, dirs_exist_ok=True)
            copy_saved_model(directory)
        used = shutil.disk_usage(directory).used
        remount(directory, f"size={used + 30_000}")
        process = run_with_fault(quick_command, command, directory)
        assert_one_line(process, "No space left on device")
        remount(directory, "size=1g")
        process = run_with_fault(quick_command, command, directory)
        assert process.returncode == 0, process.stderr


@pytest.mark.exhaustive
def test_finished_run_in_a_read_only_directory_can_be_read(reference, quick_command, tmp_path):
    directory = tmp_path / "disk"
    with mounted(directory, "1g"):
        shutil.copytree(reference.directory, directory, dirs_exist_ok=True)
        copy_saved_model(directory)
        remount(directory, "ro")
        process = run_with_fault(quick_command, reference.command, directory)
        assert process.returncode == 0 and "nothing was trained" in process.stdout, process.stderr
        for name in ("evaluated_later", "evaluate", "augment", "uac_table1"):
            process = run_with_fault(quick_command, COMMANDS[name], directory)
            assert_one_line(process, "cannot write", code=2)


@pytest.mark.exhaustive
def test_file_dates_do_not_matter(reference, quick_command, tmp_path):
    directory = reference.prepare(tmp_path / "killed")
    kill_at = reference.changes // 2
    run_with_fault(quick_command, reference.command, directory, kill_at=kill_at)
    for number, path in enumerate(sorted(directory.rglob("*"))):
        date = (0, 4e9)[number % 2]
        os.utime(path, (date, date))
    rerun_and_compare(quick_command, reference, directory)
