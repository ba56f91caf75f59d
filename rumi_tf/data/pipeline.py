"""The endless stream of training batches: batch t is a pure function of (seed, t)."""

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
    """Batches for iterations `start`, `start + 1`, ... of training.

    Every subset is cycled at its own length in epochs, each a permutation. A batch that reaches
    the end of an epoch goes on in the next, so a subset may be smaller than a batch.

    Args:
        images: the data set.
        subsets: by name, (n,) indices into `images`.
        updates: for every discriminator update of an iteration, role -> name of the subset that
            its images come from. Roles that name the same subset take turns in its stream.
        batch_size: images per role and update.
        seed: seed of the run.
        start: first iteration.
        stop: iteration to end before; `None` for an endless stream.
        parts: numbers of the replicas that the stream is for; each takes its part of the batch.
        of: number of replicas in all, which divides `batch_size`.

    Returns:
        A dataset whose elements are tuples over updates of dicts role ->
        {"image": (batch_size / of, H, W, C) float32 in [-1, 1], "label": (batch_size / of,) int32}:
        for every iteration one for each of `parts`.
    """
    labels = tf.constant(images.labels)
    members = {name: tf.constant(index, tf.int64) for name, index in subsets.items()}
    uses: dict[str, int] = {}  # batches of each subset that an iteration takes
    plan: list[dict[str, tuple[str, int]]] = []
    for update in updates:
        plan.append({})
        for role, subset in update.items():
            plan[-1][role] = (subset, uses.get(subset, 0))
            uses[subset] = uses.get(subset, 0) + 1

    size = batch_size // of
    numbers = tf.constant(parts, tf.int64)

    def one(step: tf.Tensor, part: tf.Tensor, subset: str, turn: int) -> dict[str, tf.Tensor]:
        number = step * uses[subset] + turn
        positions = number * batch_size + part * size + tf.range(size, dtype=tf.int64)
        chosen = epoch_shuffle(positions, len(subsets[subset]), seed, f"batches/{subset}")
        index = tf.gather(members[subset], chosen)
        return {"image": images.gather(index), "label": tf.gather(labels, index)}

    def element(number: tf.Tensor) -> tuple[dict[str, dict[str, tf.Tensor]], ...]:
        step, part = number // len(parts), tf.gather(numbers, number % len(parts))
        return tuple(
            {role: one(step, part, *use) for role, use in update.items()} for update in plan
        )

    last = np.iinfo(np.int64).max if stop is None else stop * len(parts)
    elements = tf.data.Dataset.range(start * len(parts), last)
    return elements.map(element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )
