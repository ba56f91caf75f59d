"""Evaluation protocols: embedding, sample counts and set of real images."""

import dataclasses
from typing import Any

import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.data.splits import Split
from rumi_tf.utils.rng import numpy_generator


@dataclasses.dataclass(frozen=True)
class Protocol:
    """An evaluation protocol.

    Attributes:
        name: name in the rows of results.
        embedding: `inception`, `inception_299`, `classifier`, or `none` for points in space.
        num_generated: number of generated images.
        num_reference: maximum number of real images; `None` for all.
        reference: `positive` uses all real images of the positive classes, including images held
            out of training; `all` uses the whole training part of the data set.
        seed: seed of the choice of real images, subsets and clusterings. The noise depends on the
            seed of the run instead.
    """

    name: str
    embedding: str
    num_generated: int
    num_reference: int | None
    reference: str = "positive"
    seed: int = 0

    def reference_indices(self, labels: np.ndarray, split: Split) -> np.ndarray:
        """(n,) int64 indices of the real images, in random order."""
        indices = np.arange(len(labels))
        if self.reference == "positive":
            indices = np.flatnonzero(np.isin(labels, split.positive_classes))
        indices = numpy_generator(self.seed, "reference").permutation(indices)
        return indices[: self.num_reference].astype(np.int64)


def rumi_unbalanced(embedding: str = "inception", dataset: str = "mnist") -> Protocol:
    """Section 5 of the Rumi-GAN paper: 10,000 generated images against the minority class.

    The real images are all images of the class, not only the training images; for CelebA, 10,000
    of them.
    """
    return Protocol("rumi_unbalanced", embedding, 10_000, 10_000 if dataset == "celeba" else None)


def rumi_subset(embedding: str = "inception", dataset: str = "mnist") -> Protocol:
    """Section 4.2 of the Rumi-GAN paper: 10,000 generated images against the positive classes."""
    return Protocol("rumi_subset", embedding, 10_000, 10_000 if dataset == "celeba" else None)


def uac_images(embedding: str = "inception_299", dataset: str = "mnist") -> Protocol:
    """Table 2 of the UAC-GAN paper: 10,240 images of all classes against all training images."""
    del dataset
    return Protocol("uac_images", embedding, 10_240, None, reference="all")


def uac_mixture() -> Protocol:
    """Table 1 of the UAC-GAN paper: MMD^2 of 10,000 points per class, without an embedding."""
    return Protocol("uac_mixture", "none", 10_000, 10_000)


IMAGE_PROTOCOLS = {"rumi_unbalanced": rumi_unbalanced, "rumi_subset": rumi_subset,
                   "uac_images": uac_images}  # fmt: skip


def protocol_for(config: RunConfig) -> Protocol:
    """Protocol of a resolved configuration; `auto` selects it by the split.

    An embedding or a number of samples in the configuration overrides the protocol's. The default
    embedding of `auto` is `classifier`, which needs no download.
    """
    name, embedding = config.protocol, config.embedding
    if name == "auto":
        name = "rumi_unbalanced" if config.split == "unbalanced" else "rumi_subset"
        embedding = embedding or "classifier"
    overrides: dict[str, Any] = {"embedding": embedding, "num_generated": config.eval_samples}
    return dataclasses.replace(
        IMAGE_PROTOCOLS[name](dataset=config.dataset),
        **{field: value for field, value in overrides.items() if value is not None},
    )
