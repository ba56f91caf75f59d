"""Peak memory of commands, each measured in its own process."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from reproduce._benchmarks.faces import FACES, link_faces, write_faces
from rumi_tf.utils.paths import COMMANDS

FEW, MANY = 10_000, 100_000  # generated images of an evaluation
CELEBA = 202_599  # images in the data set
TARGET = 1.1
# A process's peak includes that of the process that started it, so a small one starts it.
LAUNCHER = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def peaks(directory: Path, cache_dir: str) -> Iterator[dict[str, str]]:
    """Yields a row per command: training on digits, evaluating few and many images, and training
    on few and on many JPEG files.

    Args:
        directory: empty directory for the runs, the JPEG files and the evaluations.
        cache_dir: cache of the classifier.
    """
    train = ("reproduce.train", "--dataset=digits", "--minority_class=5", "--width=0.25",
             "--iterations=20", f"--runs_dir={directory}")  # fmt: skip
    yield _line("training, digits, width 0.25, batch 100", _peak(train))
    (model,) = directory.glob("*/saved_model")
    # An evaluation before the measured ones trains the classifier and reads the real images.
    _evaluate(model, directory, cache_dir, 100)
    few = _evaluate(model, directory, cache_dir, FEW)
    yield _line(f"FID of {FEW:,} generated images", few)
    many = _evaluate(model, directory, cache_dir, MANY)
    ratio = many / few
    yield _line(f"FID of {MANY:,} generated images", many, f"{ratio:.3f} (at most {TARGET})")
    faces = {count: directory / f"faces_{count}" for count in (FACES, CELEBA)}
    faces[FACES].mkdir()
    write_faces(faces[FACES], FACES)
    link_faces(faces[FACES], CELEBA, faces[CELEBA])
    few, many = (_train_on_faces(data, directory) for data in faces.values())
    what = "training, CelebA at 64x64, width 0.05, batch 100,"
    yield _line(f"{what} {FACES:,} JPEG files", few)
    yield _line(f"{what} {CELEBA:,} JPEG files", many, f"{many / few:.3f}")


def _train_on_faces(data: Path, directory: Path) -> int:
    return _peak(
        ("reproduce.train", "--dataset=celeba", f"--data_dir={data}", "--minority_class=Female",
         "--width=0.05", "--iterations=20", f"--runs_dir={directory}")
    )  # fmt: skip


def _evaluate(model: Path, directory: Path, cache_dir: str, count: int) -> int:
    return _peak(
        ("reproduce.evaluate", f"--saved_model={model}", f"--eval_samples={count}",
         f"--cache_dir={cache_dir}", f"--out={directory / 'evaluation'}")
    )  # fmt: skip


def _line(what: str, peak: int, ratio: str = "") -> dict[str, str]:
    return {"what": what, "peak_megabytes": f"{peak / 1e6:.0f}", "of the line above": ratio}


def _peak(words: Sequence[str]) -> int:
    """Peak memory of a command in bytes.

    Raises:
        RuntimeError: the command failed.
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, sys.executable, "-m", *words],
        cwd=COMMANDS, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
