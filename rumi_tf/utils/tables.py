"""Tables and lines of text for people."""

from collections.abc import Mapping, Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, all of the same length, as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows with the same keys, at least one, as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    cells = ([str(cell).replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def printable(text: str) -> str:
    """One line: a name of a file or class may hold what a terminal would obey, or is no text."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
