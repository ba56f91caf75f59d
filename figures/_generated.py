"""What a finished run generates, for a picture."""

from collections.abc import Sequence

import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.runs import outputs


def generated(config: RunConfig, positive_classes: Sequence[int], num: int) -> np.ndarray:
    """(num, H, W, C) float32 in [-1, 1], the same for the same run.

    A conditional generator is asked for the classes that the others have learnt, in turn.

    Args:
        config: of the run, resolved.
        positive_classes: labels of what it should generate.
        num: how many.
    """
    sampler = outputs.sampler_of(config)
    label = positive_classes if sampler.conditional else None
    return sampler.sample(num, config.seed, label)
