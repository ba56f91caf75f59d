"""Peak memory of commands, each measured as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from reproduce._cells import ROOT

FEW, MANY = 10_000, 100_000  # generated images of an evaluation
TARGET = 1.1


def peaks(place: Path, cache_dir: str) -> Iterator[dict[str, str]]:
    """Yields a line per command: training on digits, and evaluating few and many images.

    Args:
        place: empty directory for the run and what is measured of it.
        cache_dir: keeps the classifier.
    """
    train = ("reproduce.train", "--dataset=digits", "--minority_class=5", "--width=0.25",
             "--iterations=20", f"--runs_dir={place}")  # fmt: skip
    yield _line("training, digits, width 0.25, batch 100", _peak(train))
    (model,) = place.glob("*/saved_model")
    # One that trains the classifier and reads the real images for the first time comes before.
    _evaluate(model, place, cache_dir, 100)
    few = _evaluate(model, place, cache_dir, FEW)
    yield _line(f"FID of {FEW:,} generated images", few)
    many = _evaluate(model, place, cache_dir, MANY)
    ratio = many / few
    yield _line(f"FID of {MANY:,} generated images", many, f"{ratio:.3f} (at most {TARGET})")


def _evaluate(model: Path, place: Path, cache_dir: str, count: int) -> int:
    return _peak(
        ("reproduce.evaluate", f"--saved_model={model}", f"--eval_samples={count}",
         f"--cache_dir={cache_dir}", f"--out={place / 'evaluation'}")
    )  # fmt: skip


def _line(what: str, peak: int, ratio: str = "") -> dict[str, str]:
    return {"what": what, "peak_megabytes": f"{peak / 1e6:.0f}", "of the line above": ratio}


def _peak(words: Sequence[str]) -> int:
    """Bytes of memory that a command has at most.

    Raises:
        RuntimeError: it failed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(errors.decode(errors="replace")[-500:])
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
