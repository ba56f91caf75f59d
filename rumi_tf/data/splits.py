"""Splits into positives (images to learn) and negatives (images to avoid)."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from rumi_tf.config.run import RunConfig
from rumi_tf.data.class_names import class_index
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.rng import numpy_generator


@dataclasses.dataclass(frozen=True)
class Split:
    """Positives and negatives of a data set.

    Attributes:
        positive_classes, negative_classes: labels; may overlap. `--split=all` has no negatives.
        indices: sorted (n,) int64 image indices of the subsets `positive`, `negative` and `all`
            (their union), without the images in `holdout_indices`.
    """

    positive_classes: tuple[int, ...]
    negative_classes: tuple[int, ...]
    indices: dict[str, np.ndarray]


# Label sets of the paper's overlap experiment (Section 4.2), also used on Fashion-MNIST.
OVERLAP = ((1, 2, 4, 5, 7, 9), (0, 2, 3, 6, 8, 9))
EVEN, ODD = (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)
ANIMALS = (2, 3, 4, 5, 6, 7)  # bird, cat, deer, dog, frog, horse

TEN_CLASSES = ("digits", "mnist", "fashion_mnist", "cifar10")
# Default of --minority_size, the images kept of the minority class; 0 keeps all.
# Paper, Section 5: 200 for MNIST, 5% for CIFAR-10 (250 of 5,000) and CelebA. The counts of CelebA
# depend on the copy, so its 5% are computed after loading.
MINORITY_SIZES = {
    "digits": 50, "mnist": 200, "fashion_mnist": 200, "cifar10": 250, "celeba": None, "folder": 0,
}  # fmt: skip
MINORITY_SHARE = 0.05

# Positive and negative labels.
_Sides = tuple[Sequence[int], Sequence[int]]


def make_split(config: RunConfig, labels: np.ndarray, class_names: Sequence[str]) -> Split:
    """Splits a data set as `config.split` says.

    Args:
        config: configuration with a resolved `split`; its `seed` draws the minority images.
        labels: (N,) integer labels.
        class_names: name of each label.

    Raises:
        InvalidInput: unknown class, split not defined for the data set, or an empty subset.
    """
    positive, negative = _SPLITS[config.split](config, class_names)
    training = np.setdiff1d(np.arange(len(labels)), holdout_indices(config, labels))
    indices = {}
    for flag, subset, classes in (
        ("positive_classes", "positive", positive),
        ("negative_classes", "negative", negative),
    ):
        if not classes and config.split != "all":
            raise InvalidInput(flag, "no classes are left; name at least one")
        indices[subset] = training[np.isin(labels[training], classes)].astype(np.int64)
        if classes and not len(indices[subset]):
            names = ", ".join(class_names[k] for k in classes)
            raise InvalidInput(flag, f"{config.dataset} has no images of class {names}")
    if config.split == "unbalanced":
        indices["positive"] = _draw_minority(config, indices["positive"])
    indices["all"] = np.union1d(indices["positive"], indices["negative"])
    return Split(tuple(positive), tuple(negative), indices)


def holdout_indices(config: RunConfig, labels: np.ndarray) -> np.ndarray:
    """Sorted (m,) indices of the images that `config.holdout` excludes from training.

    They depend only on the labels, the share and the seed, so runs with other minority classes or
    objectives hold out the same images.
    """
    return np.sort(stratified(labels, config.holdout, config.seed, "holdout"))


def stratified(labels: np.ndarray, share: float, seed: int, stream: str) -> np.ndarray:
    """Draws a share of every class, rounded down, and returns the (m,) image indices.

    Args:
        labels: (N,) integer labels.
        share: in [0, 1).
        seed, stream: seed and name of the random stream.
    """
    order = numpy_generator(seed, stream).permutation(len(labels))
    members_by_class = [order[labels[order] == k] for k in np.unique(labels)]
    return np.concatenate([members[: int(share * len(members))] for members in members_by_class])


def default_split(config: RunConfig) -> str:
    """Split of a configuration without `split`."""
    if config.minority_class is not None:
        return "unbalanced"
    if config.positive_classes:
        return "classes"
    return {"celeba": "attribute", "folder": "classes"}.get(config.dataset, "even")


def class_shares(
    distribution: str, labels: np.ndarray, members: np.ndarray, num_classes: int
) -> np.ndarray:
    """Class probabilities, (K,) float64, for the labels of generated training images.

    Args:
        distribution: `uniform` over the classes that occur, or `frequency` for their frequencies.
        labels: (N,) integer labels of the data set.
        members: (n,) indices of the training images.
        num_classes: K.

    Raises:
        InvalidInput: fewer than two classes occur.
    """
    counts = np.bincount(labels[members], minlength=num_classes)
    if np.count_nonzero(counts) < 2:
        raise InvalidInput(
            "objective", "a conditional model needs labelled images of at least two classes"
        )
    weights = {"uniform": counts > 0, "frequency": counts}[distribution].astype(np.float64)
    return weights / weights.sum()


def _draw_minority(config: RunConfig, members: np.ndarray) -> np.ndarray:
    size = config.minority_size
    if size is None:
        size = max(1, round(MINORITY_SHARE * len(members)))
    if size > len(members):
        raise InvalidInput(
            "minority_size",
            f"is {size}, but {config.minority_class} has {len(members)} images"
            f"{' outside the holdout' if config.holdout else ''}",
        )
    if size == 0:
        return members
    drawn = numpy_generator(config.seed, "minority").choice(members, size, replace=False)
    return np.sort(drawn)


def _fixed(positive: Sequence[int], negative: Sequence[int], datasets: Sequence[str]) -> Callable:
    def split(config: RunConfig, class_names: Sequence[str]) -> _Sides:
        if config.dataset not in datasets:
            raise InvalidInput(
                "split", f"{config.split} is only defined for {', '.join(datasets)}; for "
                f"{config.dataset} use unbalanced, single or classes"
            )  # fmt: skip
        return positive, negative

    return split


def _remaining(positive: Sequence[int], class_names: Sequence[str]) -> list[int]:
    return [k for k in range(len(class_names)) if k not in positive]


def _classes(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    labels = {
        flag: sorted({class_index(flag, name, class_names) for name in getattr(config, flag)})
        for flag in ("positive_classes", "negative_classes")
    }
    positive = labels["positive_classes"]
    if not positive:
        raise InvalidInput(
            "positive_classes",
            "is empty; list the classes to learn, or pass --minority_class for one scarce class or "
            f"--split=all for all classes; the classes are {', '.join(class_names[:20])}",
        )
    return positive, labels["negative_classes"] or _remaining(positive, class_names)


def _all(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    return list(range(len(class_names))), []


def _single(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    positive, _ = _classes(config, class_names)
    if len(positive) != 1 or config.negative_classes:
        raise InvalidInput("positive_classes", "--split=single takes exactly one positive class")
    return positive, _remaining(positive, class_names)


def _unbalanced(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    if config.minority_class is None:
        raise InvalidInput(
            "minority_class",
            f"--split=unbalanced needs a class to learn, one of {', '.join(class_names[:20])}",
        )
    positive = [class_index("minority_class", config.minority_class, class_names)]
    return positive, _remaining(positive, class_names)


def _attribute(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    if config.dataset != "celeba":
        raise InvalidInput("split", "attribute is only defined for celeba")
    return (1,), (0,)


_SPLITS: dict[str, Callable] = {
    "even": _fixed(EVEN, ODD, TEN_CLASSES),
    "odd": _fixed(ODD, EVEN, TEN_CLASSES),
    "overlap": _fixed(*OVERLAP, TEN_CLASSES),
    "animals": _fixed(ANIMALS, (0, 1, 8, 9), ("cifar10",)),
    "single": _single,
    "unbalanced": _unbalanced,
    "attribute": _attribute,
    "classes": _classes,
    "all": _all,
}
