"""Calls the functions of `rumi_tf.utils.replicas` on several logical CPUs; prints what they return.

Usage: python -m tests.replicas_on DEVICES; JSON: by name, a list of every replica's value.
"""

import json
import sys

import tensorflow as tf

from tests.train_on import make_devices

ROWS, WIDTH = 2, 3  # of every replica


def of_replica(factors: tf.Tensor) -> dict[str, tf.Tensor]:
    """What every function returns in a replica.

    Args:
        factors: (replicas, replicas ROWS, WIDTH), of which each replica weights all rows with its
            own.
    """
    from rumi_tf.utils import replicas

    devices = len(factors)
    whole = tf.reshape(tf.range(devices * ROWS * WIDTH, dtype=tf.float32), (-1, WIDTH))
    own = replicas.own_rows(whole)
    with tf.GradientTape() as tape:
        tape.watch(own)
        gathered = replicas.all_rows(own)
        loss = tf.reduce_sum(gathered * tf.gather(factors, replicas.number()))
    number = tf.cast(replicas.number(), tf.float32)
    values = tf.constant([[0.0, 1.0], [2.0, 3.0]]) + number
    sparse = tf.IndexedSlices(values, tf.constant([2, 2]), tf.constant([4, 2]))
    dense, thick = replicas.addends([own, sparse])
    return {
        "count": tf.constant(replicas.count()),
        "number": tf.identity(replicas.number()),
        "whole_shape": replicas.whole_shape(tf.shape(own)),
        "own_rows": own,
        "all_rows": gathered,
        "gradient": tape.gradient(loss, own),
        "addends": dense,
        "sparse addends": thick,
        "mean": replicas.mean(own),
        "means": tf.stack(replicas.mean([number, number**2])),
        "reported": replicas.reported(number),
    }


def main() -> None:
    """Runs it in every replica of a mirrored strategy."""
    devices = int(sys.argv[1])
    make_devices(devices)
    from rumi_tf.utils import distribute

    strategy = distribute.make_strategy("mirrored")
    shape = (devices, devices * ROWS, WIDTH)
    factors = tf.random.stateless_normal(shape, (0, 1))
    found = tf.function(lambda: strategy.run(of_replica, (factors,)))()
    lists = {
        name: [value.numpy().tolist() for value in strategy.experimental_local_results(values)]
        for name, values in found.items()
    }
    print(json.dumps({**lists, "factors": factors.numpy().tolist()}))


if __name__ == "__main__":
    main()
