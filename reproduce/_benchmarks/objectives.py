"""Time of an iteration of every objective against LSGAN's, on the MNIST networks."""

import gc
from collections.abc import Iterator, Sequence

from reproduce._benchmarks.steps import ITERATIONS, config_of, stepper
from reproduce._benchmarks.timing import Comparison, medians

BASE = "lsgan"


def comparisons(
    names: Sequence[str], width: float, batch_size: int, repetitions: int
) -> Iterator[Comparison]:
    """Yields a comparison of each objective with LSGAN, in seconds per iteration."""
    for name in names:  # check all names before timing the first
        config_of(name, width=width, batch_size=batch_size)
    for name in names:
        # Both models are rebuilt for every line: a model got slower while others were built.
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
