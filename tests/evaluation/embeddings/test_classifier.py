import json

import numpy as np
import pytest

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import from_memory
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings import classifier as module
from rumi_tf.evaluation.embeddings import image_batches, load_classifier
from rumi_tf.runs.resolve import resolve


def blobs(n, seed, classes=3):
    """Images whose class is which third is bright."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, n)
    pixels = draw.integers(0, 60, (n, 8, 9, 1))
    for k in range(classes):
        pixels[labels == k, :, 3 * k : 3 * k + 3] += 120
    return from_memory(pixels[:, :, :8], labels, tuple("abc"[:classes]))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "UPDATES", (40, 40))


def probabilities(embedding, images):
    batches = image_batches(images, np.arange(len(images)))
    return np.concatenate([out["classes"] for out in embedding.stream(batches)])


def test_it_learns_and_reports_the_accuracy_it_has(quick, tmp_path):
    train, test = blobs(300, 0), blobs(101, 1)
    embedding, found = load_classifier(train, test, dataset="blobs", cache_dir=tmp_path)
    right = probabilities(embedding, test).argmax(axis=1) == test.labels
    assert (found.images, found.accuracy) == (101, pytest.approx(right.mean()))
    assert found.accuracy > 0.9
    for k in range(3):
        assert found.recall[k] == pytest.approx(right[test.labels == k].mean())
    out = next(embedding.stream(image_batches(test, np.arange(10))))
    assert out["features"].shape == (10, 128) and (out["features"] >= 0).all()
    np.testing.assert_allclose(out["classes"].sum(axis=1), 1, rtol=1e-5)


def test_without_a_test_part_some_images_are_held_out(quick, tmp_path, monkeypatch):
    seen = []
    stream = module.batch_stream
    monkeypatch.setattr(
        module, "batch_stream", lambda *a, **k: seen.append(a[1]["all"]) or stream(*a, **k)
    )
    train = blobs(200, 0)
    _, found = load_classifier(train, None, dataset="blobs", cache_dir=tmp_path)
    held = np.setdiff1d(np.arange(200), seen[0])
    assert found.images == len(held) and len(seen[0]) + len(held) == 200
    for k in range(3):
        assert (train.labels[held] == k).sum() == (train.labels == k).sum() // 5


def test_of_very_few_images_one_is_held_out():
    assert len(module._held_out(np.array([0, 0, 1, 1]), seed=0)) == 1


def test_same_seed_same_weights(quick, tmp_path):
    train, test = blobs(100, 0), blobs(20, 1)
    made = {
        name: load_classifier(train, test, dataset="blobs", cache_dir=tmp_path / name, seed=seed)[0]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    }
    assert made["a"].identity == made["b"].identity != made["c"].identity


@pytest.mark.exhaustive
def test_the_cache_is_used_and_a_damaged_one_is_not_trusted(quick, tmp_path, monkeypatch):
    train, test = blobs(100, 0), blobs(20, 1)
    trained = []
    train_it = module._train
    monkeypatch.setattr(module, "_train", lambda *a: trained.append(1) or train_it(*a))

    def make(data=train, **keywords):
        return load_classifier(data, test, dataset="blobs", cache_dir=tmp_path, **keywords)

    first, accuracy = make()
    again, same = make()
    assert len(trained) == 1 and again.identity == first.identity and same == accuracy
    np.testing.assert_array_equal(probabilities(first, test), probabilities(again, test))
    (weights,) = tmp_path.glob("*.weights.h5")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 255
    weights.write_bytes(content)
    assert make()[0].identity == first.identity and len(trained) == 2
    record = weights.with_suffix(".json")
    for text in ("{", "[]", json.dumps({"sha256": "x"})):
        record.write_text(text)
        make()
    assert len(trained) == 5
    make(refresh=True)
    make(blobs(100, 5))  # other content, other classifier
    assert len(trained) == 7 and len(list(tmp_path.glob("*.weights.h5"))) == 2


def test_a_class_that_is_not_recognised_is_pointed_out(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_train", lambda *a: module.Accuracy(10, 0.8, (1.0, 0.3, None)))
    embedding, _ = load_classifier(blobs(50, 0), None, dataset="blobs", cache_dir=tmp_path)
    assert len(embedding.notes) == 1 and "real images of b:" in embedding.notes[0]


@pytest.mark.slow
def test_digits_are_recognised(tmp_path):
    config = resolve(RunConfig())
    train, test = (load_images(config, part) for part in ("train", "test"))
    _, found = load_classifier(train, test, dataset="digits", cache_dir=tmp_path)
    assert found.images == 360 and found.accuracy >= 0.95
