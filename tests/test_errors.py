"""Errors whose causes must be simulated: one line, the flag or value, and the exit code."""

import json
import socket

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.runs import directories, resolve
from rumi_tf.training import build, train
from rumi_tf.training.callbacks import StopOnNaN
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils import distribute
from rumi_tf.utils.errors import RumiError


def resolved(place, **values) -> RunConfig:
    fields = {"minority_class": "5", "width": 0.05, "batch_size": 8, "iterations": 2} | values
    return resolve.resolve(RunConfig(runs_dir=str(place / "runs"), **fields))


def raising(error):
    def stub(*_, **__):
        raise error

    return stub


# Each provokes an error: (an empty directory, monkeypatch).


def no_network(place, patch):
    patch.setattr(socket, "getaddrinfo", raising(OSError("unknown")))
    patch.setattr("urllib.request.getproxies", dict)
    load_images(resolved(place, dataset="mnist", data_dir=str(place)))


def interrupted_download(place, patch):
    (place / "mnist" / "3.0.1").mkdir(parents=True)
    (place / "mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    load_images(resolved(place, dataset="mnist", data_dir=str(place)))


def missing_module(place, patch):
    error = ModuleNotFoundError("No module named 'importlib_resources'")
    error.name = "importlib_resources"
    patch.setattr(tfds, "builder", raising(error))
    load_images(resolved(place, dataset="mnist", data_dir=str(place)))


def exceeded_quota(place, patch):
    patch.setattr("rumi_tf.data.loaders._check_reachable", lambda builder: None)
    error = tfds.download.DownloadError("Failed to get url: no quota left")
    patch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", raising(error))
    faces = {"dataset": "celeba", "data_dir": str(place), "minority_class": "Female"}
    load_images(resolved(place, **faces))


def out_of_memory(place, patch):
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nand more")
    patch.setattr(train, "_train", raising(error))
    train.train(resolved(place))


def infinite_loss(place, patch):
    checkpoints = Checkpoints(place, {"iteration": [tf.Variable(0)]})
    StopOnNaN([1], 9, checkpoints).act(7, {"d_loss": 0.5, "g_loss": float("nan")})


def changed_images(place, patch):
    config = resolved(place)
    images, _ = build.prepare(config)
    directory = directories.run_directory(config)
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(config.to_json())
    data = {"fingerprint": images.fingerprint, "images": len(images) - 1}
    (directory / "data.json").write_text(json.dumps(data))
    train.train(config)


def missing_tf_config(place, patch):
    patch.delenv("TF_CONFIG", raising=False)
    distribute.make_strategy("multi_worker")


def invalid_tf_config(place, patch):
    patch.setenv("TF_CONFIG", "{}")
    distribute.make_strategy("multi_worker")


def used_port(place, patch):
    cluster = {"worker": ["127.0.0.1:12345"]}
    patch.setenv(
        "TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    )
    error = tf.errors.UnknownError(None, None, "Could not start gRPC server")
    patch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", raising(error))
    distribute.make_strategy("multi_worker")


class DisagreeingWorkers(tf.distribute.MultiWorkerMirroredStrategy):
    """Two workers with different values."""

    def __init__(self):
        pass

    def run(self, function):
        return function()

    def gather(self, value, axis):
        return tf.concat([value, value + 1], axis)


def disagreeing_workers(place, patch):
    distribute.check_agreement(DisagreeingWorkers(), iteration=3)


def lost_worker(place, patch):
    error = tf.errors.UnavailableError(None, None, "connection reset")
    patch.setattr(train, "_reused_or_trained", raising(error))
    train.train(resolved(place))


@pytest.mark.parametrize(
    "cause, words, code",
    [
        (no_network, ("--data_dir", "mnist"), 2),
        (interrupted_download, ("--data_dir",), 2),
        (missing_module, ("--dataset", "importlib_resources"), 2),
        (exceeded_quota, ("--data_dir", "celeb_a"), 2),
        (out_of_memory, ("--batch_size", "--width"), 7),
        (infinite_loss, ("g_loss", "--learning_rate"), 5),
        (changed_images, ("--runs_dir",), 4),
        (missing_tf_config, ("--strategy", "TF_CONFIG"), 2),
        (invalid_tf_config, ("--strategy", "TF_CONFIG"), 2),
        (used_port, ("--strategy", "127.0.0.1:12345"), 2),
        (disagreeing_workers, ("--strategy", "iteration"), 2),
        (lost_worker, (), 6),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_error(cause, words, code, tmp_path, monkeypatch):
    with pytest.raises(RumiError) as caught:
        cause(tmp_path, monkeypatch)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert caught.value.exit_code == code
    assert "\n" not in message
