"""Shared fixtures and helpers that run commands."""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers that share the cores would wait for each other
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings import classifier, load_embedding
from rumi_tf.runs.resolve import resolve
from rumi_tf.training import train
from rumi_tf.utils import locks

ROOT = Path(__file__).resolve().parent.parent
# Prepared TFDS data in place of downloads; tests that need it are skipped without it.
TFDS = Path(os.environ.get("RUMI_TF_TFDS_DIR", ROOT.parent / "shared" / "datasets" / "tfds"))


def pytest_collection_modifyitems(items):
    """Starts with the longest tests, so that none of them runs alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_workers.py")


@pytest.fixture
def tfds_dir() -> str:
    if not TFDS.is_dir():
        pytest.skip(f"no prepared TFDS data at {TFDS}; set RUMI_TF_TFDS_DIR")
    return str(TFDS)


def start(module: str, *flags: str, cwd=ROOT) -> subprocess.Popen:
    """Starts `python -m module flags...` as a user would."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
    )


def command(module: str, *flags: str, cwd=ROOT) -> subprocess.CompletedProcess:
    """Runs `python -m module flags...` and waits for it."""
    process = start(module, *flags, cwd=cwd)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def quick_command(tmp_path_factory):
    """Like `command`, but forks a process that has already imported the libraries.

    See tests/forks.py. The default working directory is the home directory, `quick_command.home`.
    """
    home = tmp_path_factory.mktemp("home")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forks"],
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", "HOME": str(home)
        },
    )  # fmt: skip

    def run(*words: str, cwd=home, **environment: str) -> subprocess.CompletedProcess:
        server.stdin.write(json.dumps([words, str(cwd), environment]) + "\n")
        server.stdin.flush()
        return subprocess.CompletedProcess(words, *json.loads(server.stdout.readline()))

    run.home = home
    run("reproduce.sample", "--help")  # libraries write files at their first start
    yield run
    server.stdin.close()
    server.wait(timeout=60)


@pytest.fixture(scope="session")
def digits_cache(tmp_path_factory):
    """A --cache_dir with a classifier of digits that was trained for only a few updates."""
    directory = str(tmp_path_factory.mktemp("classifiers"))
    config = resolve(RunConfig(cache_dir=directory))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "UPDATES", (5, 5))
        load_embedding(config, load_images(config), "classifier")
    return directory


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> train.Run:
    """A run of two iterations on digits. Tests that change files do so in a copy."""
    return train.train(
        RunConfig(
            minority_class="5", width=0.05, batch_size=8, iterations=2, checkpoint_every=1,
            runs_dir=str(tmp_path_factory.mktemp("finished")),
        )
    )  # fmt: skip


def copied(run: train.Run, runs_dir: Path) -> RunConfig:
    """Copies a run to another --runs_dir and returns its configuration there."""
    shutil.copytree(run.directory, runs_dir / run.directory.name)
    config = RunConfig.from_json((run.directory / "config.json").read_text(encoding="utf-8"))
    return dataclasses.replace(config, runs_dir=str(runs_dir))


HOLDER = """
import socket, sys
from rumi_tf.utils import locks
locks.LEASE, host = float(sys.argv[2]), sys.argv[3]
socket.gethostname = lambda: host
with locks.held_nowait(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(lock, host=None, lease=locks.LEASE):
    """Starts a process that holds a lock, on a machine called `host`."""
    command_line = [
        sys.executable,
        "-c",
        HOLDER,
        str(lock),
        str(lease),
        host or socket.gethostname(),
    ]
    lock.parent.mkdir(exist_ok=True)
    process = subprocess.Popen(
        command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()
