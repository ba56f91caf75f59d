"""A run divided over devices or processes is the run on one device."""

import dataclasses
import json
import signal
import socket
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
from tests.train_on import small_embedding

# A slow rate: where the gradient is rounding alone, as of a bias before batch normalisation, Adam
# makes whole steps of it.
COMMON = {
    "dataset": "digits", "minority_class": "5", "width": 0.1, "batch_size": 8, "iterations": 5,
    "learning_rate": 1e-5, "log_every": 1, "checkpoint_every": 2, "eval_every": 5,
    "eval_samples": 250,
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
    """The one that `tests.train_on` evaluates by."""
    monkeypatch.setattr(evaluation, "load_embedding", lambda *_: small_embedding())


def config_of(objective, place, **values):
    places = {"runs_dir": str(place), "cache_dir": str(Path(place) / "cache")}
    return RunConfig(**{**COMMON, "objective": objective, **places, **RUNS[objective], **values})


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """Directory of the runs on one device, each of which is trained once."""
    return tmp_path_factory.mktemp("one")


def write(config, path):
    path.write_text(config.to_json(), encoding="utf-8")
    return str(path)


def train_on(run, devices, place, *configs):
    """Trains runs on so many logical CPUs; `run` is `quick_command`."""
    paths = [write(config, place / f"run{k}.json") for k, config in enumerate(configs)]
    done = run("tests.train_on", str(devices), *paths)
    assert done.returncode == 0, done.stderr


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
def test_two_devices_train_what_one_trains(name, one_device, quick_command, tmp_path):
    alone = config_of(name, one_device)
    both = config_of(name, tmp_path / "two", strategy="mirrored")
    train.train(alone)
    train_on(quick_command, 2, tmp_path, both)
    assert_equal_runs(alone, both)
    assert_measured_as_on_one_device(both)
    environment = directories.run_directory(resolve.resolve(both)) / "environment.json"
    assert json.loads(environment.read_text())["starts"][0]["replicas"] == 2


@pytest.mark.exhaustive
@pytest.mark.slow
def test_two_devices_agree_with_one_in_bfloat16_to_its_rounding(quick_command, tmp_path):
    values = {"precision": "mixed_bfloat16", "iterations": 2, "eval_every": 0}
    alone = config_of("rumi_lsgan", tmp_path / "one", **values)
    both, parts = (
        config_of("rumi_lsgan", tmp_path / name, strategy="mirrored", sync_batch_norm=sync,
                  **values)
        for name, sync in (("two", True), ("parts", False))
    )  # fmt: skip
    train.train(alone)
    train_on(quick_command, 2, tmp_path, both, parts)
    one, two, other = (_losses(config) for config in (alone, both, parts))
    assert np.abs(two / one - 1).max() < 3e-3 < np.abs(other / one - 1).max()


def _losses(config):
    rows = read_csv(directories.run_directory(resolve.resolve(config)) / "log.csv")
    return np.array([[float(row["d_loss"]), float(row["g_loss"])] for row in rows])


@pytest.mark.slow
@pytest.mark.exhaustive
def test_without_synchronisation_batch_norm_sees_a_part_of_the_batch(quick_command, tmp_path):
    """So the flag does something, and the comparisons above can fail. What is exported is what was
    evaluated all the same: moving statistics are those of all devices.
    """
    runs = [
        config_of("rumi_lsgan", tmp_path, strategy="mirrored", sync_batch_norm=sync)
        for sync in (True, False)
    ]
    train_on(quick_command, 2, tmp_path, *runs)
    whole, parts = (
        float(read_csv(directories.run_directory(resolve.resolve(c)) / "log.csv")[0]["d_loss"])
        for c in runs
    )
    assert abs(whole - parts) > 1e-3
    assert_measured_as_on_one_device(runs[1])


@pytest.mark.slow
def test_two_processes_train_what_one_trains_also_if_one_is_killed_on_the_way(
    one_device, quick_command, tmp_path
):
    # A small graph, since four processes make it; batch norm of the generator is synchronised.
    small = {"d_augment": (), "generator_ema": 0.0, "d_batch_norm": "none",
             "d_schedule": "joint", "d_steps": 1}  # fmt: skip
    alone = config_of("rumi_lsgan", one_device, **small)
    both = config_of("rumi_lsgan", tmp_path / "two", strategy="multi_worker", **small)
    train.train(alone)
    pair = ("tests.train_two", write(both, tmp_path / "run.json"))
    killed = quick_command(*pair, "3")  # at iteration 3, after the checkpoint of iteration 2
    assert json.loads(killed.stdout) == [1, -signal.SIGKILL], killed.stderr
    assert "WorkerLost: another worker of this run has ended" in killed.stderr
    run = directories.run_directory(resolve.resolve(both))
    assert not (run / "summary.json").exists()
    again = quick_command(*pair)
    assert json.loads(again.stdout) == [0, 0], again.stderr
    assert json.loads((run / "summary.json").read_text())["resumed_at"] == 2
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
def test_a_port_that_another_process_has_is_one_line(tmp_path, quick_command):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        name = f"127.0.0.1:{other.getsockname()[1]}"
        cluster = {"worker": [name, "127.0.0.1:9"]}
        place = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
        flags = ("--dataset=digits", "--minority_class=5", f"--runs_dir={tmp_path / 'runs'}")
        run = quick_command(
            "reproduce.train", "--strategy=multi_worker", *flags, TF_CONFIG=json.dumps(place)
        )
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
