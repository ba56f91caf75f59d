"""Time of an iteration of every objective against LSGAN's, on the MNIST networks."""

import gc
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from reproduce._benchmarks.timing import Comparison, shortest
from reproduce._cells import objective_config
from rumi_tf.experiment import make_batches, make_class_shares, make_model, prepare

BASE = "lsgan"
ITERATIONS = 3  # in a row, of each of the two


def comparisons(
    names: Sequence[str], width: float, batch_size: int, repetitions: int
) -> Iterator[Comparison]:
    """Yields a line per objective: seconds per iteration, and LSGAN's in turn with it."""
    for name in names:
        # Both are made anew for every line: a model that lived through the making of others was
        # seen to become slower.
        base, step = (_stepper(n, width, batch_size) for n in (BASE, name))
        ours, other = shortest(step, base, repetitions)
        yield Comparison(
            f"an iteration of {name}, width {width:g}, batch {batch_size}", name, BASE,
            ours[0] / ITERATIONS, other[0] / ITERATIONS, "none",
        )  # fmt: skip
        del base, step
        gc.collect()


def _stepper(name: str, width: float, batch_size: int) -> Callable[[], None]:
    """A function that trains for `ITERATIONS` iterations; compiled and warm."""
    config = objective_config(
        name, {"dataset": "digits", "split": "even", "width": width, "batch_size": batch_size}
    )
    images, split = prepare(config)
    model = make_model(config, images.image_shape, make_class_shares(config, images, split))
    batches = iter(make_batches(config, model, images, split, start=0))
    step = tf.function(model.train_step)

    def train() -> None:
        for _ in range(ITERATIONS):
            logs = step(next(batches))
        float(logs["g_loss"])  # waits for the device

    train()
    return train
