"""Time to produce a batch against the time of the iteration that uses it."""

from collections.abc import Iterator
from pathlib import Path

from reproduce._benchmarks.faces import FACE, FACES, write_faces
from reproduce._benchmarks.steps import ITERATIONS, config_of, prepared, stepper
from reproduce._benchmarks.timing import Comparison, medians
from rumi_tf.config.run import RunConfig

BATCHES = 50  # per timed call, far more than are prefetched
TARGET = "at most 0.02"


def comparisons(
    directory: Path, width: float, batch_size: int, repetitions: int
) -> Iterator[Comparison]:
    """Yields a comparison for images in memory and one for JPEG files, in seconds per iteration.

    Args:
        directory: empty directory for the JPEG files.
        width: width of the networks.
        batch_size: images per role.
        repetitions: number of repetitions; the median counts.
    """
    values = {"width": width, "batch_size": batch_size, "d_schedule": "joint"}
    yield _line("digits in memory", config_of("rumi_lsgan", **values), repetitions)
    size = write_faces(directory, FACES)
    faces = {"dataset": "celeba", "data_dir": str(directory), "split": "attribute"}
    what = f"JPEG files of {FACE[0]}x{FACE[1]} pixels and {size / 1000:.1f} kB"
    yield _line(what, config_of("rumi_lsgan", **values, **faces), repetitions)


def _line(what: str, config: RunConfig, repetitions: int) -> Comparison:
    _, batches = prepared(config)

    def take() -> None:
        for _ in range(BATCHES):
            next(batches)

    take()
    (batch_seconds, _), (step_seconds, _) = medians(take, stepper(config), repetitions)
    seconds = batch_seconds / BATCHES, step_seconds / ITERATIONS
    what = (
        f"{what}, {config.image_size}x{config.image_size} for the {config.network} networks, "
        f"width {config.width:g}, batch {config.batch_size}"
    )
    return Comparison(what, "the batches alone", "the iteration", *seconds, TARGET)
