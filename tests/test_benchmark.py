"""What the benchmarks count and compare."""

import pytest

from reproduce._benchmarks import steps, timing, training


def test_medians_are_of_the_times_in_turn(monkeypatch):
    clock = iter([0, 3, 10, 11, 20, 21, 30, 32, 40, 47, 50, 59])  # ours 3, 1, 7; other 1, 2, 9
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls = []
    ours, other = timing.medians(lambda: calls.append("a") or 5, lambda: calls.append("b"), 3)
    assert (ours, other) == ((3, 5), (2, None)) and calls == ["a", "b"] * 3
    line = timing.Comparison("x", "a", "b", ours[0], other[0], "none")
    assert line.ratio == 1.5 and line.row()["ratio"] == 1.5


def test_operations_of_an_iteration_are_those_of_its_convolutions_and_grow_with_the_batch():
    """Of D's first convolution alone there are 2 * 28/2 * 28/2 * 5 * 5 * filters an image."""
    small, large = (
        training.operations(steps.config_of("lsgan", width=0.25, batch_size=n)) for n in (8, 16)
    )
    assert 1.9 < large / small < 2.01
    assert small > 8 * 4 * 2 * 14 * 14 * 25 * 16  # forwards for real and generated, twice


@pytest.mark.slow
def test_a_stepper_trains_so_many_iterations(monkeypatch):
    models = []
    make = steps.prepared
    monkeypatch.setattr(steps, "prepared", lambda c: models.append(made := make(c)) or made)
    train = steps.stepper(steps.config_of("lsgan", width=0.1, batch_size=4))
    train()
    assert int(models[0][0].iteration) == 2 * steps.ITERATIONS
