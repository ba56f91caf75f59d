"""A batch that is divided over replicas: which rows are one's own, and means over all of them.

Every device of a `tf.distribute` strategy is a replica, which computes an equal part of the batch.
What is drawn is drawn for the whole batch, of which each replica takes its rows, so that a result
does not depend on how many there are. Without a strategy there is one replica, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rumi_tf.utils import rng
from rumi_tf.utils.lazy import tf

Values = TypeVar("Values")


def count() -> int:
    """Number of replicas; 1 outside of a replica's own computation."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def number() -> int | tf.Tensor:
    """Which of the replicas this is, from 0."""
    return 0 if count() == 1 else tf.distribute.get_replica_context().replica_id_in_sync_group


def whole_shape(shape):
    """Shape (B, ...) of this replica's rows -> that of the whole batch."""
    if count() == 1:
        return shape
    shape = tf.convert_to_tensor(shape)
    return tf.concat([shape[:1] * count(), shape[1:]], axis=0)


def own_rows(rows: tf.Tensor) -> tf.Tensor:
    """(count() B, ...) rows of the whole batch -> the (B, ...) rows of this replica."""
    if count() == 1:
        return rows
    size = tf.shape(rows)[0] // count()
    return rows[number() * size : (number() + 1) * size]


def uniform(
    shape: Sequence[int] | tf.Tensor, seed: int, stream: str, step: int | tf.Tensor, draw: int
) -> tf.Tensor:
    """This replica's (B, ...) rows of `randomness.uniform` for the whole batch."""
    return own_rows(rng.uniform(whole_shape(shape), seed, stream, step, draw))


def all_rows(rows: tf.Tensor) -> tf.Tensor:
    """(B, ...) rows of this replica -> the (count() B, ...) rows of the whole batch, in order.

    It has a gradient: that of the sum over replicas of what they make of the rows, of which
    `addends` makes their mean.
    """
    if count() == 1:
        return rows
    return tf.distribute.get_replica_context().all_gather(rows, axis=0)


def dense(gradients: Iterable[tf.Tensor | tf.IndexedSlices]) -> list[tf.Tensor]:
    """Gradients in the shapes of their weights.

    That of an embedding is sparse, with an entry for every image of a class. Norms and sums are to
    be those of what the entries add up to, and so are squares: Keras's Adam squares the entries
    before it adds them up, which makes its second moment too small.
    """
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def addends(gradients: Iterable[tf.Tensor | tf.IndexedSlices]) -> list[tf.Tensor]:
    """Gradients of this replica's loss -> what adds up over replicas to that of the batch's, dense.

    Keras optimizers add the replicas' gradients, and a loss is a mean.
    """
    whole = dense(gradients)
    return whole if count() == 1 else [gradient / count() for gradient in whole]


def reported(value: tf.Tensor) -> tf.Tensor:
    """A scalar as `fit` wants it returned: of several workers it averages over a first axis.

    Without one it fails (tensorflow issue 72388).
    """
    strategy = tf.distribute.get_strategy()
    workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    # As Keras asks: a cluster of one worker is no such mode.
    several = workers and strategy.extended._in_multi_worker_mode()
    return value[tf.newaxis] if several else value


def mean(values: Values) -> Values:
    """The mean over replicas of a tensor, or of each tensor of a list."""
    if count() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)
