"""Progress bars on a terminal; nothing where there is none."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from rumi_tf.utils.tables import printable

Item = TypeVar("Item")


def has_terminal() -> bool:
    """Whether stderr is a terminal with room for a progress bar."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):
        return False


def tracked(items: Iterable[Item], total: int, title: str, unit: str) -> Iterator[Item]:
    """Yields the items; on a terminal a bar shows how many of `total` are done.

    Args:
        items: arrays of images, or single things.
        total: number of things in all of `items` together, if known, else 0.
        title: what is being done.
        unit: what is counted: an item that has a length counts as so many.
    """
    with tqdm(
        desc=printable(title), total=total or None, unit=unit, disable=not has_terminal(),
        leave=False,
    ) as bar:  # fmt: skip
        for item in items:
            yield item
            bar.update(len(item) if hasattr(item, "__len__") else 1)
