"""Counts and comparisons of the benchmarks."""

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
from rumi_tf.data.class_names import class_names
from rumi_tf.data.loaders import load_images
from rumi_tf.experiments import paper_grid
from rumi_tf.utils.io import read_csv


def test_medians_of_alternating_calls(monkeypatch):
    clock = iter([0, 3, 10, 11, 20, 21, 30, 32, 40, 47, 50, 59])  # ours 3, 1, 7; other 1, 2, 9
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls = []
    ours, other = timing.medians(lambda: calls.append("a") or 5, lambda: calls.append("b"), 3)
    assert (ours, other) == ((3, 5), (2, None)) and calls == ["a", "b"] * 3
    line = timing.Comparison("x", "a", "b", ours[0], other[0], "none")
    assert line.ratio == 1.5 and line.row()["ratio"] == 1.5


def test_operations_count_all_three_matrix_products_of_a_layer():
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
def test_a_stepper_trains_the_given_number_of_iterations(monkeypatch):
    models = []
    prepared = steps.prepared

    def recording(*args):
        model, batches = prepared(*args)
        models.append(model)
        return model, batches

    monkeypatch.setattr(steps, "prepared", recording)
    train = steps.stepper(steps.config_of("lsgan", width=0.1, batch_size=4))
    train()
    assert int(models[0].iteration) == 2 * steps.ITERATIONS


def test_the_hours_of_a_table_are_the_sum_over_its_cells():
    runs = cost.durations(2, {"LSGAN": 0.36, "ACGAN": 0.72}, evaluation=60.0, last=180.0)
    # 10,000 iterations, 9 evaluations and a last one: 4,320 and 7,920 s, each twice.
    assert runs[10_000] == pytest.approx([4320, 7920] * 2)
    row = cost.row("mnist", {"LSGAN, ms": "360"}, runs)
    assert row["cells"] == "4" and row["LSGAN, ms"] == "360"
    assert row["hours, 10,000 iterations, 1 at once"] == "6.8"
    assert row["hours, 10,000 iterations, 110 at once"] == "2.2"
    assert row["hours, 50,000 iterations, 1 at once"] == "30.8"


@pytest.mark.parametrize(("workers", "seconds"), [(1, 15), (2, 9), (3, 7), (5, 5), (9, 5)])
def test_an_idle_worker_takes_the_next_cell(workers, seconds):
    assert cost.makespan([1, 2, 3, 4, 5], workers) == seconds


@pytest.mark.parametrize(("dataset", "shape"), [("cifar10", (32, 32, 3)), ("celeba", (64, 64, 3))])
def test_costs_are_measured_on_cells_of_the_table_with_images_of_its_shape(dataset, shape):
    names = class_names(dataset)
    (cell,) = paper_grid.unbalanced_cells(
        "classes", dataset, names[0], ["acgan"], [0], {"width": 0.05}
    )
    images = cost.random_images(cell.config, names)
    assert images.image_shape == shape and cell.config.network == dataset
    _, batches = steps.prepared(cell.config, images)
    shapes = {tuple(t.shape[1:]) for t in tf.nest.flatten(next(batches)) if t.shape.rank == 4}
    assert shapes == {shape}
    assert cell.config.iterations == paper_grid.ITERATIONS[dataset] == cost.LENGTHS[1]


def test_generators_of_known_quality_have_the_stated_faults():
    target, others = np.arange(200), np.arange(1000, 2000)
    perfect, wrong, few = (
        generate(target, others, np.random.default_rng(0))
        for generate in samples.GENERATORS.values()
    )
    assert sorted(perfect) == list(target)
    assert len(wrong) == 200 and np.isin(wrong, others).sum() == 20
    assert len(set(wrong[np.isin(wrong, target)])) == 180
    assert len(few) == 200 and set(few) <= set(range(20)) and len(set(few)) > 15


def test_differences_of_generators_are_in_units_of_the_spread():
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


def test_many_faces_are_links_to_a_few(tmp_path):
    faces.write_faces(tmp_path, 6)
    faces.link_faces(tmp_path, 15, tmp_path / "many")
    values = {"dataset": "celeba", "split": "attribute"}
    few, many = (load_images(steps.config_of("rumi_lsgan", data_dir=str(root), **values))
                 for root in (tmp_path, tmp_path / "many"))  # fmt: skip
    assert many.labels.tolist() == [1, 0] * 7 + [1]
    np.testing.assert_array_equal(many.gather([4, 10, 14]), few.gather([4, 4, 2]))


def test_loss_curves_are_those_of_the_logs(tmp_path):
    curves = [
        {"precision": p, "seed": str(s), "iteration": str(k), "d_loss": str(k / 10), "g_loss": "2"}
        for p, s in precision.RUNS[:2]  # the third run diverged
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


def test_every_topic_runs_with_the_flags_and_failures_are_reported(monkeypatch):
    calls = []

    def run(words, stdin):
        calls.append(words)
        return SimpleNamespace(returncode=2 if words[3] == "metrics" else 0)

    monkeypatch.setattr(processes.subprocess, "run", run)
    topics = ["train", "metrics", "memory"]
    (failure,) = processes.failures(topics, ["--width=0.5"])
    assert "metrics" in failure and "2" in failure
    assert calls == [
        [sys.executable, "-m", "reproduce.benchmark", topic, "--width=0.5"] for topic in topics
    ]
