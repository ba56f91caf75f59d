"""Peak memory of commands, each measured as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from reproduce._benchmarks.faces import FACES, link_faces, write_faces
from rumi_tf.experiments.sweep import ROOT

FEW, MANY = 10_000, 100_000  # generated images of an evaluation
CELEBA = 202_599  # images in all
TARGET = 1.1
# A process counts the memory of the one that started it as its own, so a small one has to start it.
LAUNCHER = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def peaks(place: Path, cache_dir: str) -> Iterator[dict[str, str]]:
    """Yields a line per command: training on digits, evaluating few and many images, and training
    on few and on many JPEG files.

    Args:
        place: empty directory for the runs, the files, and what is measured of them.
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
    faces = {count: place / f"faces_{count}" for count in (FACES, CELEBA)}
    faces[FACES].mkdir()
    write_faces(faces[FACES], FACES)
    link_faces(faces[FACES], CELEBA, faces[CELEBA])
    few, many = (_train_on_faces(data, place) for data in faces.values())
    what = "training, CelebA at 64x64, width 0.05, batch 100,"
    yield _line(f"{what} {FACES:,} JPEG files", few)
    yield _line(f"{what} {CELEBA:,} JPEG files", many, f"{many / few:.3f}")


def _train_on_faces(data: Path, place: Path) -> int:
    return _peak(
        ("reproduce.train", "--dataset=celeba", f"--data_dir={data}", "--minority_class=Female",
         "--width=0.05", "--iterations=20", f"--runs_dir={place}")
    )  # fmt: skip


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
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, sys.executable, "-m", *words],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
