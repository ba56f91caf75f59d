import dataclasses
import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageSequence
from scipy import stats

import rumi_tf
from rumi_tf.export import latents
from rumi_tf.export.sampler import (
    evaluation_batches,
    evaluation_outputs,
    load_sampler,
    to_bytes,
)
from rumi_tf.export.seeds import parse_seeds
from rumi_tf.export.write import (
    export_keras,
    export_saved_model,
    write_gif,
    write_images,
    write_npz,
)
from rumi_tf.networks.conditional import ConditionalGenerator
from rumi_tf.networks.dcgan import Generator
from rumi_tf.networks.registry import GENERATORS
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import normal
from tests.conftest import ROOT


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
        images = sampler.sample(100, seed=4, label=label)
        np.testing.assert_allclose(images, expected, atol=1e-6)
    np.testing.assert_array_equal(sampler.sample(7, seed=4, label=2), images[:7])
    with pytest.raises(InvalidInput, match=r"--label.*cat, Owl"):
        sampler.sample(2, seed=4, label=1)
    by_class = [sampler.sample(150, seed=4, label=label) for label in (0, 2)]
    alternating = sampler.sample(150, seed=4)  # the trained classes in turn
    np.testing.assert_allclose(alternating[::2], by_class[0][::2], atol=1e-6)
    np.testing.assert_allclose(alternating[1::2], by_class[1][1::2], atol=1e-6)
    np.testing.assert_allclose(alternating, sampler.sample(150, seed=4, label=(0, 2)), atol=1e-6)
    assert np.abs(by_class[0] - by_class[1]).max() > 1e-4


def test_a_saved_model_takes_positional_and_keyword_arguments(conditional, exported):
    noise, label = normal((2, 9), 0, "any", 0), tf.constant([0, 2])
    model = tf.saved_model.load(str(exported[1] / "saved_model"))
    expected = exported[0](noise, training=False)
    served = model.signatures["serving_default"](noise=noise).values()
    for images in (model.serve(noise), model.serve(noise=noise), *served):
        np.testing.assert_allclose(images, expected, atol=1e-6)
    model = tf.saved_model.load(str(conditional[1] / "saved_model"))
    expected = conditional[0]((noise, label), training=False)
    served = model.signatures["serving_default"](noise=noise, label=label).values()
    for images in (
        model.serve(noise, label), model.serve(noise, label=label),
        model.serve(label=label, noise=noise), *served,
    ):  # fmt: skip
        np.testing.assert_allclose(images, expected, atol=1e-6)


def test_the_examples_of_the_page_on_sampling(exported):
    text = (ROOT / "docs" / "sampling.md").read_text(encoding="utf-8")
    namespace, directory = {}, str(exported[1])
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        for word, value in (
            ('"DIR"', f'"{directory}/saved_model"'), ("64, 100", "64, 9"),
            ("generator.keras", f"{directory}/g.keras"),
        ):  # fmt: skip
            block = block.replace(word, value)
        exec(block, namespace)
    images = namespace["images"].numpy()
    expected = exported[0](namespace["noise"], training=False)
    np.testing.assert_allclose(images, expected, atol=1e-6)
    assert namespace["pixels"].dtype == np.uint8 and len(namespace["frames"]) == 16


@pytest.mark.parametrize("first", ["import rumi_tf, keras", "import keras, rumi_tf"])
def test_keras_loads_the_files_after_import_rumi_tf(first, conditional, exported):
    code = first + "\nfor path in ARGS: print(keras.models.load_model(path).name)"
    paths = [str(saved[1] / "g.keras") for saved in (exported, conditional)]
    done = subprocess.run(
        [sys.executable, "-c", code.replace("ARGS", repr(paths))],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["generator", "generator"], done.stderr


def test_every_exported_generator_class_is_registered_at_import():
    """By the names that .keras files contain."""
    expected = {keras.saving.get_registered_name(each) for each in GENERATORS}
    assert {f"rumi_tf>{name}" for name in rumi_tf._GENERATORS} == expected


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
        sampler.sample(1, seed=0, label=3)
    unconditional = load_sampler(exported[1] / "saved_model")
    for call in (lambda: unconditional.label("1"), lambda: unconditional.sample(1, label=1)):
        with pytest.raises(InvalidInput, match="--label"):
            call()


@pytest.mark.slow
def test_label_flag(conditional, exported, tmp_path, quick_command):
    model = f"--saved_model={conditional[1] / 'saved_model'}"
    out = tmp_path / "s.npz"
    done = quick_command("reproduce.sample", model, "--num=3", "--label=Owl", f"--npz={out}")
    assert done.returncode == 0, done.stderr
    expected = to_bytes(load_sampler(conditional[1] / "saved_model").sample(3, seed=0, label=2))
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
    np.testing.assert_array_equal(sampler.sample(3, label="Owl"), sampler.sample(3, label=2))
    with pytest.raises(ValueError, match="num"):
        sampler.sample(0)
    for bad in (
        {"seed": 2**31},
        {"truncation": 0.0},
        {"dtype": "int8"},
        {"label": []},
        {"label": 1.5},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            sampler.sample(1, **bad)
    np.testing.assert_array_equal(
        sampler.sample(3, label=["Owl", 0]), sampler.sample(3, label=[2, 0])
    )
    assert sampler.labels(3, ["Owl", "cat"]).tolist() == [2, 0, 2]
    with pytest.raises(InvalidInput, match="--label"):
        sampler.sample(1, label="bird")


def test_images_are_the_samples_in_a_folder_per_class(conditional, exported, tmp_path):
    for saved, folders in ((conditional, ["Owl", "cat"]), (exported, [])):
        sampler, out = load_sampler(saved[1] / "saved_model"), tmp_path / f"out{len(folders)}"
        write_images(sampler, out, latents.of_seed(103, 4))
        assert sorted(path.name for path in out.iterdir() if path.is_dir()) == folders
        files = sorted(out.rglob("*.png"), key=lambda path: path.name)
        assert [path.name for path in files] == [f"seed4_{k:07d}.png" for k in range(103)]
        pixels = np.stack([np.asarray(Image.open(path)) for path in files])
        np.testing.assert_array_equal(pixels, to_bytes(sampler.sample(103, seed=4))[..., 0])
        if folders:
            names = [sampler.class_names[k] for k in sampler.labels(103)]
            assert [path.parent.name for path in files] == names
            unnamed = dataclasses.replace(sampler, metadata={})
            write_images(unnamed, tmp_path / "numbers", latents.of_seed(1, 0), [1])
            assert [path.name for path in (tmp_path / "numbers").iterdir()] == ["1"]


@pytest.mark.slow
def test_images_need_a_new_directory(exported, tmp_path, quick_command):
    model = f"--saved_model={exported[1] / 'saved_model'}"
    flag = f"--images={tmp_path / 'out'}"
    assert quick_command("reproduce.sample", model, "--num=2", flag).returncode == 0
    again = quick_command("reproduce.sample", model, "--num=2", flag)
    assert again.returncode == 2 and len(again.stderr.splitlines()) == 1
    assert "--images" in again.stderr


def test_npz_equals_the_samples(conditional, exported, tmp_path):
    for saved, names in ((conditional, ["images", "labels"]), (exported, ["images"])):
        sampler = load_sampler(saved[1] / "saved_model")
        write_npz(sampler, tmp_path / "s.npz", latents.of_seed(203, 4))
        with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
            assert file.files == names
            np.testing.assert_array_equal(
                file["images"], sampler.sample(203, seed=4, dtype="uint8")
            )
            if "labels" in names:
                np.testing.assert_array_equal(file["labels"], sampler.labels(203))


def test_the_image_of_a_seed_is_its_first_sample(exported):
    sampler = load_sampler(exported[1] / "saved_model")
    seeds = [7, *range(200, 320), 3]
    images = sampler.sample_seeds(seeds)
    assert images.shape == (122, 28, 28, 1)
    for k in (0, 1, 99, 100, 121):
        np.testing.assert_allclose(images[k], sampler.sample(1, seed=seeds[k])[0], atol=1e-6)
    for bad in ([], [1, 2**31], [-1]):
        with pytest.raises(ValueError, match="seed"):
            sampler.sample_seeds(bad)


def test_interpolation_ends_at_the_images_of_both_seeds(conditional, exported):
    sampler = load_sampler(exported[1] / "saved_model")
    images = sampler.interpolate(3, 8, 130)
    np.testing.assert_allclose(images[[0, -1]], sampler.sample_seeds([3, 8]), atol=1e-5)
    np.testing.assert_allclose(images[::-1], sampler.interpolate(8, 3, 130), atol=1e-5)
    np.testing.assert_allclose(
        sampler.interpolate(3, 3, 2), sampler.sample_seeds([3, 3]), atol=1e-5
    )
    with pytest.raises(ValueError, match="num"):
        sampler.interpolate(3, 8, 1)
    with pytest.raises(ValueError, match="seed"):
        sampler.interpolate(3, 2**31)
    by_class = load_sampler(conditional[1] / "saved_model")
    with pytest.raises(InvalidInput, match=r"--label.*cat, Owl"):
        by_class.interpolate(3, 8)
    ends = by_class.interpolate(3, 8, 2, label="Owl")
    np.testing.assert_allclose(ends, by_class.sample_seeds([3, 8], label=2), atol=1e-5)


def test_interpolated_noise_turns_at_constant_speed_on_the_great_circle():
    request = latents.between(1, 2, 101)
    rows = np.concatenate([request.chunk(40, k) for k in (0, 1)])[:101].astype(np.float64)
    norms = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(norms, np.linspace(norms[0], norms[-1], 101), rtol=1e-5)
    directions = rows / norms[:, None]
    cosines = (directions[1:] * directions[:-1]).sum(axis=1)
    angle = np.arccos(directions[0] @ directions[-1])
    np.testing.assert_allclose(np.arccos(cosines), angle / 100, rtol=1e-3)
    assert np.linalg.matrix_rank(rows, tol=1e-3) == 2


def test_truncated_noise_has_the_truncated_normal_distribution():
    noise = normal((20_000,), 0, "sample", 0)
    for limit in (0.5, 1.0, 3.0):
        values = latents.truncated(noise, limit).numpy()
        # Equal probability of exceedance: the definition of the monotone map.
        np.testing.assert_allclose(
            stats.truncnorm(-limit, limit).cdf(values), stats.norm.cdf(noise), atol=1e-5
        )
    np.testing.assert_allclose(latents.truncated(noise, 9.0), noise, atol=1e-4)
    assert latents.truncated(noise, None) is noise


def test_truncation_limits_the_noise_of_every_request(exported):
    sampler, requested = load_sampler(exported[1] / "saved_model"), []

    def generate(noise):
        requested.append(noise.numpy())
        return sampler.generate(noise)

    recording = dataclasses.replace(sampler, generate=generate)
    recording.sample(150, truncation=0.3)
    recording.sample_seeds(range(5), truncation=0.3)
    assert len(requested) == 3
    for noise in requested:
        assert 0.29 < np.abs(noise).max() <= 0.3
    requested.clear()
    recording.interpolate(1, 2, 3, truncation=0.3)
    first, last = requested[0][0], requested[0][2]
    assert max(np.abs(first).max(), np.abs(last).max()) <= 0.3 + 1e-6


def test_animation_plays_the_images_forwards_and_backwards(tmp_path):
    images = np.linspace(0, 255, 5 * 28 * 28).astype(np.uint8).reshape(5, 28, 28, 1)
    write_gif(tmp_path / "a.gif", images)
    frames = [
        np.asarray(f.convert("L")) for f in ImageSequence.Iterator(Image.open(tmp_path / "a.gif"))
    ]
    assert len(frames) == 8 and frames[0].shape == (140, 140)
    for frame, image in zip(frames, images[[0, 1, 2, 3, 4, 3, 2, 1], ..., 0], strict=True):
        np.testing.assert_allclose(frame[::5, ::5], image, atol=1)


@pytest.mark.parametrize(
    "text, seeds",
    [("0-3", [0, 1, 2, 3]), ("5", [5]), ("3, 8,10-11", [3, 8, 10, 11]), ("4-4", [4])],
)
def test_seeds_are_numbers_and_ranges(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "1,1", "0-3,2", "-1", "1-", "0-9999999", "2147483648", "1;2", "1,"]
)
def test_bad_seeds_are_refused(text):
    with pytest.raises(InvalidInput, match="--seeds"):
        parse_seeds(text)


@pytest.mark.slow
def test_flags_of_seeds_and_interpolation(exported, conditional, tmp_path, quick_command):
    model = f"--saved_model={exported[1] / 'saved_model'}"
    npz, gif = tmp_path / "s.npz", tmp_path / "w.gif"
    sampler = load_sampler(exported[1] / "saved_model")
    done = quick_command(
        "reproduce.sample", model, "--interpolate=3,8", "--num=4", "--truncation=2",
        f"--npz={npz}", f"--gif={gif}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = sampler.interpolate(3, 8, 4, truncation=2, dtype="uint8")
    np.testing.assert_array_equal(np.load(npz)["images"], expected)
    assert Image.open(gif).n_frames == 6
    done = quick_command("reproduce.sample", model, "--seeds=4-6", f"--images={tmp_path / 'i'}")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "i").iterdir()) == [f"seed{k}.png" for k in (4, 5, 6)]
    of_classes = f"--saved_model={conditional[1] / 'saved_model'}"
    for flag, *others in (
        ("num", "--seeds=1,2", "--num=2"), ("seed", "--interpolate=1,2", "--seed=1"),
        ("gif", f"--gif={gif}"), ("interpolate", "--interpolate=1"),
        ("truncation", "--truncation=0"),
        ("num", "--interpolate=1,2", "--num=1"), ("label", "--interpolate=1,2", of_classes),
    ):  # fmt: skip
        done = quick_command("reproduce.sample", model, f"--npz={tmp_path / 'x.npz'}", *others)
        assert done.returncode == 2 and not (tmp_path / "x.npz").exists()
        assert len(done.stderr.splitlines()) == 1 and f"--{flag}" in done.stderr


def test_to_bytes_covers_the_range():
    values = np.array([-1.5, -1, 0, 1, 2.0])
    assert to_bytes(values).tolist() == [0, 0, 128, 255, 255]


def test_command_is_deterministic(exported, tmp_path, quick_command):
    model = f"--saved_model={exported[1] / 'saved_model'}"
    for name in ("a", "b"):
        done = quick_command(
            "reproduce.sample", model, "--num=10", "--seed=3", f"--npz={tmp_path / name}.npz",
            f"--grid={tmp_path / name}.png",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(tmp_path / f"{name}.png"), str(tmp_path / f"{name}.npz")]
    first, second = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("a", "b"))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (10, 28, 28, 1) and first.dtype == np.uint8
    np.testing.assert_array_equal(
        first, to_bytes(load_sampler(exported[1] / "saved_model").sample(10, seed=3))
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
        f"load_sampler({str(exported[1] / 'saved_model')!r}).sample(2, seed=0); "
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
