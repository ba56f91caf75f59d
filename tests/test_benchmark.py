"""What the benchmarks count and compare."""

import numpy as np
import pytest
import tensorflow as tf

from reproduce import _grid
from reproduce._benchmarks import cost, samples, steps, timing, training


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
    found = cost.row("mnist", 2, {"LSGAN": 0.36, "ACGAN": 0.72}, evaluation=72.0)
    assert found["cells"] == "4" and found["LSGAN, ms"] == "360" and found["evaluation, s"] == "72"
    # 10,000 iterations and 10 evaluations: 4,320 and 7,920 s, each twice.
    assert found["hours, 10,000 iterations, 1 at once"] == "6.8"
    assert found["hours, 10,000 iterations, 110 at once"] == "2.2"
    assert found["hours, 50,000 iterations, 1 at once"] == "30.8"


@pytest.mark.parametrize(("workers", "seconds"), [(1, 15), (2, 9), (3, 7), (5, 5), (9, 5)])
def test_workers_take_cells_in_turn(workers, seconds):
    assert cost.makespan([1, 2, 3, 4, 5], workers) == seconds


@pytest.mark.parametrize(("dataset", "shape"), [("cifar10", (32, 32, 3)), ("celeba", (64, 64, 3))])
def test_what_is_timed_is_a_cell_of_the_table_on_images_of_its_shape(dataset, shape):
    names = _grid.class_names(dataset)
    (cell,) = _grid.unbalanced_cells("classes", dataset, names[0], ["acgan"], [0], {"width": 0.05})
    images = cost.random_images(cell.config, names)
    assert images.image_shape == shape and cell.config.network == dataset
    _, batches = steps.prepared(cell.config, images)
    shapes = {tuple(t.shape[1:]) for t in tf.nest.flatten(next(batches)) if t.shape.rank == 4}
    assert shapes == {shape}
    assert cell.config.iterations == _grid.ITERATIONS[dataset] == cost.LENGTHS[1]


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
