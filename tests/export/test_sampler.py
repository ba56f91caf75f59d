import dataclasses
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from rumi_tf.export.sampler import (
    evaluation_batches,
    evaluation_outputs,
    load_sampler,
    to_bytes,
)
from rumi_tf.export.write import export_keras, export_saved_model, write_images
from rumi_tf.networks.conditional import ConditionalGenerator
from rumi_tf.networks.dcgan import Generator
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import normal
from tests.conftest import ROOT, command


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    directory = tmp_path_factory.mktemp("export")
    generator = Generator(network="mnist", image_shape=(28, 28, 1), latent_dim=9, width=0.1)
    metadata = {"config": {"objective": "lsgan", "dataset": "digits", "iterations": 1200}}
    export_saved_model(generator, directory / "saved_model", metadata)
    export_keras(generator, directory / "g.keras")
    return generator, directory


def test_saved_model_and_keras_file_equal_the_generator(exported):
    generator, directory = exported
    noise = tf.random.normal((5, 9))
    expected = generator(noise, training=False).numpy()
    sampler = load_sampler(directory / "saved_model")
    np.testing.assert_allclose(sampler.generate(noise), expected, atol=1e-6)
    loaded = keras.models.load_model(directory / "g.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(noise, training=False), expected, atol=1e-6)
    assert sampler.title() == "lsgan, digits, iteration 1,200"
    sampler.metadata["iteration"] = 300
    assert sampler.title() == "lsgan, digits, iteration 300"
    sampler.metadata["iteration"] = "300"
    assert sampler.iteration is None and sampler.title() == "generated images"


def test_image_k_of_a_seed_does_not_depend_on_the_number_of_images(exported):
    sampler = load_sampler(exported[1] / "saved_model")
    many = sampler.sample(230, seed=4)
    assert many.shape == (230, 28, 28, 1)
    np.testing.assert_array_equal(sampler.sample(7, seed=4), many[:7])
    assert not np.array_equal(sampler.sample(7, seed=5), many[:7])
    assert np.abs(many[:100] - many[100:200]).max() > 1e-3


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    directory = tmp_path_factory.mktemp("conditional")
    generator = ConditionalGenerator(
        network="mnist", image_shape=(28, 28, 1), num_classes=3, latent_dim=9, width=0.1
    )
    metadata = {"class_names": ["cat", "dog", "Owl"], "num_classes": 3, "trained_classes": [0, 2]}
    export_saved_model(generator, directory / "saved_model", metadata)
    export_keras(generator, directory / "g.keras")
    return generator, directory


def test_conditional_model_generates_the_requested_class(conditional):
    generator, directory = conditional
    sampler = load_sampler(directory / "saved_model")
    assert sampler.conditional and sampler.latent_dim == 9
    noise = normal((100, 9), 4, "sample", 0)
    for label in (0, 2):
        expected = generator((noise, tf.fill([100], label)), training=False)
        images = sampler.sample(100, 4, label)
        np.testing.assert_allclose(images, expected, atol=1e-6)
    np.testing.assert_array_equal(sampler.sample(7, 4, 2), images[:7])
    with pytest.raises(InvalidInput, match=r"--label.*cat, Owl"):
        sampler.sample(2, 4, 1)
    by_class = [sampler.sample(150, 4, label) for label in (0, 2)]
    alternating = sampler.sample(150, 4)  # the trained classes in turn
    np.testing.assert_allclose(alternating[::2], by_class[0][::2], atol=1e-6)
    np.testing.assert_allclose(alternating[1::2], by_class[1][1::2], atol=1e-6)
    np.testing.assert_allclose(alternating, sampler.sample(150, 4, (0, 2)), atol=1e-6)
    assert np.abs(by_class[0] - by_class[1]).max() > 1e-4


def test_signature_of_a_conditional_model(conditional):
    model = tf.saved_model.load(str(conditional[1] / "saved_model"))
    (_, inputs) = model.signatures["serve"].structured_input_signature
    assert {n: (s.shape.as_list(), s.dtype) for n, s in inputs.items()} == {
        "noise": ([None, 9], tf.float32), "label": ([None], tf.int32),
    }  # fmt: skip


def test_labels_by_name_and_index(conditional, exported):
    sampler = load_sampler(conditional[1] / "saved_model")
    assert [sampler.label(n) for n in ("dog", "2", "OWL")] == [1, 2, 2]
    for bad in ("bird", "3", "-1"):
        with pytest.raises(InvalidInput, match=r"--label.*cat, dog, Owl"):
            sampler.label(bad)
    with pytest.raises(InvalidInput, match=r"--label.*0 to 2"):
        sampler.sample(1, 0, 3)
    unconditional = load_sampler(exported[1] / "saved_model")
    for call in (lambda: unconditional.label("1"), lambda: unconditional.sample(1, 0, 1)):
        with pytest.raises(InvalidInput, match="--label"):
            call()


@pytest.mark.slow
def test_label_flag(conditional, exported, tmp_path, quick_command):
    model = f"--saved_model={conditional[1] / 'saved_model'}"
    out = tmp_path / "s.npz"
    done = quick_command("reproduce.sample", model, "--num=3", "--label=Owl", f"--npz={out}")
    assert done.returncode == 0, done.stderr
    expected = to_bytes(load_sampler(conditional[1] / "saved_model").sample(3, 0, 2))
    np.testing.assert_array_equal(np.load(out)["images"], expected)
    assert np.load(out)["labels"].tolist() == [2, 2, 2]
    out.unlink()
    unconditional = f"--saved_model={exported[1] / 'saved_model'}"
    for model_flag, label in ((model, "bird"), (model, "dog"), (unconditional, "1")):
        done = quick_command("reproduce.sample", model_flag, f"--label={label}", f"--npz={out}")
        assert done.returncode == 2 and not out.exists()
        assert len(done.stderr.splitlines()) == 1 and "--label" in done.stderr


def test_a_label_can_be_a_name(conditional):
    sampler = load_sampler(conditional[1] / "saved_model")
    np.testing.assert_array_equal(sampler.sample(3, label="Owl"), sampler.sample(3, 0, 2))
    with pytest.raises(ValueError, match="num"):
        sampler.sample(0)
    with pytest.raises(InvalidInput, match="--label"):
        sampler.sample(1, label="bird")


def test_images_are_the_samples_in_a_folder_per_class(conditional, exported, tmp_path):
    for saved, folders in ((conditional, ["Owl", "cat"]), (exported, [])):
        sampler, out = load_sampler(saved[1] / "saved_model"), tmp_path / f"out{len(folders)}"
        write_images(sampler, out, 103, seed=4)
        assert sorted(path.name for path in out.iterdir() if path.is_dir()) == folders
        files = sorted(out.rglob("*.png"), key=lambda path: path.name)
        assert [path.name for path in files] == [f"seed4_{k:07d}.png" for k in range(103)]
        pixels = np.stack([np.asarray(Image.open(path)) for path in files])
        np.testing.assert_array_equal(pixels, to_bytes(sampler.sample(103, 4))[..., 0])
        if folders:
            names = [sampler.class_names[k] for k in sampler.labels(103)]
            assert [path.parent.name for path in files] == names
            write_images(dataclasses.replace(sampler, metadata={}), tmp_path / "numbers", 1, 0, [1])
            assert [path.name for path in (tmp_path / "numbers").iterdir()] == ["1"]


@pytest.mark.slow
def test_images_need_a_new_directory(exported, tmp_path, quick_command):
    model = f"--saved_model={exported[1] / 'saved_model'}"
    flag = f"--images={tmp_path / 'out'}"
    assert quick_command("reproduce.sample", model, "--num=2", flag).returncode == 0
    again = quick_command("reproduce.sample", model, "--num=2", flag)
    assert again.returncode == 2 and len(again.stderr.splitlines()) == 1
    assert "--images" in again.stderr


def test_to_bytes_covers_the_range():
    values = np.array([-1.5, -1, 0, 1, 2.0])
    assert to_bytes(values).tolist() == [0, 0, 128, 255, 255]


def test_command_is_deterministic(exported, tmp_path):
    model = f"--saved_model={exported[1] / 'saved_model'}"
    for name in ("a", "b"):
        done = command(
            "reproduce.sample", model, "--num=10", "--seed=3", f"--npz={tmp_path / name}.npz",
            f"--grid={tmp_path / name}.png",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(tmp_path / f"{name}.png"), str(tmp_path / f"{name}.npz")]
    first, second = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("a", "b"))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (10, 28, 28, 1) and first.dtype == np.uint8
    np.testing.assert_array_equal(
        first, to_bytes(load_sampler(exported[1] / "saved_model").sample(10, 3))
    )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size[0] > 200


@pytest.mark.parametrize("labels", [None, [7, 2, 5]])
def test_evaluation_outputs_equal_the_embedding_of_evaluation_batches(labels):
    """Includes a last chunk that is not full, and an output without columns."""

    def generate(noise, label=None):
        images = tf.reshape(tf.tanh(noise), (-1, 2, 2, 1))
        return images if label is None else images + tf.cast(label, tf.float32)[:, None, None, None]

    def embed(images):
        flat = tf.reshape(images, (-1, 4))
        return {"features": flat**2, "scores": flat[:, :0], "classes": flat[:, :1]}

    strategy = tf.distribute.get_strategy()
    stream = evaluation_outputs(generate, embed, 4, 3, labels, strategy)
    for iteration, num in ((2, 230), (9, 100), (4, 1)):
        parts = list(stream(iteration, num))
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        images = np.concatenate([*evaluation_batches(generate, 4, num, 3, iteration, labels)])
        flat = images.reshape(num, 4)
        np.testing.assert_allclose(outputs["features"], flat**2, rtol=1e-6)
        np.testing.assert_array_equal(outputs["classes"], flat[:, :1])
        assert outputs["scores"].shape == (num, 0)
        expected_labels = np.zeros(num) if labels is None else np.resize(labels, num)
        assert (np.abs(flat - expected_labels[:, None]) <= 1).all()


def test_sampling_does_not_import_the_training_code(exported):
    code = (
        "import sys; from rumi_tf.export.sampler import load_sampler; "
        f"load_sampler({str(exported[1] / 'saved_model')!r}).sample(2, 0); "
        "import reproduce.sample; "
        "print(*(m for m in sys.modules if m.startswith('rumi_tf.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    imported = done.stdout.split()
    assert "rumi_tf.export.sampler" in imported, done.stderr
    packages = {name.split(".")[1] for name in imported}
    assert not packages & {"networks", "objectives", "evaluation", "runs", "training"}
    assert [name for name in imported if name.startswith("rumi_tf.data.")] == [
        "rumi_tf.data.class_names"
    ]


def test_a_model_that_is_not_a_generator_is_rejected(tmp_path):
    class Adder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((3,))])
        def serve(self, x):
            return x + 1

    module = Adder()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serve": module.serve})
    with pytest.raises(InvalidInput, match=str(tmp_path / "m")):
        load_sampler(tmp_path / "m")
    tf.saved_model.save(module, str(tmp_path / "n"))
    with pytest.raises(InvalidInput, match=str(tmp_path / "n")):
        load_sampler(tmp_path / "n")
    shutil.copytree(tmp_path / "m", tmp_path / "p")
    next((tmp_path / "p" / "variables").glob("*.data*")).write_bytes(b"")
    with pytest.raises(InvalidInput, match=str(tmp_path / "p")):
        load_sampler(tmp_path / "p")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "saved_model.pb").write_bytes(b"\x08\x01 nonsense")
    with pytest.raises(InvalidInput, match=r"saved_model\.pb is damaged"):
        load_sampler(tmp_path / "o")


def test_the_parent_directory_as_model_gets_a_hint(exported):
    with pytest.raises(InvalidInput, match=f"{exported[1]}/saved_model"):
        load_sampler(exported[1])


def test_metadata_is_optional(exported, tmp_path):
    copy = tmp_path / "m"
    shutil.copytree(exported[1] / "saved_model", copy)
    metadata = copy / "assets.extra" / "rumi_tf.json"
    assert json.loads(metadata.read_text())["config"]["objective"] == "lsgan"
    metadata.unlink()
    assert load_sampler(copy).title() == "generated images"
