"""Runs a command until it would read data, train or load a model, and ends it there.

`python -m tests.accepting MODULE flags...` prints the place that the command came to. If it comes
to none of them, it ends as the command does: by itself, or because it refuses its flags.
"""

import functools
import importlib
import runpy
import sys

# Until here a command looks at its flags alone. Of functions that are imported by name, the name
# in the importing module counts.
PLACES = (
    "rumi_tf.data.loaders:load_images",
    "rumi_tf.training.build:load_images",
    "rumi_tf.export.sampler:load_sampler",
    "rumi_tf.experiments.evaluate_images:load_sampler",
    "rumi_tf.experiments.evaluate_images:load_unlabelled",
    "rumi_tf.experiments.gaussians:train",
    "rumi_tf.experiments.sweep:run",
    "reproduce._benchmarks.metrics:comparisons",
    "reproduce._benchmarks.training:comparisons",
    "reproduce._benchmarks.objectives:comparisons",
    "reproduce._benchmarks.mixture:comparisons",
    "reproduce._benchmarks.memory:peaks",
    "reproduce._benchmarks.samples:table",
    "reproduce._benchmarks.feeding:comparisons",
    "reproduce._benchmarks.precision:runs",
    "reproduce._benchmarks.cost:rows",
    "figures._toy:learnt_density",
    "figures._theorem1:search",
    "rumi_tf.utils.distribute:tf.distribute.MultiWorkerMirroredStrategy",
)


def _ending_at(place: str):
    def end(*_, **__):
        print(f"came to {place}", flush=True)
        sys.exit(0)

    return end


def load() -> list:
    """Imports the modules of the places; returns them."""
    return [importlib.import_module(place.split(":")[0]) for place in PLACES]


def main() -> None:
    """Replaces the places, and runs the command."""
    for place, module in zip(PLACES, load(), strict=True):
        *owners, name = place.split(":")[1].split(".")
        setattr(functools.reduce(getattr, owners, module), name, _ending_at(place))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
