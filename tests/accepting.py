"""Runs a command until it would read data, train or load a model, and stops it there.

`python -m tests.accepting MODULE flags...` prints the function that was reached. If none is
reached, it ends like the command, for instance because a flag is rejected.
"""

import functools
import importlib
import runpy
import sys

# Until it calls one of these, a command only checks its flags. Functions that are imported by name
# must be replaced in the importing module.
STOPS = (
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


def _stop_at(target: str):
    def stop(*_, **__):
        print(f"reached {target}", flush=True)
        sys.exit(0)

    return stop


def load() -> list:
    """Imports and returns the modules of `STOPS`."""
    return [importlib.import_module(target.split(":")[0]) for target in STOPS]


def main() -> None:
    """Replaces the functions and runs the command."""
    for target, module in zip(STOPS, load(), strict=True):
        *owners, name = target.split(":")[1].split(".")
        setattr(functools.reduce(getattr, owners, module), name, _stop_at(target))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
