"""Which images are positive (to be learnt) and which negative (to be avoided)."""

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
        positive_classes, negative_classes: labels; a label may stand in both. `--split=all` has no
            negatives.
        indices: by subset, sorted (n,) int64 indices of images: `positive`, `negative`, and
            `all`, the union. Images that `held_out` names are in none of them.
    """

    positive_classes: tuple[int, ...]
    negative_classes: tuple[int, ...]
    indices: dict[str, np.ndarray]


# The label sets of the paper's overlap experiment (Section 4.2); used on Fashion-MNIST as well.
OVERLAP = ((1, 2, 4, 5, 7, 9), (0, 2, 3, 6, 8, 9))
EVEN, ODD = (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)
ANIMALS = (2, 3, 4, 5, 6, 7)  # bird, cat, deer, dog, frog, horse

TEN_CLASSES = ("digits", "mnist", "fashion_mnist", "cifar10")
# Images of the minority class that are kept when --minority_size is not given; 0 keeps all.
# Paper, Section 5: 200 for MNIST and 5% for CIFAR-10 (250 of 5,000) and CelebA. How many images
# of a gender CelebA has depends on the copy, so there the share is taken when it is read.
MINORITY_SIZES = {
    "digits": 50, "mnist": 200, "fashion_mnist": 200, "cifar10": 250, "celeba": None, "folder": 0,
}  # fmt: skip
MINORITY_SHARE = 0.05

# Labels of the positive and of the negative classes.
_Sides = tuple[Sequence[int], Sequence[int]]


def make_split(config: RunConfig, labels: np.ndarray, class_names: Sequence[str]) -> Split:
    """Applies the split that `config` names to the labels of its data set.

    Args:
        config: with `split` resolved; `seed` draws the images of a minority class.
        labels: (N,) integer labels.
        class_names: name of each label.

    Raises:
        InvalidInput: a class that does not exist, a split that the data set does not have, an
            empty side.
    """
    positive, negative = _SPLITS[config.split](config, class_names)
    kept = np.setdiff1d(np.arange(len(labels)), held_out(config, labels))
    sides = {}
    for flag, side, classes in (
        ("positive_classes", "positive", positive),
        ("negative_classes", "negative", negative),
    ):
        if not classes and config.split != "all":
            raise InvalidInput(flag, "leaves no class; name at least one")
        sides[side] = kept[np.isin(labels[kept], classes)].astype(np.int64)
        if classes and not len(sides[side]):
            names = ", ".join(class_names[k] for k in classes)
            raise InvalidInput(flag, f"there is no image of {names} in {config.dataset}")
    if config.split == "unbalanced":
        sides["positive"] = _minority(config, sides["positive"])
    sides["all"] = np.union1d(sides["positive"], sides["negative"])
    return Split(tuple(positive), tuple(negative), sides)


def held_out(config: RunConfig, labels: np.ndarray) -> np.ndarray:
    """Sorted (m,) indices of the images that `config.holdout` keeps out of training.

    Which they are depends on the labels, the share and the seed alone: runs that differ in the
    minority class or the objective hold out the same images.
    """
    return np.sort(stratified(labels, config.holdout, config.seed, "holdout"))


def stratified(labels: np.ndarray, share: float, seed: int, stream: str) -> np.ndarray:
    """(m,) indices of a share of the images of every class, rounded down, at random.

    Args:
        labels: (N,) integer labels.
        share: in [0, 1).
        seed, stream: what the draw is a function of.
    """
    order = numpy_generator(seed, stream).permutation(len(labels))
    of_class = [order[labels[order] == k] for k in np.unique(labels)]
    return np.concatenate([members[: int(share * len(members))] for members in of_class])


def default_split(config: RunConfig) -> str:
    """The split meant by a configuration that names none."""
    if config.minority_class is not None:
        return "unbalanced"
    if config.positive_classes:
        return "classes"
    return {"celeba": "attribute", "folder": "classes"}.get(config.dataset, "even")


def class_shares(
    distribution: str, labels: np.ndarray, members: np.ndarray, num_classes: int
) -> np.ndarray:
    """(K,) float64: how often each class is asked of a conditional generator in training.

    Args:
        distribution: `uniform` over the classes that occur, or `frequency`, as they occur.
        labels: (N,) integer labels of the data set.
        members: (n,) indices of the images that are trained on.
        num_classes: K.

    Raises:
        InvalidInput: only one class occurs, so that there is nothing to tell apart.
    """
    counts = np.bincount(labels[members], minlength=num_classes)
    if np.count_nonzero(counts) < 2:
        raise InvalidInput(
            "objective", "a conditional model needs labelled images of at least two classes"
        )
    weights = {"uniform": counts > 0, "frequency": counts}[distribution].astype(np.float64)
    return weights / weights.sum()


def _minority(config: RunConfig, members: np.ndarray) -> np.ndarray:
    size = config.minority_size
    if size is None:
        size = max(1, round(MINORITY_SHARE * len(members)))
    if size > len(members):
        raise InvalidInput(
            "minority_size",
            f"is {size}, but {config.minority_class} has {len(members)} images"
            f"{' that are not held out' if config.holdout else ''}",
        )
    if size == 0:
        return members
    chosen = numpy_generator(config.seed, "minority").choice(members, size, replace=False)
    return np.sort(chosen)


def _fixed(positive: Sequence[int], negative: Sequence[int], datasets: Sequence[str]) -> Callable:
    def split(config: RunConfig, class_names: Sequence[str]) -> _Sides:
        if config.dataset not in datasets:
            raise InvalidInput(
                "split", f"{config.split} is defined for {', '.join(datasets)}; for "
                f"{config.dataset} use unbalanced, single or classes"
            )  # fmt: skip
        return positive, negative

    return split


def _others(positive: Sequence[int], class_names: Sequence[str]) -> list[int]:
    return [k for k in range(len(class_names)) if k not in positive]


def _classes(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    named = {
        flag: sorted({class_index(flag, name, class_names) for name in getattr(config, flag)})
        for flag in ("positive_classes", "negative_classes")
    }
    if not named["positive_classes"]:
        raise InvalidInput(
            "positive_classes",
            "name the classes to learn, or one that is scarce by --minority_class; or learn all by "
            f"--split=all; the classes are {', '.join(class_names[:20])}",
        )
    positive = named["positive_classes"]
    return positive, named["negative_classes"] or _others(positive, class_names)


def _all(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    return list(range(len(class_names))), []


def _single(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    positive, _ = _classes(config, class_names)
    if len(positive) != 1 or config.negative_classes:
        raise InvalidInput("positive_classes", "--split=single takes one positive class, no other")
    return positive, _others(positive, class_names)


def _unbalanced(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    if config.minority_class is None:
        raise InvalidInput(
            "minority_class",
            f"--split=unbalanced needs the class to learn: one of {', '.join(class_names[:20])}",
        )
    positive = [class_index("minority_class", config.minority_class, class_names)]
    return positive, _others(positive, class_names)


def _attribute(config: RunConfig, class_names: Sequence[str]) -> _Sides:
    if config.dataset != "celeba":
        raise InvalidInput("split", "attribute is for --dataset=celeba")
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
