"""What happens to files that lie on a disk for long."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path


def damages(path: Path, flips: int = 20, directory: bool = True) -> Iterator[str]:
    """Damages a file in one way after the other, mends it after each; yields what was done.

    Args:
        path: of the file; what lies there is replaced when the next damage is asked for.
        flips: how many bits are turned, one at a time; the same ones for a name and length.
        directory: whether a directory in its place is one of the damages.
    """
    content = path.read_bytes()
    draw = random.Random(f"{path.name} {len(content)}")
    # The last byte of a text says nothing.
    cuts = sorted({0, len(content) // 3, 2 * len(content) // 3, len(content) - 2})
    places = sorted(draw.sample(range(8 * len(content)), min(flips, 8 * len(content))))
    try:
        for cut in cuts:
            put(path, content[:cut])
            yield f"{path.name} cut at {cut} of {len(content)}"
        for bit in places:
            put(path, flipped(content, bit))
            yield f"{path.name} with bit {bit} of {8 * len(content)} turned"
        if directory:
            _clear(path)
            path.mkdir()
            yield f"{path.name} is a directory"
    finally:
        put(path, content)


def flipped(content: bytes, bit: int) -> bytes:
    """Content with one bit turned."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def put(path: Path, content: bytes) -> None:
    """Makes of whatever is at `path` a file."""
    _clear(path)
    path.write_bytes(content)


def _clear(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
