"""Damages files as failing disks do."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path


def damages(path: Path, flips: int = 20, directory: bool = True) -> Iterator[str]:
    """Damages a file in several ways, one after the other, and restores it at the end.

    Args:
        path: the file.
        flips: number of damages that flip one bit; the bits depend on the file's name and length.
        directory: also replaces the file by a directory.

    Yields:
        A description of the current damage: "cut", "flipped" or "directory", and details.
    """
    content = path.read_bytes()
    draw = random.Random(f"{path.name} {len(content)}")
    # A missing line break at the end of a text is not a damage, so cut at least two bytes.
    cuts = sorted({0, len(content) // 3, 2 * len(content) // 3, len(content) - 2})
    bits = sorted(draw.sample(range(8 * len(content)), min(flips, 8 * len(content))))
    try:
        for cut in cuts:
            _replace(path, content[:cut])
            yield f"{path.name} cut at {cut} of {len(content)}"
        for bit in bits:
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            _replace(path, bytes(changed))
            yield f"{path.name} with bit {bit} of {8 * len(content)} flipped"
        if directory:
            _remove(path)
            path.mkdir()
            yield f"{path.name} is a directory"
    finally:
        _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    _remove(path)
    path.write_bytes(content)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
