"""Trains runs on several logical CPUs, which have to be made before TensorFlow begins.

Usage: python -m tests.train_on DEVICES RUN.json ... ; each file holds the JSON of a `RunConfig`.
"""

import sys
from pathlib import Path

import tensorflow as tf


def main() -> None:
    """Trains the runs in order."""
    devices, *paths = sys.argv[1:]
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(int(devices))]
    tf.config.set_logical_device_configuration(cpu, logical)
    from rumi_tf import experiment
    from rumi_tf.config import RunConfig

    for path in paths:
        experiment.train(RunConfig.from_json(Path(path).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
