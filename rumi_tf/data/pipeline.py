"""Stream of training batches; batch t is a pure function of (seed, t)."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from rumi_tf.data.dataset import LabelledImages
from rumi_tf.utils.rng import epoch_shuffle


def batch_stream(
    images: LabelledImages,
    subsets: Mapping[str, np.ndarray],
    updates: Sequence[Mapping[str, str]],
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    stop: int | None = None,
    parts: Sequence[int] = (0,),
    of: int = 1,
) -> tf.data.Dataset:
    """Yields the batches of iterations `start`, `start + 1`, ... of training.

    Each epoch of a subset is a permutation of it. Subsets have independent epochs, and a batch may
    span several epochs, so a subset may be smaller than a batch.

    Args:
        images: the data set.
        subsets: subset name -> (n,) indices into `images`.
        updates: per discriminator update of an iteration, role -> subset name. Roles with the same
            subset take consecutive batches of it.
        batch_size: images per role and update.
        seed: seed of the run.
        start: first iteration.
        stop: iteration to stop before; `None` for an endless stream.
        parts: indices of the replicas to yield batches for.
        of: total number of replicas; divides `batch_size`.

    Returns:
        A dataset with one element per iteration and replica in `parts`. An element is a tuple over
        updates of dicts role ->
        {"image": (batch_size / of, H, W, C) float32 in [-1, 1], "label": (batch_size / of,) int32}.
    """
    labels = tf.constant(images.labels)
    members = {name: tf.constant(index, tf.int64) for name, index in subsets.items()}
    uses: dict[str, int] = {}  # subset name -> batches per iteration
    plan: list[dict[str, tuple[str, int]]] = []
    for update in updates:
        plan.append({})
        for role, subset in update.items():
            plan[-1][role] = (subset, uses.get(subset, 0))
            uses[subset] = uses.get(subset, 0) + 1

    size = batch_size // of
    replicas = tf.constant(parts, tf.int64)

    def batch(step: tf.Tensor, part: tf.Tensor, subset: str, turn: int) -> dict[str, tf.Tensor]:
        number = step * uses[subset] + turn
        positions = number * batch_size + part * size + tf.range(size, dtype=tf.int64)
        shuffled = epoch_shuffle(positions, len(subsets[subset]), seed, f"batches/{subset}")
        index = tf.gather(members[subset], shuffled)
        return {"image": images.gather(index), "label": tf.gather(labels, index)}

    def element(number: tf.Tensor) -> tuple[dict[str, dict[str, tf.Tensor]], ...]:
        step, part = number // len(parts), tf.gather(replicas, number % len(parts))
        return tuple(
            {role: batch(step, part, *use) for role, use in update.items()} for update in plan
        )

    end = np.iinfo(np.int64).max if stop is None else stop * len(parts)
    elements = tf.data.Dataset.range(start * len(parts), end)
    return elements.map(element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )
