"""Lookup of classes by name."""

from collections.abc import Sequence

from rumi_tf.utils.errors import InvalidInput


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
