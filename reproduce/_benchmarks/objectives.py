"""Time of an iteration of every objective against LSGAN's, on the MNIST networks."""

import gc
from collections.abc import Iterator, Sequence

from reproduce._benchmarks.steps import ITERATIONS, config_of, stepper
from reproduce._benchmarks.timing import Comparison, medians

BASE = "lsgan"


def comparisons(
    names: Sequence[str], width: float, batch_size: int, repetitions: int
) -> Iterator[Comparison]:
    """Yields a line per objective: seconds per iteration, and LSGAN's in turn with it."""
    for name in names:  # all of them before the first is timed
        config_of(name, width=width, batch_size=batch_size)
    for name in names:
        # Both are made anew for every line: a model that lived through the making of others was
        # seen to become slower.
        base, step = (
            stepper(config_of(n, width=width, batch_size=batch_size)) for n in (BASE, name)
        )
        ours, other = medians(step, base, repetitions)
        yield Comparison(
            f"an iteration of {name}, width {width:g}, batch {batch_size}", name, BASE,
            ours[0] / ITERATIONS, other[0] / ITERATIONS, "none",
        )  # fmt: skip
        del base, step
        gc.collect()
