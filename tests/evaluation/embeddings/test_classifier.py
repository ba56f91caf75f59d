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
    """Images with one bright third, whose position is the class."""
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


def test_classifier_learns_and_reports_its_accuracy(quick, tmp_path):
    train, test = blobs(300, 0), blobs(101, 1)
    embedding, accuracy = load_classifier(train, test, dataset="blobs", cache_dir=tmp_path)
    correct = probabilities(embedding, test).argmax(axis=1) == test.labels
    assert (accuracy.images, accuracy.accuracy) == (101, pytest.approx(correct.mean()))
    assert accuracy.accuracy > 0.9
    for k in range(3):
        assert accuracy.recall[k] == pytest.approx(correct[test.labels == k].mean())
    out = next(embedding.stream(image_batches(test, np.arange(10))))
    assert out["features"].shape == (10, 128) and (out["features"] >= 0).all()
    np.testing.assert_allclose(out["classes"].sum(axis=1), 1, rtol=1e-5)


def test_without_a_test_part_a_fifth_is_held_out(quick, tmp_path, monkeypatch):
    indices = []
    stream = module.batch_stream
    monkeypatch.setattr(
        module, "batch_stream", lambda *a, **k: indices.append(a[1]["all"]) or stream(*a, **k)
    )
    train = blobs(200, 0)
    _, accuracy = load_classifier(train, None, dataset="blobs", cache_dir=tmp_path)
    holdout_indices = np.setdiff1d(np.arange(200), indices[0])
    assert accuracy.images == len(holdout_indices) and len(indices[0]) + len(holdout_indices) == 200
    for k in range(3):
        assert (train.labels[holdout_indices] == k).sum() == (train.labels == k).sum() // 5


def test_at_least_one_image_is_held_out():
    assert len(module._held_out(np.array([0, 0, 1, 1]), seed=0)) == 1


def test_same_seed_same_weights(quick, tmp_path):
    train, test = blobs(100, 0), blobs(20, 1)
    embeddings = {
        name: load_classifier(train, test, dataset="blobs", cache_dir=tmp_path / name, seed=seed)[0]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    }
    assert embeddings["a"].identity == embeddings["b"].identity != embeddings["c"].identity


@pytest.mark.exhaustive
def test_cache_is_used_and_damaged_files_are_replaced(quick, tmp_path, monkeypatch):
    train, test = blobs(100, 0), blobs(20, 1)
    trained = []
    train_network = module._train
    monkeypatch.setattr(module, "_train", lambda *a: trained.append(1) or train_network(*a))

    def load(data=train, **keywords):
        return load_classifier(data, test, dataset="blobs", cache_dir=tmp_path, **keywords)

    first, accuracy = load()
    cached, cached_accuracy = load()
    assert len(trained) == 1 and cached.identity == first.identity
    assert cached_accuracy == accuracy
    np.testing.assert_array_equal(probabilities(first, test), probabilities(cached, test))
    (weights,) = tmp_path.glob("*.weights.h5")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 255
    weights.write_bytes(content)
    assert load()[0].identity == first.identity and len(trained) == 2
    record = weights.with_suffix(".json")
    for text in ("{", "[]", json.dumps({"sha256": "x"})):
        record.write_text(text)
        load()
    assert len(trained) == 5
    load(refresh=True)
    load(blobs(100, 5))  # other images
    assert len(trained) == 7 and len(list(tmp_path.glob("*.weights.h5"))) == 2


def test_classes_with_low_recall_get_a_note(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_train", lambda *a: module.Accuracy(10, 0.8, (1.0, 0.3, None)))
    embedding, _ = load_classifier(blobs(50, 0), None, dataset="blobs", cache_dir=tmp_path)
    assert len(embedding.notes) == 1 and " b:" in embedding.notes[0]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_accuracy_on_digits(tmp_path):
    config = resolve(RunConfig())
    train, test = (load_images(config, part) for part in ("train", "test"))
    _, accuracy = load_classifier(train, test, dataset="digits", cache_dir=tmp_path)
    assert accuracy.images == 360 and accuracy.accuracy >= 0.95
