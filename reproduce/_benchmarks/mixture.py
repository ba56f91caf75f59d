"""Time of training runs on the mixture of Gaussians all at once against one after another."""

import dataclasses
from collections.abc import Callable, Iterator

from reproduce._benchmarks.timing import Comparison, medians
from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.experiments.gaussians import config_for, make_training, train_epochs

SEQUENTIAL = 3  # runs trained one after another; their time is extrapolated to all


def comparisons(num_runs: int, repetitions: int) -> Iterator[Comparison]:
    """Yields a comparison per objective, in seconds for an epoch of all runs."""
    for name in ("acgan", "uacgan"):
        config = config_for(name, num_runs=num_runs)
        single = dataclasses.replace(config, num_runs=1)
        ours, other = medians(_stepper(config, 1), _stepper(single, SEQUENTIAL), repetitions)
        yield Comparison(
            f"an epoch of {num_runs} runs of {name}",
            "all runs at once",
            f"{SEQUENTIAL} runs one after another, extrapolated",
            ours[0], other[0] / SEQUENTIAL * num_runs, "none",
        )  # fmt: skip


def _stepper(config: MixtureConfig, times: int) -> Callable[[], None]:
    """A function that trains for `times` epochs, compiled and already called once."""
    ensemble = make_training(config)
    config = dataclasses.replace(config, epochs=10_000)
    epochs = train_epochs(config, ensemble)

    def train() -> None:
        for _ in range(times):
            next(epochs)

    next(epochs)
    return train
