"""Named bundles of embedding, sample counts and reference set: what a number was measured on."""

import dataclasses
from typing import Any

import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.data.splits import Split
from rumi_tf.utils.rng import numpy_generator


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How generated images are compared with real ones.

    Attributes:
        name: stands in every row of results.
        embedding: `inception`, `inception_299`, `classifier`, or `none` for points in space.
        num_generated: images to generate.
        num_reference: real images at most; `None` takes all.
        reference: which real images: `positive`, all of the positive classes, those that were
            held out of training included; or `all`, the whole training part of the data set.
        seed: of the choice of real images, of subsets and of clusterings. The noise follows the
            seed of the run.
    """

    name: str
    embedding: str
    num_generated: int
    num_reference: int | None
    reference: str = "positive"
    seed: int = 0

    def reference_indices(self, labels: np.ndarray, split: Split) -> np.ndarray:
        """(n,) int64 indices of the real images, in random order, so that any first part of them
        is a fair sample.
        """
        chosen = np.arange(len(labels))
        if self.reference == "positive":
            chosen = np.flatnonzero(np.isin(labels, split.positive_classes))
        chosen = numpy_generator(self.seed, "reference").permutation(chosen)
        return chosen[: self.num_reference].astype(np.int64)


def rumi_unbalanced(embedding: str = "inception", dataset: str = "mnist") -> Protocol:
    """Section 5 of the Rumi-GAN paper: 10,000 generated against the entire parent class.

    That is all images of the minority class, not only those that were trained on; of CelebA's
    10,000 of them.
    """
    return Protocol("rumi_unbalanced", embedding, 10_000, 10_000 if dataset == "celeba" else None)


def rumi_subset(embedding: str = "inception", dataset: str = "mnist") -> Protocol:
    """Section 4.2 of the Rumi-GAN paper: 10,000 generated against the positive classes."""
    return Protocol("rumi_subset", embedding, 10_000, 10_000 if dataset == "celeba" else None)


def uac_images(embedding: str = "inception_299", dataset: str = "mnist") -> Protocol:
    """Table 2 of the UAC-GAN paper: 10,240 of all classes against all training images."""
    del dataset  # the same for all
    return Protocol("uac_images", embedding, 10_240, None, reference="all")


def uac_mixture() -> Protocol:
    """Table 1 of the UAC-GAN paper: 10,000 points per class, compared as they are by MMD^2."""
    return Protocol("uac_mixture", "none", 10_000, 10_000)


OF_IMAGES = {"rumi_unbalanced": rumi_unbalanced, "rumi_subset": rumi_subset,
             "uac_images": uac_images}  # fmt: skip


def protocol_for(config: RunConfig) -> Protocol:
    """The protocol of a resolved configuration: the one it names, or that of its split.

    Where the configuration names an embedding or a number of samples, they take the place of the
    protocol's own. A protocol that was not named has the embedding that needs no download.
    """
    name, embedding = config.protocol, config.embedding
    if name == "auto":
        name = "rumi_unbalanced" if config.split == "unbalanced" else "rumi_subset"
        embedding = embedding or "classifier"
    chosen: dict[str, Any] = {"embedding": embedding, "num_generated": config.eval_samples}
    return dataclasses.replace(
        OF_IMAGES[name](dataset=config.dataset),
        **{field: value for field, value in chosen.items() if value is not None},
    )
