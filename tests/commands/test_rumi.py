"""The command `rumi`, from a checkout and from an installed wheel."""

import os
import subprocess
import sys
import zipfile

import pytest

import rumi_tf
from rumi_tf.utils import cli, rumi
from tests.conftest import ROOT

CODE = "from rumi_tf.utils.rumi import main; main()"


def run(*words, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'rumi'; {CODE}", *words],
        cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def test_every_command_is_a_subcommand():
    modules = [f"{top}.{path.stem}" for top in ("reproduce", "figures")
               for path in (ROOT / top).glob("[a-z]*.py")]  # fmt: skip
    assert sorted(rumi.subcommands().values()) == sorted(modules)
    shown = run("--help")
    assert shown.returncode == 0
    assert all(f"  {name} " in shown.stdout for name in rumi.subcommands())


@pytest.mark.parametrize(
    "words, code, expected",
    [((), 2, "rumi SUBCOMMAND"), (("--version",), 0, rumi_tf.__version__),
     (("trian",), 2, "did you mean train?"), (("TRAIN",), 2, "did you mean train?"),
     (("help", "sample"), 0, "--saved_model"), (("xyz",), 2, "rumi --help"),
     (("train", "--no_such_flag"), 2, "no_such_flag")],
)  # fmt: skip
def test_exit_codes(words, code, expected):
    done = run(*words)
    assert done.returncode == code and expected in done.stdout + done.stderr
    assert code == 0 or not words or len(done.stderr.splitlines()) == 1


def test_usage_names_the_command_that_was_typed(monkeypatch):
    text = "python -m reproduce.train --x, python -m figures.figure2, a run of reproduce.train"
    assert cli.as_typed(text) == text
    monkeypatch.setattr(sys, "argv", ["rumi train"])
    assert cli.as_typed(text) == "rumi train --x, rumi figure2, a run of rumi train"


@pytest.mark.parametrize(
    "words",
    [
        ("--flagfile=flags/demo.flags",),
        pytest.param(("--flagfile", "flags/demo.flags"), marks=pytest.mark.exhaustive),
    ],
)
def test_a_flagfile_of_the_package_is_found_from_anywhere(words, tmp_path):
    words = ("train", "--dry_run", *words)
    done = run(*words, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0 and '"batch_size": 32' in done.stdout, done.stderr
    (tmp_path / "flags").mkdir()
    (tmp_path / "flags" / "demo.flags").write_text("--batch_size=7\n")
    done = run(*words, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert '"batch_size": 7' in done.stdout  # a file of the user comes first


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_wheel_contains_only_the_package_and_works_elsewhere(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    names = {path.name for path in (tmp_path / "site").iterdir() if path.suffix != ".dist-info"}
    assert names == {"rumi_tf"}
    words = ("table1", "--datasets=digits", "--classes=5", "--models=lsgan", "--smoke",
             "--iterations=2", f"--runs_dir={tmp_path / 'runs'}", f"--out={tmp_path / 'out'}",
             f"--cache_dir={tmp_path / 'cache'}")  # fmt: skip
    done = run(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0 and "LSGAN" in done.stdout, done.stderr
