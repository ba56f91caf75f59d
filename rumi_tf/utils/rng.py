"""Random draws as pure functions of (seed, stream, step, position).

There is no generator state, so the training state is weights, optimizers and a step count.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from rumi_tf.utils.lazy import tf


def stream_number(name: str) -> int:
    """A stable 31-bit number for a named stream of draws."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def numpy_generator(seed: int, stream: str) -> np.random.Generator:
    """A NumPy generator for draws made once, outside the training loop."""
    return np.random.default_rng([seed, stream_number(stream)])


def initializer_seeds(seed: int, stream: str, count: int) -> list[int]:
    """Independent integer seeds for the `count` weight initialisers of a network."""
    return [int(s) for s in numpy_generator(seed, stream).integers(0, 2**31 - 1, size=count)]


def normal(
    shape: Sequence[int] | tf.Tensor, seed: int, stream: str, step: int | tf.Tensor, draw: int = 0
) -> tf.Tensor:
    """Standard normal float32 tensor for iteration `step`; `draw` numbers draws within it.

    XLA computes different normal numbers from the same random bits, so `jit` is part of a run's
    identity.
    """
    # The default algorithm depends on the device.
    return tf.random.stateless_normal(shape, _key(seed, stream, step, draw), alg="philox")


def uniform(
    shape: Sequence[int] | tf.Tensor, seed: int, stream: str, step: int | tf.Tensor, draw: int = 0
) -> tf.Tensor:
    """Uniform float32 tensor in [0, 1) for iteration `step`; `draw` numbers draws within it."""
    return tf.random.stateless_uniform(shape, _key(seed, stream, step, draw), alg="philox")


def labels(
    count: int,
    shares: Sequence[float],
    seed: int,
    stream: str,
    step: int | tf.Tensor,
    draw: int = 0,
) -> tf.Tensor:
    """(count,) random int32 labels for iteration `step`.

    Args:
        count: number of labels.
        shares: (K,) probabilities of the labels; labels of probability 0 are never drawn.
        seed, stream, step, draw: see `uniform`.
    """
    return labels_of(uniform([count], seed, stream, step, draw), shares)


def labels_of(numbers: tf.Tensor, shares: Sequence[float]) -> tf.Tensor:
    """Uniform numbers in [0, 1), of any shape -> int32 labels with (K,) probabilities `shares`."""
    sums = np.cumsum(np.asarray(shares, np.float64)).astype(np.float32)
    # Rounding may leave the last sum below 1, and no number may exceed it.
    sums[np.flatnonzero(shares)[-1] :] = 2.0
    # A sum over the first axis is four times as fast as one over the last.
    sums = sums.reshape(-1, *[1] * numbers.shape.rank)
    return tf.reduce_sum(tf.cast(numbers >= sums, tf.int32), axis=0)


def _key(seed: int, stream: str, step: int | tf.Tensor, draw: int) -> tf.Tensor:
    key = tf.constant([seed % 2**31, stream_number(stream)], tf.int32)
    key = tf.random.experimental.stateless_fold_in(key, tf.cast(step, tf.int32))
    return tf.random.experimental.stateless_fold_in(key, draw)


def epoch_shuffle(positions: tf.Tensor, size: int, seed: int, stream: str) -> tf.Tensor:
    """Indices at the given positions in an endless sequence of shuffled epochs.

    Args:
        positions: (B,) int64, positions in the sequence, from 0.
        size: number of items; positions k size to (k + 1) size - 1 are epoch k, a permutation of
            0..size-1.
        seed: seed of the run.
        stream: name of the random stream.

    Returns:
        (B,) int64 indices in [0, size), a pure function of the arguments.
    """
    positions = tf.cast(positions, tf.int64)
    keys = tf.stack(
        [
            tf.fill(tf.shape(positions), tf.constant(seed, tf.int64)),
            tf.fill(tf.shape(positions), tf.constant(stream_number(stream), tf.int64)),
            positions // size,
        ],
        axis=-1,
    )
    # tf.random.experimental.index_shuffle pads a matrix of seeds along the wrong axis
    # (TensorFlow 2.21), so call the operation beneath it, with one seed per element.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % size,
        seed=keys,
        max_index=tf.fill(tf.shape(positions), tf.constant(size - 1, tf.int64)),
        rounds=4,
    )
