"""Trains runs on several logical CPUs, which must be created before TensorFlow starts.

Evaluations use `small_embedding`, which needs no training.

Usage: python -m tests.train_on DEVICES RUN.json ... ; each file is the JSON of a `RunConfig`.
"""

import sys
from pathlib import Path

import keras
import tensorflow as tf
from keras import layers


def make_devices(count: int) -> None:
    """Divides the CPU into `count` logical devices."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    tf.config.set_logical_device_configuration(cpu, logical)


def small_embedding():
    """A classifier of digits with random weights, which are the same in every process."""
    from rumi_tf.evaluation.embeddings import Embedding

    def seeded(layer, *args, seed, **keywords):
        initializer = keras.initializers.HeNormal(seed=seed)
        return layer(*args, kernel_initializer=initializer, **keywords)

    x = inputs = keras.Input((28, 28, 1))
    x = seeded(layers.Conv2D, 8, 5, strides=3, activation="relu", seed=0)(x)
    x = layers.BatchNormalization()(x)
    features = seeded(layers.Dense, 16, seed=1)(layers.Flatten()(x))
    scores = seeded(layers.Dense, 10, activation="softmax", seed=2)(features)
    network = keras.Model(inputs, [features, scores])

    @tf.function
    def embed(images):
        features, scores = network(images, training=False)
        return {"features": features, "scores": scores, "classes": scores}

    names = tuple("0123456789")
    return Embedding("small", "classifier-1", embed, (28, 28, 1), names, "classifier-1")


def main() -> None:
    """Trains the runs in order."""
    devices, *paths = sys.argv[1:]
    make_devices(int(devices))
    from rumi_tf.config.run import RunConfig
    from rumi_tf.evaluation import evaluator
    from rumi_tf.training import train

    evaluator.load_embedding = lambda *_: small_embedding()
    for path in paths:
        train.train(RunConfig.from_json(Path(path).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
