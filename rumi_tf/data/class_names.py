"""Names of the classes of data sets, and lookup of a class by its name."""

from collections.abc import Sequence
from pathlib import Path

from rumi_tf.utils.errors import InvalidInput

# Index is the label; a prepared TFDS directory may lack the names.
CLASS_NAMES = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
        "Bag", "Ankle boot",
    ),
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
}  # fmt: skip


def class_names(dataset: str, data_dir: str = "", attribute: str = "Male") -> tuple[str, ...]:
    """Class names of a data set, by label, without reading its images.

    Args:
        dataset: of `RunConfig`.
        data_dir: directory of `folder`; without such a directory the result is empty.
        attribute: attribute of CelebA.
    """
    if dataset == "celeba":
        return ("Female" if attribute == "Male" else f"not {attribute}", attribute)
    if dataset == "folder":
        root = Path(data_dir)
        directories = class_directories(root) if data_dir and root.is_dir() else []
        return tuple(directory.name for directory in directories)
    return CLASS_NAMES[dataset]


def class_directories(root: Path) -> list[Path]:
    """Sub-folders of a folder data set, sorted; their positions are the labels."""
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def class_index(flag: str, name: str, class_names: Sequence[str]) -> int:
    """Label of a class given by exact name, by name in any case if unambiguous, or by index.

    Indices are not accepted if any class name is a number.

    Raises:
        InvalidInput: unknown class; the message has `flag` and the known classes.
    """
    if name in class_names:
        return class_names.index(name)
    matches = [k for k, known in enumerate(class_names) if known.lower() == name.lower()]
    if len(matches) == 1:
        return matches[0]
    numeric_names = any(known.isdecimal() for known in class_names)
    if not numeric_names and name.isdecimal() and len(name) < 10 and int(name) < len(class_names):
        return int(name)
    hint = ", and numbers are names here" if numeric_names and name.isdecimal() else ""
    known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    raise InvalidInput(flag, f"there is no class {name!r}{hint}; the classes are {known}")
