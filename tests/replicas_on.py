"""Calls the functions of `rumi_tf.utils.replicas` on several logical CPUs.

Usage: python -m tests.replicas_on DEVICES; prints JSON: name -> list of every replica's value.
"""

import json
import sys

import tensorflow as tf

from tests.train_on import make_devices

ROWS, WIDTH = 2, 3  # per replica


def replica_values(factors: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return values of all functions in one replica.

    Args:
        factors: (replicas, replicas * ROWS, WIDTH) weights of all rows in each replica's loss.
    """
    from rumi_tf.utils import replicas

    devices = len(factors)
    whole = tf.reshape(tf.range(devices * ROWS * WIDTH, dtype=tf.float32), (-1, WIDTH))
    local = replicas.local_rows(whole)
    with tf.GradientTape() as tape:
        tape.watch(local)
        gathered = replicas.all_rows(local)
        loss = tf.reduce_sum(gathered * tf.gather(factors, replicas.number()))
    number = tf.cast(replicas.number(), tf.float32)
    values = tf.constant([[0.0, 1.0], [2.0, 3.0]]) + number
    sparse = tf.IndexedSlices(values, tf.constant([2, 2]), tf.constant([4, 2]))
    scaled, scaled_sparse = replicas.scaled_gradients([local, sparse])
    return {
        "count": tf.constant(replicas.count()),
        "number": tf.identity(replicas.number()),
        "whole_shape": replicas.whole_shape(tf.shape(local)),
        "local_rows": local,
        "all_rows": gathered,
        "gradient": tape.gradient(loss, local),
        "gradients": scaled,
        "sparse_gradients": scaled_sparse,
        "mean": replicas.mean(local),
        "means": tf.stack(replicas.mean([number, number**2])),
        "reported": replicas.reported(number),
    }


def main() -> None:
    """Runs `replica_values` in every replica of a mirrored strategy."""
    devices = int(sys.argv[1])
    make_devices(devices)
    from rumi_tf.utils import distribute

    strategy = distribute.make_strategy("mirrored")
    shape = (devices, devices * ROWS, WIDTH)
    factors = tf.random.stateless_normal(shape, (0, 1))
    results = tf.function(lambda: strategy.run(replica_values, (factors,)))()
    lists = {
        name: [value.numpy().tolist() for value in strategy.experimental_local_results(values)]
        for name, values in results.items()
    }
    print(json.dumps({**lists, "factors": factors.numpy().tolist()}))


if __name__ == "__main__":
    main()
