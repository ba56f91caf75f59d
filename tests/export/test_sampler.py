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
from rumi_tf.export.write import export_keras, export_saved_model
from rumi_tf.networks.conditional import ConditionalGenerator
from rumi_tf.networks.dcgan import Generator
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import normal
from tests.conftest import ROOT, command


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    directory = tmp_path_factory.mktemp("export")
    generator = Generator(network="mnist", image_shape=(28, 28, 1), latent_dim=9, width=0.1)
    about = {"config": {"objective": "lsgan", "dataset": "digits", "iterations": 1200}}
    export_saved_model(generator, directory / "saved_model", about)
    export_keras(generator, directory / "g.keras")
    return generator, directory


def test_saved_model_and_keras_file_are_the_generator(exported):
    generator, directory = exported
    noise = tf.random.normal((5, 9))
    expected = generator(noise, training=False).numpy()
    sampler = load_sampler(directory / "saved_model")
    np.testing.assert_allclose(sampler.generate(noise), expected, atol=1e-6)
    again = keras.models.load_model(directory / "g.keras", safe_mode=True)
    np.testing.assert_allclose(again(noise, training=False), expected, atol=1e-6)
    assert sampler.title() == "lsgan, digits, iteration 1,200"
    sampler.metadata["iteration"] = 300
    assert sampler.title() == "lsgan, digits, iteration 300"
    sampler.metadata["iteration"] = "300"
    assert sampler.iteration is None and sampler.title() == "generated images"


def test_image_k_of_a_seed_does_not_depend_on_how_many_are_asked_for(exported):
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
    about = {"class_names": ["cat", "dog", "Owl"], "num_classes": 3, "trained_classes": [0, 2]}
    export_saved_model(generator, directory / "saved_model", about)
    export_keras(generator, directory / "g.keras")
    return generator, directory


def test_conditional_model_makes_the_class_it_is_asked_for(conditional):
    generator, directory = conditional
    sampler = load_sampler(directory / "saved_model")
    assert sampler.conditional and sampler.latent_dim == 9
    noise = normal((100, 9), 4, "sample", 0)
    for label in (0, 2):
        expected = generator((noise, tf.fill([100], label)), training=False)
        found = sampler.sample(100, 4, label)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(sampler.sample(7, 4, 2), found[:7])
    with pytest.raises(InvalidInput, match="trained on the classes cat, Owl alone"):
        sampler.sample(2, 4, 1)
    by_class = [sampler.sample(150, 4, label) for label in (0, 2)]
    turns = sampler.sample(150, 4)  # of the classes that were trained
    np.testing.assert_allclose(turns[::2], by_class[0][::2], atol=1e-6)
    np.testing.assert_allclose(turns[1::2], by_class[1][1::2], atol=1e-6)
    np.testing.assert_allclose(turns, sampler.sample(150, 4, (0, 2)), atol=1e-6)
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
        with pytest.raises(InvalidInput, match=r"--label: there is no class .* cat, dog, Owl"):
            sampler.label(bad)
    with pytest.raises(InvalidInput, match="--label: is not in 0 to 2"):
        sampler.sample(1, 0, 3)
    plain = load_sampler(exported[1] / "saved_model")
    for refused in (lambda: plain.label("1"), lambda: plain.sample(1, 0, 1)):
        with pytest.raises(InvalidInput, match="--label: has no effect"):
            refused()


@pytest.mark.slow
def test_label_as_a_flag(conditional, exported, tmp_path):
    model = f"--saved_model={conditional[1] / 'saved_model'}"
    out = tmp_path / "s.npz"
    done = command("reproduce.sample", model, "--num=3", "--label=Owl", f"--npz={out}")
    assert done.returncode == 0, done.stderr
    expected = to_bytes(load_sampler(conditional[1] / "saved_model").sample(3, 0, 2))
    np.testing.assert_array_equal(np.load(out)["images"], expected)
    out.unlink()
    plain = f"--saved_model={exported[1] / 'saved_model'}"
    for where, label in ((model, "bird"), (model, "dog"), (plain, "1")):
        done = command("reproduce.sample", where, f"--label={label}", f"--npz={out}")
        assert done.returncode == 2 and not out.exists()
        assert len(done.stderr.splitlines()) == 1 and "--label" in done.stderr


def test_bytes_cover_the_range():
    values = np.array([-1.5, -1, 0, 1, 2.0])
    assert to_bytes(values).tolist() == [0, 0, 128, 255, 255]


def test_command_writes_the_same_images_in_every_process(exported, tmp_path):
    model = f"--saved_model={exported[1] / 'saved_model'}"
    for name in ("a", "b"):
        done = command(
            "reproduce.sample", model, "--num=10", "--seed=3", f"--npz={tmp_path / name}.npz",
            f"--grid={tmp_path / name}.png",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(tmp_path / f"{name}.png"), str(tmp_path / f"{name}.npz")]
    one, two = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("a", "b"))
    np.testing.assert_array_equal(one, two)
    assert one.shape == (10, 28, 28, 1) and one.dtype == np.uint8
    np.testing.assert_array_equal(
        one, to_bytes(load_sampler(exported[1] / "saved_model").sample(10, 3))
    )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size[0] > 200


@pytest.mark.parametrize("labels", [None, [7, 2, 5]])
def test_outputs_of_an_evaluation_are_those_of_its_images(labels):
    """Also of the last of them, which do not fill a chunk, and where an output has no columns."""

    def generate(noise, asked=None):
        images = tf.reshape(tf.tanh(noise), (-1, 2, 2, 1))
        return images if asked is None else images + tf.cast(asked, tf.float32)[:, None, None, None]

    def embed(images):
        flat = tf.reshape(images, (-1, 4))
        return {"features": flat**2, "scores": flat[:, :0], "classes": flat[:, :1]}

    strategy = tf.distribute.get_strategy()
    stream = evaluation_outputs(generate, embed, 4, 3, labels, strategy)
    for iteration, num in ((2, 230), (9, 100), (4, 1)):
        parts = list(stream(iteration, num))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        images = np.concatenate([*evaluation_batches(generate, 4, num, 3, iteration, labels)])
        flat = images.reshape(num, 4)
        np.testing.assert_allclose(found["features"], flat**2, rtol=1e-6)
        np.testing.assert_array_equal(found["classes"], flat[:, :1])
        assert found["scores"].shape == (num, 0)
        asked = np.zeros(num) if labels is None else np.resize(labels, num)
        assert (np.abs(flat - asked[:, None]) <= 1).all()


def test_sampling_never_imports_the_training_code(exported):
    code = (
        "import sys; from rumi_tf.export.sampler import load_sampler; "
        f"load_sampler({str(exported[1] / 'saved_model')!r}).sample(2, 0); "
        "import reproduce.sample; "
        "print([m for m in sys.modules if m.startswith('rumi_tf.') and m.split('.')[1] in "
        "('model', 'objectives', 'losses', 'networks', 'resolving', 'building', 'run_files', "
        "'experiment', 'data', 'callbacks')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_model_that_is_no_generator_is_refused(tmp_path):
    class Adder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((3,))])
        def serve(self, x):
            return x + 1

    module = Adder()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serve": module.serve})
    with pytest.raises(InvalidInput, match="does not map noise"):
        load_sampler(tmp_path / "m")
    tf.saved_model.save(module, str(tmp_path / "n"))
    with pytest.raises(InvalidInput, match="cannot be used as a generator"):
        load_sampler(tmp_path / "n")
    shutil.copytree(tmp_path / "m", tmp_path / "p")
    next((tmp_path / "p" / "variables").glob("*.data*")).write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot be used as a generator"):
        load_sampler(tmp_path / "p")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "saved_model.pb").write_bytes(b"\x08\x01 nonsense")
    with pytest.raises(InvalidInput, match=r"is not loaded: saved_model\.pb is damaged"):
        load_sampler(tmp_path / "o")


def test_the_parent_directory_gets_a_hint(exported):
    with pytest.raises(InvalidInput, match="did you mean"):
        load_sampler(exported[1])


def test_metadata_is_optional(exported, tmp_path):
    copy = tmp_path / "m"
    shutil.copytree(exported[1] / "saved_model", copy)
    about = copy / "assets.extra" / "rumi_tf.json"
    assert json.loads(about.read_text())["config"]["objective"] == "lsgan"
    about.unlink()
    assert load_sampler(copy).title() == "generated images"
