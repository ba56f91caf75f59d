"""Real processes, really killed."""

import dataclasses
import json
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.runs import directories, resolve
from rumi_tf.training import train
from rumi_tf.utils.errors import RunDamaged
from tests.conftest import command, copied, start

pytestmark = pytest.mark.slow
FLAGS = (
    "--dataset=digits", "--minority_class=5", "--width=0.1", "--batch_size=16",
    "--iterations=120", "--checkpoint_every=7", "--log_every=5", "--sample_every=30",
    "--d_augment=translation,cutout", "--generator_ema=0.99",
)  # fmt: skip


def only_run(runs_dir) -> Path:
    (directory,) = Path(runs_dir).iterdir()
    return directory


def checkpoint_numbers(runs_dir) -> list[int]:
    return [int(p.stem[5:]) for p in Path(runs_dir).glob("*/checkpoints/ckpt-*.index")]


def final_weights(directory) -> dict[str, np.ndarray]:
    last = max(checkpoint_numbers(directory.parent))
    reader = tf.train.load_checkpoint(str(directory / "checkpoints" / f"ckpt-{last}"))
    names = [n for n in reader.get_variable_to_shape_map() if "save_counter" not in n]
    return {n: reader.get_tensor(n) for n in names if "OBJECT_GRAPH" not in n}


def assert_same_run(one: Path, other: Path) -> None:
    a, b = final_weights(one), final_weights(other)
    assert a.keys() == b.keys() and len(a) > 50
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()
    for grid in (one / "samples").iterdir():
        assert grid.read_bytes() == (other / "samples" / grid.name).read_bytes()
    assert sorted(os.listdir(one)) == sorted(os.listdir(other))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    runs = tmp_path_factory.mktemp("whole")
    done = command("reproduce.train", *FLAGS, f"--runs_dir={runs}")
    assert done.returncode == 0, done.stderr
    return only_run(runs)


@pytest.mark.exhaustive  # tests/faults/test_kills.py has a shorter one
def test_killed_at_random_moments_it_ends_as_if_undisturbed(whole, tmp_path):
    """Each kill comes a random moment after a checkpoint that is written further on each time."""
    moments = random.Random(0)
    for iteration in (7, 35, 70, 105):
        process = start("reproduce.train", *FLAGS, f"--runs_dir={tmp_path}")
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if any(n >= iteration for n in checkpoint_numbers(tmp_path)):
                break
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = command("reproduce.train", *FLAGS, f"--runs_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "resumed at iteration" in done.stdout
    assert_same_run(whole, only_run(tmp_path))


@pytest.mark.exhaustive
def test_killed_while_exporting_it_exports_anew(whole, tmp_path):
    process = start("reproduce.train", *FLAGS, f"--runs_dir={tmp_path}")
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if list(tmp_path.glob("*/.tmp-*saved_model")):
            break
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (only_run(tmp_path) / "saved_model").exists()
    done = command("reproduce.train", *FLAGS, f"--runs_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert_same_run(whole, only_run(tmp_path))


def test_truncated_newest_checkpoint_costs_only_the_iterations_since_the_one_before(
    finished_run, tmp_path
):
    config = copied(finished_run, tmp_path)
    directory = directories.run_directory(config)
    for name in ("summary.json", "generator.keras"):
        (directory / name).unlink()
    os.truncate(directory / "checkpoints" / "ckpt-2.data-00000-of-00001", 1000)
    run = train.train(config)
    assert run.notes == ("ckpt-2 is damaged and was skipped", "resumed at iteration 1")
    assert_same_run(finished_run.directory, directory)


def test_a_finished_run_returns_at_once_and_touches_nothing(finished_run, quick_command):
    before = {p: p.stat().st_mtime_ns for p in finished_run.directory.rglob("*")}
    done = quick_command(
        "reproduce.train", "--dataset=digits", "--minority_class=5", "--width=0.05",
        "--batch_size=8", "--iterations=2", f"--runs_dir={finished_run.directory.parent}",
    )  # fmt: skip
    assert done.returncode == 0 and "nothing was trained" in done.stdout
    assert before == {p: p.stat().st_mtime_ns for p in finished_run.directory.rglob("*")}


@pytest.mark.exhaustive
def test_more_grids_and_fewer_checkpoints_do_not_disturb_training(whole, tmp_path):
    flags = (*FLAGS, "--sample_every=11", "--checkpoint_every=50", f"--runs_dir={tmp_path}")
    assert command("reproduce.train", *flags).returncode == 0
    a, b = final_weights(whole), final_weights(only_run(tmp_path))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_other_settings_in_a_run_directory_are_an_error(finished_run, tmp_path):
    config = copied(finished_run, tmp_path)
    directory = directories.run_directory(config)
    (directory / "summary.json").unlink()
    other = dataclasses.replace(config, seed=1)
    (directory / "config.json").write_text(other.to_json())
    with pytest.raises(RunDamaged, match="other settings"):
        train.train(config)


@pytest.mark.parametrize("content", ["", "{", '{"seed": "x"}', "[]"])
def test_a_damaged_config_is_named(finished_run, tmp_path, content):
    config = copied(finished_run, tmp_path)
    directory = directories.run_directory(config)
    (directory / "summary.json").unlink()
    (directory / "config.json").write_text(content)
    with pytest.raises(RunDamaged, match=r"config\.json"):
        train.train(config)


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda run: shutil.rmtree(run / "saved_model"), "saved_model"),
        pytest.param(
            lambda run: (run / "generator.keras").unlink(),
            "generator.keras is missing",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            lambda run: os.truncate(run / "generator.keras", 5000),
            "generator.keras is missing or d",
            marks=pytest.mark.exhaustive,
        ),
        (lambda run: os.truncate(run / "log.csv", 20), "log.csv"),
    ],
    ids=["no SavedModel", "no Keras file", "half a Keras file", "half a log"],
)
def test_missing_outputs_of_a_finished_run_are_reported_and_exported_again(
    damage, said, finished_run, tmp_path
):
    config = copied(finished_run, tmp_path)
    directory = directories.run_directory(config)
    damage(directory)
    with pytest.raises(RunDamaged, match=said) as caught:
        train.train(config)
    message = str(caught.value).replace("delete it", f"delete {directory / said}")
    *_, remedy = re.findall(r"delete (\S+)", message)
    Path(remedy).unlink()
    again = train.train(config)
    assert again.saved_model.is_dir() and train.train(config).reused
    assert (directory / "generator.keras").stat().st_size > 5000


def test_changed_images_are_another_run(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for k in range(3):
            Image.new("L", (28, 28), 50 * k).save(tmp_path / "images" / name / f"{k}.png")

    def directory():
        config = resolve.resolve(
            RunConfig(
                dataset="folder", data_dir=str(tmp_path / "images"), image_size=28,
                minority_class="a", runs_dir=str(tmp_path / "runs"),
            )
        )  # fmt: skip
        return directories.run_directory(config)

    before = directory()
    assert directory() == before
    Image.new("L", (28, 28), 255).save(tmp_path / "images" / "a" / "0.png")
    assert directory() != before


def test_run_directory_says_what_it_is(finished_run):
    whole = finished_run.directory
    config = RunConfig.from_json((whole / "config.json").read_text())
    assert (config.label_b_pos, config.split, config.minority_size) == (2.0, "unbalanced", 50)
    (first,) = json.loads((whole / "environment.json").read_text())["starts"]
    assert first["tensorflow"] == tf.__version__
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["iterations_timed"] == 1 and summary["milliseconds_per_iteration"] > 0
