"""Splits a batch over replicas, and gathers and averages over them.

Every device of a `tf.distribute` strategy is a replica, which computes an equal part of the batch.
Random numbers are drawn for the whole batch, of which each replica takes its rows, so that results
do not depend on the number of replicas. Without a strategy there is one replica, and the functions
return their input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rumi_tf.utils import rng
from rumi_tf.utils.lazy import tf

Values = TypeVar("Values")


def count() -> int:
    """Number of replicas; 1 outside of a replica's computation."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def number() -> int | tf.Tensor:
    """Index of this replica, from 0."""
    return 0 if count() == 1 else tf.distribute.get_replica_context().replica_id_in_sync_group


def whole_shape(shape):
    """Shape (B, ...) of this replica's rows -> shape (count() B, ...) of the whole batch."""
    if count() == 1:
        return shape
    shape = tf.convert_to_tensor(shape)
    return tf.concat([shape[:1] * count(), shape[1:]], axis=0)


def local_rows(rows: tf.Tensor) -> tf.Tensor:
    """(count() B, ...) rows of the whole batch -> the (B, ...) rows of this replica."""
    if count() == 1:
        return rows
    size = tf.shape(rows)[0] // count()
    return rows[number() * size : (number() + 1) * size]


def uniform(
    shape: Sequence[int] | tf.Tensor, seed: int, stream: str, step: int | tf.Tensor, draw: int
) -> tf.Tensor:
    """This replica's (B, ...) rows of `rng.uniform` for the whole batch."""
    return local_rows(rng.uniform(whole_shape(shape), seed, stream, step, draw))


def all_rows(rows: tf.Tensor) -> tf.Tensor:
    """(B, ...) rows of this replica -> the (count() B, ...) rows of the whole batch, in order.

    Its gradient is that of the sum of the replicas' losses. `scaled_gradients` turns it into the
    gradient of their mean.
    """
    if count() == 1:
        return rows
    return tf.distribute.get_replica_context().all_gather(rows, axis=0)


def dense(gradients: Iterable[tf.Tensor | tf.IndexedSlices]) -> list[tf.Tensor]:
    """Converts sparse gradients to tensors of the shapes of their weights.

    The gradient of an embedding is sparse, with one entry per image of a class. Norms and squares
    must be those of the summed entries, but Keras's Adam squares the entries before it sums them,
    which makes its second moment too small.
    """
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def scaled_gradients(gradients: Iterable[tf.Tensor | tf.IndexedSlices]) -> list[tf.Tensor]:
    """Dense gradients of this replica's loss, divided by the number of replicas.

    Keras optimizers sum gradients over replicas, but the loss is a mean over the batch.
    """
    tensors = dense(gradients)
    return tensors if count() == 1 else [gradient / count() for gradient in tensors]


def reported(value: tf.Tensor) -> tf.Tensor:
    """A scalar for `fit` to return from a training step.

    With several workers `fit` averages over the first axis, and fails without one (tensorflow
    issue 72388).
    """
    strategy = tf.distribute.get_strategy()
    multi_worker = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    # The condition that Keras tests, which is false for a cluster of one worker.
    several = multi_worker and strategy.extended._in_multi_worker_mode()
    return value[tf.newaxis] if several else value


def mean(values: Values) -> Values:
    """Mean over replicas of a tensor, or of each tensor in a list."""
    if count() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)
