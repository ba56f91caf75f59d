"""A run divided over devices or processes is the run on one device."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation import evaluator as evaluation
from rumi_tf.export.sampler import evaluation_batches, load_sampler
from rumi_tf.runs import directories, outputs, resolve
from rumi_tf.training import build, train
from rumi_tf.utils import distribute
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv
from rumi_tf.utils.rng import normal
from tests.conftest import ROOT, command
from tests.train_on import small_embedding

# A slow rate: where the gradient is rounding alone, as of a bias before batch normalisation, Adam
# makes whole steps of it.
COMMON = {
    "dataset": "digits", "minority_class": "5", "width": 0.1, "batch_size": 8, "iterations": 5,
    "learning_rate": 1e-5, "log_every": 1, "eval_every": 5, "eval_samples": 250,
}  # fmt: skip
RUNS = {
    "rumi_lsgan": {
        "d_augment": ("flip", "color", "translation", "cutout"), "generator_ema": 0.3,
    },
    "uacgan": {"mi_gradient_clip": True, "label_distribution": "frequency"},
    "rumi_dragan": {"d_batch_norm": "none", "fakes": "fresh", "update": "simultaneous"},
    "rumi_wgan": {"d_batch_norm": "none"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def embedding(monkeypatch):
    """The one that the processes of `start` evaluate by."""
    monkeypatch.setattr(evaluation, "load_embedding", lambda *_: small_embedding())


def config_of(objective, place, **values):
    places = {"runs_dir": str(place), "cache_dir": str(Path(place) / "cache")}
    return RunConfig(**{**COMMON, "objective": objective, **places, **RUNS[objective], **values})


def start(place, devices, configs, **environment):
    """A process that trains the runs on so many logical CPUs."""
    paths = []
    for k, config in enumerate(configs):
        paths.append(place / f"run{k}.json")
        paths[-1].write_text(config.to_json(), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train_on", str(devices), *map(str, paths)],
        cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment},
    )  # fmt: skip


def ends(process, code=0):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    return errors


def _moments(directory, iteration):
    """Adam's moments of the last checkpoint, those of squares as their roots."""
    reader = tf.train.load_checkpoint(str(directory / "checkpoints" / f"ckpt-{iteration}"))
    names = [n for n in reader.get_variable_to_shape_map() if "_optimizer/" in n]
    values = {n: reader.get_tensor(n) for n in names}
    return {n: np.sqrt(v) if (v >= 0).all() else v for n, v in values.items()}


def assert_equal_runs(config, other):
    """The same losses and the same generator, to 1e-5."""
    one, two = (directories.run_directory(resolve.resolve(c)) for c in (config, other))
    assert one.name == two.name
    logs = [
        [[float(v) for v in row.values()] for row in read_csv(d / "log.csv")] for d in (one, two)
    ]
    np.testing.assert_allclose(*logs, rtol=1e-5, atol=1e-5)
    a, b = (keras.saving.load_model(d / "generator.keras") for d in (one, two))
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
    # The weights hardly tell a gradient from its double: Adam divides by its size.
    moments = [_moments(d, config.iterations) for d in (one, two)]
    for name, x in moments[0].items():
        atol = 0.01 * np.abs(x).max() + 2e-6
        np.testing.assert_allclose(x, moments[1][name], atol=atol, err_msg=name)
    noise = normal((16, config.latent_dim), 0, "test", 0)
    inputs = (noise, np.arange(16) % 10) if config.objective == "uacgan" else noise
    np.testing.assert_allclose(a(inputs), b(inputs), atol=1e-5)


def assert_measured_as_on_one_device(config):
    """Its rows are those of the images of its exported generator, made by one device."""
    config = resolve.resolve(config)
    images, split = build.prepare(config)
    evaluator = evaluation.Evaluator.for_run(config, images, split)
    sampler = load_sampler(directories.run_directory(config) / "saved_model")
    labels = None
    if sampler.conditional:
        labels = evaluation.requested_classes(evaluator.protocol, split)
    batches = evaluation_batches(
        sampler.generate, sampler.latent_dim, config.eval_samples, config.seed, config.iterations,
        labels,
    )  # fmt: skip
    found = evaluator(batches, labels=labels)
    rows = {row.metric: row for row in outputs.last_rows(config)}
    assert rows["fd_classifier"].n_generated == config.eval_samples
    assert len(rows) == len(found.measurements)
    for m in found.measurements:
        assert rows[m.metric].value == pytest.approx(m.value, rel=1e-5), m.metric


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["rumi_lsgan", *(pytest.param(n, marks=pytest.mark.exhaustive) for n in [*RUNS][1:])]
)
def test_two_devices_train_what_one_trains(name, tmp_path):
    alone = config_of(name, tmp_path / "one")
    both = config_of(name, tmp_path / "two", strategy="mirrored")
    train.train(alone)
    ends(start(tmp_path, 2, [both]))
    assert_equal_runs(alone, both)
    assert_measured_as_on_one_device(both)
    environment = directories.run_directory(resolve.resolve(both)) / "environment.json"
    assert json.loads(environment.read_text())["starts"][0]["replicas"] == 2


@pytest.mark.exhaustive
@pytest.mark.slow
def test_two_devices_agree_with_one_in_bfloat16_to_its_rounding(tmp_path):
    values = {"precision": "mixed_bfloat16", "iterations": 2, "eval_every": 0}
    alone = config_of("rumi_lsgan", tmp_path / "one", **values)
    both, parts = (
        config_of("rumi_lsgan", tmp_path / name, strategy="mirrored", sync_batch_norm=sync,
                  **values)
        for name, sync in (("two", True), ("parts", False))
    )  # fmt: skip
    train.train(alone)
    ends(start(tmp_path, 2, [both, parts]))
    one, two, other = (_losses(config) for config in (alone, both, parts))
    assert np.abs(two / one - 1).max() < 3e-3 < np.abs(other / one - 1).max()


def _losses(config):
    rows = read_csv(directories.run_directory(resolve.resolve(config)) / "log.csv")
    return np.array([[float(row["d_loss"]), float(row["g_loss"])] for row in rows])


@pytest.mark.slow
@pytest.mark.exhaustive
def test_without_synchronisation_batch_norm_sees_a_part_of_the_batch(tmp_path):
    """So the flag does something, and the comparisons above can fail. What is exported is what was
    evaluated all the same: moving statistics are those of all devices.
    """
    runs = [
        config_of("rumi_lsgan", tmp_path, strategy="mirrored", sync_batch_norm=sync)
        for sync in (True, False)
    ]
    ends(start(tmp_path, 2, runs))
    whole, parts = (
        float(read_csv(directories.run_directory(resolve.resolve(c)) / "log.csv")[0]["d_loss"])
        for c in runs
    )
    assert abs(whole - parts) > 1e-3
    assert_measured_as_on_one_device(runs[1])


def cluster():
    """TF_CONFIG of two workers on this machine, by worker."""
    places = [socket.socket() for _ in range(2)]
    for place in places:
        place.bind(("127.0.0.1", 0))
    names = [f"127.0.0.1:{place.getsockname()[1]}" for place in places]
    for place in places:
        place.close()
    return [
        json.dumps({"cluster": {"worker": names}, "task": {"type": "worker", "index": k}})
        for k in range(2)
    ]


@pytest.mark.slow
def test_two_processes_train_what_one_trains_also_if_one_is_killed_on_the_way(tmp_path):
    values = {"iterations": 40, "checkpoint_every": 5, "learning_rate": 1e-6, "eval_every": 40}
    alone = config_of("rumi_lsgan", tmp_path / "one", **values)
    both = config_of("rumi_lsgan", tmp_path / "two", strategy="multi_worker", **values)
    train.train(alone)
    pair = [start(tmp_path, 1, [both], TF_CONFIG=place) for place in cluster()]
    run, until = directories.run_directory(resolve.resolve(both)), time.monotonic() + 200
    while not list(run.glob("checkpoints/ckpt-*5.index")) and time.monotonic() < until:
        assert pair[0].poll() is None, pair[0].stderr.read()
        time.sleep(0.01)
    pair[1].kill()
    assert pair[0].poll() is None, "it ended before the other could be killed"
    pair[1].communicate()
    assert "WorkerLost: another worker of this run has ended" in ends(pair[0], code=1)
    assert not (run / "summary.json").exists()
    pair = [start(tmp_path, 1, [both], TF_CONFIG=place) for place in cluster()]
    for process in pair:
        ends(process)
    assert json.loads((run / "summary.json").read_text())["resumed_at"] >= 5
    assert_equal_runs(alone, both)
    assert_measured_as_on_one_device(both)


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "needs the environment variable TF_CONFIG"),
        ("{", "TF_CONFIG is not"),
        ("[]", "TF_CONFIG is not"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG is not"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "below the"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}', "below the"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "TF_CONFIG is"),
        ('{"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}', "TF_CONFIG is"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "TF_CONFIG is"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "TF_CONFIG is not"),
    ],
)
def test_a_cluster_that_is_not_described_is_one_line(monkeypatch, value, words):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("TF_CONFIG", value)
    with pytest.raises(InvalidInput, match=f"--strategy: .*{words}"):
        distribute.make_strategy("multi_worker")


@pytest.mark.slow
def test_a_port_that_another_process_has_is_one_line(tmp_path, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        name = f"127.0.0.1:{other.getsockname()[1]}"
        cluster = {"worker": [name, "127.0.0.1:9"]}
        place = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(place))
        flags = ("--dataset=digits", "--minority_class=5", f"--runs_dir={tmp_path / 'runs'}")
        run = command("reproduce.train", "--strategy=multi_worker", *flags)
    assert run.returncode == 2 and f"cannot be reached at {name}" in run.stderr.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_a_batch_must_be_divisible_over_the_devices():
    with pytest.raises(InvalidInput, match="--batch_size: is 8, not a multiple of the 3 devices"):
        resolve.check_batch_divides(config_of("rumi_lsgan", "runs"), 3)


def test_what_does_not_go_with_a_strategy_is_refused():
    for flag, values in (
        ("jit", {"jit": "on", "strategy": "mirrored"}),
        ("sync_batch_norm", {"sync_batch_norm": False}),
    ):
        with pytest.raises(InvalidInput, match=f"--{flag}: "):
            resolve.resolve(config_of("rumi_lsgan", "runs", **values))


def test_the_strategy_is_no_part_of_what_a_run_is():
    config = config_of("rumi_lsgan", "runs")
    assert dataclasses.replace(config, strategy="mirrored").hash() == config.hash()
    assert dataclasses.replace(config, sync_batch_norm=False).hash() != config.hash()
