"""Classes by name."""

from collections.abc import Sequence

from rumi_tf.utils.errors import InvalidInput


def class_index(flag: str, name: str, class_names: Sequence[str]) -> int:
    """The label of a class given by its name, its name in any case if only one fits, or its index.

    There are no indices where a class has a number for its name.

    Raises:
        InvalidInput: naming `flag` and the classes there are.
    """
    if name in class_names:
        return class_names.index(name)
    matches = [k for k, known in enumerate(class_names) if known.lower() == name.lower()]
    if len(matches) == 1:
        return matches[0]
    numbers = any(known.isdecimal() for known in class_names)
    if not numbers and name.isdecimal() and len(name) < 10 and int(name) < len(class_names):
        return int(name)
    why = ", and numbers are names here" if numbers and name.isdecimal() else ""
    known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    raise InvalidInput(flag, f"there is no class {name!r}{why}; the classes are {known}")
