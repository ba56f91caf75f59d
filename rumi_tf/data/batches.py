"""The endless stream of training batches: batch t is a pure function of (seed, t)."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from rumi_tf.data.images import LabelledImages
from rumi_tf.randomness import epoch_shuffle


def batch_stream(
    images: LabelledImages,
    subsets: Mapping[str, np.ndarray],
    updates: Sequence[Mapping[str, str]],
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    stop: int | None = None,
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

    Returns:
        A dataset whose element t is a tuple over updates of dicts role ->
        {"image": (batch_size, H, W, C) float32 in [-1, 1], "label": (batch_size,) int32}.
    """
    labels = tf.constant(images.labels)
    members = {name: tf.constant(index, tf.int64) for name, index in subsets.items()}
    uses: dict[str, int] = {}  # batches of each subset that an iteration takes
    plan = []
    for update in updates:
        plan.append({})
        for role, subset in update.items():
            plan[-1][role] = (subset, uses.get(subset, 0))
            uses[subset] = uses.get(subset, 0) + 1

    def one(step: tf.Tensor, subset: str, turn: int) -> dict[str, tf.Tensor]:
        number = step * uses[subset] + turn
        positions = number * batch_size + tf.range(batch_size, dtype=tf.int64)
        chosen = epoch_shuffle(positions, len(subsets[subset]), seed, f"batches/{subset}")
        index = tf.gather(members[subset], chosen)
        return {"image": images.gather(index), "label": tf.gather(labels, index)}

    def iteration(step: tf.Tensor):
        return tuple({role: one(step, *use) for role, use in update.items()} for update in plan)

    steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max if stop is None else stop)
    return steps.map(iteration, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )
