"""Terminal output: progress bars, tables, and text that is safe to print."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def has_terminal() -> bool:
    """True if stderr is a terminal with room for a progress bar."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):
        return False


def with_progress(items: Iterable[Item], total: int, title: str, unit: str) -> Iterator[Item]:
    """Yields the items and shows a progress bar if stderr is a terminal.

    Args:
        items: batches, which count by their length, or single items.
        total: number of single items, or 0 if it is unknown.
        title: label of the bar.
        unit: name of a single item.
    """
    with tqdm(
        desc=printable(title), total=total or None, unit=unit, disable=not has_terminal(),
        leave=False,
    ) as bar:  # fmt: skip
        for item in items:
            yield item
            bar.update(len(item) if hasattr(item, "__len__") else 1)


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, all of the same length, as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def without_empty_columns(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows, all with the same keys, without the columns that are empty in every row."""
    return [
        {name: value for name, value in row.items() if any(other[name] != "" for other in rows)}
        for row in rows
    ]


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """A Markdown table of at least one row; all rows have the same keys."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    cells = ([str(cell).replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def printable(text: str) -> str:
    """One line without control characters, which names of files and classes may contain."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
