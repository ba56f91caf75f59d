"""Batches by themselves against the iterations that they are made for."""

from collections.abc import Iterator
from pathlib import Path

from reproduce._benchmarks.faces import FACE, FACES, write_faces
from reproduce._benchmarks.steps import ITERATIONS, config_of, prepared, stepper
from reproduce._benchmarks.timing import Comparison, medians
from rumi_tf.config.run import RunConfig

BATCHES = 50  # in a row, far more than are made in advance
TARGET = "at most 0.02"


def comparisons(
    place: Path, width: float, batch_size: int, repetitions: int
) -> Iterator[Comparison]:
    """Yields a line for images in memory and one for JPEG files: seconds per iteration.

    Args:
        place: empty directory for the JPEG files.
        width, batch_size: of the networks, and of the batches of each role.
        repetitions: of which the medians count.
    """
    values = {"width": width, "batch_size": batch_size, "d_schedule": "joint"}
    yield _line("digits in memory", config_of("rumi_lsgan", **values), repetitions)
    size = write_faces(place, FACES)
    faces = {"dataset": "celeba", "data_dir": str(place), "split": "attribute"}
    what = f"JPEG files of {FACE[0]}x{FACE[1]} pixels and {size / 1000:.1f} kB"
    yield _line(what, config_of("rumi_lsgan", **values, **faces), repetitions)


def _line(what: str, config: RunConfig, repetitions: int) -> Comparison:
    """In training, batches are made while an iteration runs."""
    _, batches = prepared(config)

    def take() -> None:
        for _ in range(BATCHES):
            next(batches)

    take()
    found = medians(take, stepper(config), repetitions)
    seconds = found[0][0] / BATCHES, found[1][0] / ITERATIONS
    what = (
        f"{what}, {config.image_size}x{config.image_size} for the {config.network} networks, "
        f"width {config.width:g}, batch {config.batch_size}"
    )
    return Comparison(what, "the batches alone", "the iteration", *seconds, TARGET)
