"""Every message that docs/troubleshooting.md quotes is what the program says, and nothing else."""

import dataclasses
import json
import re
import socket

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import flags
from PIL import Image

from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import explain
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings import load_inception
from rumi_tf.runs import directories, resolve
from rumi_tf.training import build, train
from rumi_tf.training.callbacks import StopOnNaN
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils import distribute
from rumi_tf.utils.errors import RumiError
from tests import pages
from tests.conftest import ROOT, holder
from tests.data import test_celeba

TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = [
    line
    for block in pages.fenced(TEXT, "")
    if not block.startswith("DIR/")
    for line in block.splitlines()
]


def pattern(line: str) -> re.Pattern:
    """A line of the page; what is in angle brackets stands for words of one's own."""
    return re.compile(".+".join(map(re.escape, re.split(r"<[^<>]+>", line))))


def config(place, **values) -> RunConfig:
    given = {"minority_class": "5", "width": 0.05, "batch_size": 8, "iterations": 2} | values
    return RunConfig(runs_dir=str(place / "runs"), **given)


def raising(error):
    def stand_in(*_, **__):
        raise error

    return stand_in


def folder(place):
    for label in "ab":
        (place / label).mkdir(parents=True)
        for k in range(4):
            Image.new("L", (32, 32), 9 + k).save(place / label / f"{k}.png")


def trained(place, **values):
    return train.train(config(place, **values))


# Each makes the program say something: (an empty directory, monkeypatch) -> what then raises.


def no_weights(place, patch):
    patch.setattr(keras.applications, "InceptionV3", raising(OSError("no network")))
    return load_inception("inception")


def wrong_weights(place, patch):
    (place / "file.h5").write_text("no weights")
    small = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    patch.setattr(keras.applications, "InceptionV3", lambda **_: small)  # its real size takes long
    return load_inception("inception", str(place / "file.h5"))


def no_network(place, patch):
    patch.setattr(socket, "getaddrinfo", raising(OSError("unknown")))
    patch.setattr("urllib.request.getproxies", dict)
    return trained(place, dataset="mnist", data_dir=str(place))


def damaged_copy(place, patch):
    (place / "mnist" / "3.0.1").mkdir(parents=True)
    (place / "mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    return trained(place, dataset="mnist", data_dir=str(place))


def no_module(place, patch):
    lacking = ModuleNotFoundError("No module named 'importlib_resources'")
    lacking.name = "importlib_resources"
    patch.setattr(tfds, "builder", raising(lacking))
    return trained(place, dataset="mnist", data_dir=str(place))


def no_quota(place, patch):
    patch.setattr("rumi_tf.data.loaders._check_reachable", lambda builder: None)
    refused = tfds.download.DownloadError("Failed to get url: no quota left")
    patch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", raising(refused))
    return load_images(faces(place))


def faces(place, **values) -> RunConfig:
    return resolve.resolve(
        config(place, dataset="celeba", data_dir=str(place), minority_class="Female", **values)
    )


def no_faces(place, patch):
    test_celeba.write_tree(place)
    (place / "img_align_celeba").rename(place / "elsewhere")
    return load_images(faces(place))


def fewer_faces(place, patch):
    test_celeba.write_tree(place)
    (place / "img_align_celeba" / "000002.jpg").unlink()
    return load_images(faces(place))


def no_attribute(place, patch):
    test_celeba.write_tree(place)
    return load_images(faces(place, attribute="wearing_hat"))


def broken_face(place, patch):
    test_celeba.write_tree(place)
    broken = place / "img_align_celeba" / "000004.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    images = load_images(faces(place))
    try:
        images.gather(np.arange(len(images)))
    except tf.errors.OpError as error:
        explain(error, images)


def no_classes(place, patch):
    (place / "own").mkdir()
    return trained(place, dataset="folder", data_dir=str(place / "own"), minority_class="a")


def broken_image(place, patch):
    folder(place / "own")
    (place / "own" / "a" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    return trained(place, dataset="folder", data_dir=str(place / "own"), minority_class="a")


def odd_size(place, patch):
    return trained(place, image_size=48)


def no_memory(place, patch):
    full = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nand more")
    patch.setattr(train, "_train", raising(full))
    return trained(place)


def diverging(place, patch):
    checkpoints = Checkpoints(place, {"iteration": [tf.Variable(0)]})
    return StopOnNaN([1], 9, checkpoints).act(7, {"d_loss": 0.5, "g_loss": float("nan")})


def busy(place, patch):
    directory = directories.run_directory(resolve.resolve(config(place)))
    directory.mkdir(parents=True)
    with holder(directory / "lock"):
        return trained(place)


def claimed(place, **before):
    """The directory of a run, begun with other settings."""
    directory = directories.run_directory(resolve.resolve(config(place)))
    images, _ = build.prepare(resolve.resolve(config(place)))
    directory.mkdir(parents=True)
    other = dataclasses.replace(resolve.resolve(config(place)), **before)
    (directory / "config.json").write_text(other.to_json())
    data = {"fingerprint": images.fingerprint, "images": len(images) - (not before)}
    (directory / "data.json").write_text(json.dumps(data))


def other_settings(place, patch):
    claimed(place, learning_rate=0.5)
    return trained(place)


def other_images(place, patch):
    claimed(place)
    return trained(place)


def no_cluster(place, patch):
    patch.delenv("TF_CONFIG", raising=False)
    return distribute.make_strategy("multi_worker")


def odd_cluster(place, patch):
    patch.setenv("TF_CONFIG", "{}")
    return distribute.make_strategy("multi_worker")


def busy_port(place, patch):
    def begin():
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    cluster = {"worker": ["127.0.0.1:12345"]}
    place = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    patch.setenv("TF_CONFIG", json.dumps(place))
    patch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", begin)
    return distribute.make_strategy("multi_worker")


class Pair(tf.distribute.MultiWorkerMirroredStrategy):
    """Of two workers, whose values are not the same."""

    def __init__(self):
        pass

    def run(self, function):
        return function()

    def gather(self, own, axis):
        return tf.concat([own, own + 1], axis)


def unequal_workers(place, patch):
    return distribute.check_agreement(Pair(), iteration=3)


def odd_batch(place, patch):
    return resolve.check_parts(config(place, batch_size=9), 2)


def lost_worker(place, patch):
    gone = tf.errors.UnavailableError(None, None, "connection reset")
    patch.setattr(train, "_reused_or_trained", raising(gone))
    return trained(place)


def forgotten_dataset(place, patch):
    values = flags.FlagValues()
    define_flags(values)
    values(["train", f"--data_dir={place}"])
    return RunConfig.from_flags(values)


CASES = {
    "has no effect": (forgotten_dataset, 2),
    "are not on this machine": (no_weights, 2),
    "does not hold weights": (wrong_weights, 2),
    "mnist is not prepared": (no_network, 2),
    "cannot be read (<error>)": (damaged_copy, 2),
    "TensorFlow Datasets cannot be used": (no_module, 2),
    "celeb_a is not prepared": (no_quota, 2),
    "no img_align_celeba": (no_faces, 2),
    "are not in <directory>": (fewer_faces, 2),
    "did you mean": (no_attribute, 2),
    "cannot be decoded": (broken_face, 2),
    "sub-folders": (no_classes, 2),
    "images in <directory> cannot be read": (broken_image, 2),
    "--image_size": (odd_size, 2),
    "memory ran out": (no_memory, 7),
    "NaN or infinite": (diverging, 5),
    "another process": (busy, 3),
    "other settings": (other_settings, 4),
    "the images have changed": (other_images, 4),
    "needs the environment variable": (no_cluster, 2),
    "TF_CONFIG is not": (odd_cluster, 2),
    "this worker cannot be reached": (busy_port, 2),
    "the workers differ": (unequal_workers, 2),
    "--batch_size: is 9": (odd_batch, 2),
    "another worker": (lost_worker, 6),
}


@pytest.mark.parametrize("words", CASES)
def test_what_is_quoted_is_what_is_said(words, tmp_path, monkeypatch):
    (quote,) = (line for line in QUOTED if words in line)
    cause, code = CASES[words]
    with pytest.raises(RumiError) as caught:
        cause(tmp_path, monkeypatch)
    said = " ".join(str(caught.value).split())  # as the commands print it
    assert pattern(quote).fullmatch(said), said
    assert caught.value.exit_code == code


def test_every_message_is_said_by_something():
    assert len(QUOTED) == len(CASES)
    for line in QUOTED:
        assert sum(words in line for words in CASES) == 1, line


def test_a_pattern_takes_other_words_in_the_gaps_alone():
    found = pattern("--data_dir: <directory> holds <n> files")
    assert found.fullmatch("--data_dir: /a b/c holds 3 files")
    assert not found.fullmatch("--data_dir: /a b/c has 3 files")


def test_every_exit_code_has_its_place_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = re.search(r"\*\*Exit codes\.\*\*(.*?)\n\n", readme, re.DOTALL)[1]
    for code in {kind.exit_code for kind in RumiError.__subclasses__()}:
        assert re.search(rf"[ ;\n]{code} [a-z]", codes), code
