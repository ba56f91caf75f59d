"""What the benchmarks count and compare."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from reproduce._benchmarks import (
    cost,
    faces,
    precision,
    processes,
    samples,
    steps,
    timing,
    training,
)
from rumi_tf.data.loaders import load_images
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import rng
from rumi_tf.utils.io import read_csv


def test_medians_are_of_the_times_in_turn(monkeypatch):
    clock = iter([0, 3, 10, 11, 20, 21, 30, 32, 40, 47, 50, 59])  # ours 3, 1, 7; other 1, 2, 9
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls = []
    ours, other = timing.medians(lambda: calls.append("a") or 5, lambda: calls.append("b"), 3)
    assert (ours, other) == ((3, 5), (2, None)) and calls == ["a", "b"] * 3
    line = timing.Comparison("x", "a", "b", ours[0], other[0], "none")
    assert line.ratio == 1.5 and line.row()["ratio"] == 1.5


def test_operations_are_those_of_all_three_products_of_a_layer():
    kernel = tf.Variable(tf.ones((30, 40)))

    def step(rows):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            outputs = rows @ kernel
        return tape.gradient(outputs, [rows, kernel], output_gradients=tf.ones((20, 40)))

    assert training.operations_of(step, tf.ones((20, 30))) == 3 * 2 * 20 * 30 * 40


def test_operations_of_an_iteration_grow_with_the_batch():
    small, large = (
        training.operations(steps.config_of("lsgan", width=0.25, batch_size=n)) for n in (8, 16)
    )
    assert 1.9 < large / small < 2.01


@pytest.mark.slow
def test_a_stepper_trains_so_many_iterations(monkeypatch):
    models = []
    make = steps.prepared
    monkeypatch.setattr(steps, "prepared", lambda *of: models.append(made := make(*of)) or made)
    train = steps.stepper(steps.config_of("lsgan", width=0.1, batch_size=4))
    train()
    assert int(models[0][0].iteration) == 2 * steps.ITERATIONS


def test_the_hours_of_a_table_are_those_of_its_cells():
    runs = cost.durations(2, {"LSGAN": 0.36, "ACGAN": 0.72}, evaluation=60.0, last=180.0)
    # 10,000 iterations, 9 evaluations and a last one: 4,320 and 7,920 s, each twice.
    assert runs[10_000] == pytest.approx([4320, 7920] * 2)
    found = cost.row("mnist", {"LSGAN, ms": "360"}, runs)
    assert found["cells"] == "4" and found["LSGAN, ms"] == "360"
    assert found["hours, 10,000 iterations, 1 at once"] == "6.8"
    assert found["hours, 10,000 iterations, 110 at once"] == "2.2"
    assert found["hours, 50,000 iterations, 1 at once"] == "30.8"


@pytest.mark.parametrize(("workers", "seconds"), [(1, 15), (2, 9), (3, 7), (5, 5), (9, 5)])
def test_workers_take_the_next_cell_when_they_are_free(workers, seconds):
    assert cost.makespan([1, 2, 3, 4, 5], workers) == seconds


@pytest.mark.parametrize(("dataset", "shape"), [("cifar10", (32, 32, 3)), ("celeba", (64, 64, 3))])
def test_what_is_timed_is_a_cell_of_the_table_on_images_of_its_shape(dataset, shape):
    names = paper_grid.class_names(dataset)
    (cell,) = paper_grid.unbalanced_cells(
        "classes", dataset, names[0], ["acgan"], [0], {"width": 0.05}
    )
    images = cost.random_images(cell.config, names)
    assert images.image_shape == shape and cell.config.network == dataset
    _, batches = steps.prepared(cell.config, images)
    shapes = {tuple(t.shape[1:]) for t in tf.nest.flatten(next(batches)) if t.shape.rank == 4}
    assert shapes == {shape}
    assert cell.config.iterations == paper_grid.ITERATIONS[dataset] == cost.LENGTHS[1]


def test_generators_of_known_quality_are_what_they_are_called():
    own, others = np.arange(200), np.arange(1000, 2000)
    made = {
        name: generate(own, others, np.random.default_rng(0))
        for name, generate in samples.GENERATORS.items()
    }
    perfect, wrong, few = made.values()
    assert sorted(perfect) == list(own)
    assert len(wrong) == 200 and np.isin(wrong, others).sum() == 20
    assert len(set(wrong[np.isin(wrong, own)])) == 180
    assert len(few) == 200 and set(few) <= set(range(20)) and len(set(few)) > 15


def test_a_distance_is_in_spreads():
    draw = np.random.default_rng(0)
    perfect = draw.normal(0, 2, 5000)
    assert float(samples._apart(perfect + 6, perfect)) == pytest.approx(3, abs=0.1)
    assert samples._apart(perfect, perfect) == ""
    assert samples._apart(np.ones(3), np.zeros(3)) == ""


def test_generated_faces_are_read_like_celeba(tmp_path):
    size = faces.write_faces(tmp_path, 6)
    files = sorted((tmp_path / "img_align_celeba").iterdir())
    assert size == np.mean([path.stat().st_size for path in files])
    assert all(Image.open(path).size == (178, 218) for path in files)
    values = {"dataset": "celeba", "data_dir": str(tmp_path), "split": "attribute"}
    images = load_images(steps.config_of("rumi_lsgan", **values))
    assert images.image_shape == (64, 64, 3)
    assert images.labels.tolist() == [1, 0, 1, 0, 1, 0]
    pixels = images.gather(np.arange(6)).numpy()
    assert pixels.min() < -0.5 and pixels.max() > 0.5 and np.ptp(pixels[0] - pixels[1]) > 0.5


def test_many_faces_are_links_to_few(tmp_path):
    faces.write_faces(tmp_path, 6)
    faces.link_faces(tmp_path, 15, tmp_path / "many")
    values = {"dataset": "celeba", "split": "attribute"}
    few, many = (load_images(steps.config_of("rumi_lsgan", data_dir=str(place), **values))
                 for place in (tmp_path, tmp_path / "many"))  # fmt: skip
    assert many.labels.tolist() == [1, 0] * 7 + [1]
    np.testing.assert_array_equal(many.gather([4, 10, 14]), few.gather([4, 4, 2]))


def test_curves_of_losses_are_those_of_the_logs(tmp_path):
    curves = [
        {"precision": p, "seed": str(s), "iteration": str(k), "d_loss": str(k / 10), "g_loss": "2"}
        for p, s in precision.RUNS[:2]  # the third has diverged at once
        for k in (5, 10)
    ]
    precision.save_curves(curves[:2], tmp_path / "a.csv", tmp_path / "a.png")
    precision.save_curves(curves, tmp_path / "b.csv", tmp_path / "b.png")
    assert read_csv(tmp_path / "b.csv") == curves
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_the_last_quarter_is_weighted_by_iterations():
    losses = np.random.default_rng(0).normal(size=50)
    ends = [10, 20, 30, 38, 40, 46, 50]  # windows of different lengths, a boundary at 38 of 37.5
    starts = [0, *ends[:-1]]
    rows = [
        {"iteration": str(b), "d_loss": str(losses[a:b].mean())}
        for a, b in zip(starts, ends, strict=True)
    ]
    assert precision.last_quarter(rows, "d_loss") == pytest.approx(losses[38:].mean())


def test_every_topic_is_run_with_the_flags_and_those_that_fail_are_named(monkeypatch):
    calls = []

    def run(words, stdin):
        calls.append(words)
        return SimpleNamespace(returncode=2 if words[3] == "metrics" else 0)

    monkeypatch.setattr(processes.subprocess, "run", run)
    topics = ["train", "metrics", "memory"]
    found = list(processes.failures(topics, ["--width=0.5"]))
    assert found == ["metrics failed (exit code 2)"]
    assert calls == [
        [sys.executable, "-m", "reproduce.benchmark", topic, "--width=0.5"] for topic in topics
    ]


@pytest.fixture
def pytorch():
    pytest.importorskip("torch")
    from reproduce._benchmarks import pytorch

    return pytorch


@pytest.fixture
def pair(pytorch):
    """A small model with random statistics, its batches, and its counterpart in PyTorch."""
    config = steps.config_of("rumi_lsgan", width=0.2, batch_size=8, d_schedule="joint")
    model, batches = steps.prepared(config)
    draw = np.random.default_rng(0)
    for network in (model.generator, model.discriminator):
        network.set_weights([w + draw.uniform(0, 0.1, w.shape) for w in network.get_weights()])
    theirs = pytorch.Trainer(config, (28, 28, 1))
    copy_weights(theirs.generator, model.generator, made=order(7, 51))
    copy_weights(theirs.discriminator, model.discriminator, taken=order(4, 26))
    return config, model, batches, theirs


def order(size, filters):
    """Where a mirrored map in PyTorch's flat order, (C, H, W), stands in ours, (H, W, C)."""
    places = np.arange(size * size * filters).reshape(size, size, filters)
    return places[::-1, ::-1].transpose(2, 0, 1).ravel()


def copy_weights(theirs, ours, made=None, taken=None):
    """With mirrored kernels; `made` and `taken` are what flat layers make and the first takes."""
    import torch

    names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias",
             "moving_mean": "running_mean", "moving_variance": "running_var"}  # fmt: skip
    layers = [layer for layer in [*ours._stack, getattr(ours, "_score", None)] if layer]
    layers = [layer for layer in layers if layer.weights]
    counterparts = [layer for layer in theirs if list(layer.parameters())]
    for layer, counterpart in zip(layers, counterparts, strict=True):
        for weight in layer.weights:
            value = weight.numpy()
            if value.ndim == 4:  # (H, W, A, B) -> (B, A, H, W)
                value = value[::-1, ::-1].transpose(3, 2, 0, 1)
            elif value.ndim == 2:
                value, taken = value.T if taken is None else value.T[:, taken], None
            if made is not None and len(value) == len(made):
                value = value[made]
            target = getattr(counterpart, names[weight.name])
            assert target.shape == value.shape
            target.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def as_torch(images):
    """(B, H, W, C) -> (B, C, H, W), mirrored both ways."""
    import torch

    return torch.from_numpy(np.transpose(images, (0, 3, 1, 2))[:, :, ::-1, ::-1].copy())


@pytest.mark.parametrize("training", [False, True])
def test_the_networks_in_pytorch_are_ours(pair, training):
    import torch

    config, model, _, theirs = pair
    noise = np.random.default_rng(1).normal(size=(8, config.latent_dim)).astype(np.float32)
    images = model.generator(noise, training=training).numpy()
    scores = model.discriminator(images, training=training)["score"].numpy()
    assert images.std() > 0.01 and scores.std() > 0.01
    with torch.no_grad():
        for network in (theirs.generator, theirs.discriminator):
            network.train(training)
        made = theirs.generator(torch.from_numpy(noise))
        np.testing.assert_allclose(made, as_torch(images), atol=1e-4)
        judged = theirs.discriminator(as_torch(images))[:, 0]
        np.testing.assert_allclose(judged, scores, atol=1e-4 * np.abs(scores).max())
    for network, ours in (
        (theirs.generator, model.generator),
        (theirs.discriminator, model.discriminator),
    ):
        count = sum(np.prod(v.shape) for v in ours.trainable_variables)
        assert sum(p.numel() for p in network.parameters()) == count


def test_the_iteration_in_pytorch_has_the_losses_of_ours(pair):
    import torch

    config, model, batches, theirs = pair
    for number in range(3):
        batch = next(batches)
        for tracker in model.trackers.values():
            tracker.reset_state()
        ours = model.train_step(batch)
        noise = rng.normal((8, config.latent_dim), config.seed, "noise", number)
        updates = [{r: as_torch(p["image"].numpy()) for r, p in u.items()} for u in batch]
        d_losses, g_loss = theirs.iterate(updates, torch.from_numpy(noise.numpy()))
        assert float(ours["d_loss"]) == pytest.approx(np.mean(d_losses), rel=1e-3)
        assert float(ours["g_loss"]) == pytest.approx(g_loss, rel=1e-3)
