"""Callbacks of training: logs, sample grids, evaluations, checkpoints, stop on NaN, progress bar.

Each callback counts iterations of the whole run, so a resumed run behaves the same. Their order, in
`rumi_tf.training.train`, matters: the log resets the running means before the checkpoint saves
them. They read from the device only when something is due, because reading waits for it.
"""

import abc
import contextlib
import functools
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from rumi_tf.evaluation.results import Row, rows_as_text, write_curve
from rumi_tf.metrics.diversity import diversity
from rumi_tf.plotting import save_grid
from rumi_tf.runs.log import best_iteration, best_weights_path, rows_until, saved_best_iterations
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils.console import has_terminal, printable
from rumi_tf.utils.errors import RunDamaged, TrainingDiverged
from rumi_tf.utils.io import atomic_path, write_csv
from rumi_tf.utils.tf_errors import translate_file_errors


class Callbacks(keras.callbacks.CallbackList):
    """List of callbacks that passes the means as tensors.

    The list of Keras converts them to numbers after every call, and so waits for the device.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Calls every callback."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class Counting(keras.callbacks.Callback, abc.ABC):
    """Counts iterations of the whole run without reading from the device."""

    start = 0

    def on_train_begin(self, logs=None):
        """Reads the current iteration."""
        self.start = int(self.model.iteration.numpy())

    def on_train_batch_end(self, batch, logs=None):
        """Calls `on_iteration`; `batch` is the index of the last step of this call, from 0."""
        self.on_iteration(self.start + batch + 1, logs)

    @abc.abstractmethod
    def on_iteration(self, iteration: int, logs: Mapping[str, tf.Tensor]) -> None:
        """Called after an iteration; `logs` are the running means."""


class Periodic(Counting):
    """Calls `act` after every `every`-th iteration and after the last one."""

    def __init__(self, every: int, last: int):
        super().__init__()
        self.every = every
        self.last = last

    def on_iteration(self, iteration, logs):
        """Calls `act` if due, and only then reads the means."""
        if self.is_due(iteration):
            self.act(iteration, {name: float(value) for name, value in logs.items()})

    def is_due(self, iteration: int) -> bool:
        """Whether to call `act` after this iteration."""
        return iteration % self.every == 0 or iteration == self.last

    @abc.abstractmethod
    def act(self, iteration: int, logs: dict[str, float]) -> None:
        """Called when due; `logs` are the running means."""


class StopOnNaN(Periodic):
    """Raises `TrainingDiverged` if a loss was not finite.

    The losses are running means, which stay NaN until the log resets them. So it is enough to check
    before anything is written.

    Args:
        periods: periods of the log and of everything else that is written.
        last: see `Periodic`.
        checkpoints: checkpoints of the run.
    """

    def __init__(self, periods: Sequence[int], last: int, checkpoints: Checkpoints):
        super().__init__(math.gcd(*periods), last)
        self._checkpoints = checkpoints

    def act(self, iteration, logs):
        """Raises with the losses and the last good checkpoint."""
        bad = [n for n, loss in logs.items() if n.endswith("_loss") and not math.isfinite(loss)]
        if bad:
            raise diverged(self._checkpoints, iteration, " and ".join(bad))


def diverged(checkpoints: Checkpoints, iteration: int, what: str) -> TrainingDiverged:
    """Error with the iteration, the name of what is not finite, and the last good checkpoint."""
    last = checkpoints.latest() or "none"
    return TrainingDiverged(
        f"{what} became NaN or infinite by iteration {iteration}; last good checkpoint: {last}; "
        "a smaller --learning_rate usually helps"
    )


class SaveCheckpoint(Periodic):
    """Writes a checkpoint, unless a weight is not finite."""

    def __init__(self, every: int, last: int, checkpoints: Checkpoints):
        super().__init__(every, last)
        self._checkpoints = checkpoints

    def act(self, iteration, logs):
        """Checks the weights too, since the logged loss is from before the update."""
        if not self._checkpoints.finite():
            raise diverged(self._checkpoints, iteration, "a weight")
        self._checkpoints.save()


class TensorBoard:
    """TensorBoard writer of the run.

    Event files cannot be truncated to a checkpoint, so a resumed run writes them again.
    """

    def __init__(self, directory: Path):
        self._directory = directory / "tensorboard"

    @functools.cached_property
    def _writer(self) -> tf.summary.SummaryWriter:
        """Created on first use, so that a finished run keeps its files."""
        shutil.rmtree(self._directory, ignore_errors=True)
        return tf.summary.create_file_writer(str(self._directory))

    def scalars(self, row: Mapping[str, str | float]) -> None:
        """Writes a row of the log."""
        with translate_file_errors(self._directory):
            with self._writer.as_default(step=int(row["iteration"])):
                for name, value in row.items():
                    if name != "iteration":
                        tf.summary.scalar(name, float(value))
            self._writer.flush()

    def grid(self, iteration: int, path: Path) -> None:
        """Writes a PNG file as an image.

        Raises:
            RunDamaged: not a PNG file.
        """
        try:
            image = tf.io.decode_png(path.read_bytes(), channels=3)
        except tf.errors.InvalidArgumentError as error:
            raise RunDamaged(f"{path} is damaged; delete it to continue without it") from error
        with translate_file_errors(self._directory):
            with self._writer.as_default(step=iteration):
                tf.summary.image("samples", image[None])
            self._writer.flush()


class RunLog(Periodic):
    """Writes log.csv and TensorBoard scalars: mean losses and scores, and sample diversity.

    `sample_std` is the mean over pixels of the standard deviation over generated images; 0 means
    that the generator collapsed to one image. `real_std` is the same for real images.

    Args:
        directory: run directory.
        every, last: see `Periodic`.
        sample: () -> (N, H, W, C) images of the current generator.
        real_std: `real_std` of the positive images.
        board: TensorBoard writer.
    """

    def __init__(
        self,
        directory: Path,
        every: int,
        last: int,
        sample: Callable[[], np.ndarray],
        real_std: float,
        board: TensorBoard,
    ):
        super().__init__(every, last)
        self._path = directory / "log.csv"
        self._board = board
        self._sample = sample
        self._real_std = real_std
        self._rows: list[dict] = []

    def on_train_begin(self, logs=None):
        """Drops rows after the current iteration."""
        super().on_train_begin(logs)
        self._rows = rows_until(self._path, self.start)
        write_csv(self._path, self._rows)
        for row in self._rows:
            self._board.scalars(row)

    def diversity(self) -> float | None:
        """`sample_std` / `real_std` of the last row; `None` without rows."""
        if not self._rows:
            return None
        return float(self._rows[-1]["sample_std"]) / max(float(self._rows[-1]["real_std"]), 1e-9)

    def act(self, iteration, logs):
        """Appends a row of running means, and resets them."""
        row = {"iteration": iteration, **logs}
        row["sample_std"] = diversity(self._sample())
        row["real_std"] = self._real_std
        self._rows.append(row)
        write_csv(self._path, self._rows)
        self._board.scalars(row)
        for tracker in self.model.trackers.values():
            tracker.reset_state()


class SampleGrids(Periodic):
    """Writes grids of generated images, always from the same noise.

    Args:
        directory: run directory.
        every, last: see `Periodic`.
        sample: () -> (N, H, W, C) images of the current generator.
        title: title of the grids; the iteration is added.
        board: TensorBoard writer.
    """

    def __init__(
        self,
        directory: Path,
        every: int,
        last: int,
        sample: Callable[[], np.ndarray],
        title: str,
        board: TensorBoard,
    ):
        super().__init__(every, last)
        self._directory = directory / "samples"
        self._board = board
        self._sample = sample
        self._title = title

    def on_train_begin(self, logs=None):
        """Writes the grids up to the current iteration to TensorBoard."""
        super().on_train_begin(logs)
        for path in sorted(self._directory.glob("iteration_*[0-9].png")):
            iteration = int(path.stem.removeprefix("iteration_"))
            if iteration <= self.start:
                self._board.grid(iteration, path)

    def act(self, iteration, logs):
        """Writes one PNG, with the same content if the run is resumed."""
        images = self._sample()
        path = self._directory / f"iteration_{iteration:06d}.png"
        save_grid(path, images, f"{self._title}, iteration {iteration:,}")
        self._board.grid(iteration, path)


class Evaluate(Periodic):
    """Evaluates the current generator; writes metrics.csv and TensorBoard, at the end prd.csv too.

    The weights with the lowest Fréchet distance so far are saved (`best_weights_path`).

    Args:
        directory: run directory.
        every, last: see `Periodic`.
        measure: (iteration, whether it is the last) -> result rows, and the PRD curve or `None`.
        board: TensorBoard writer.
        checkpoints: checkpoints of the run, for the check that weights are finite.

    Attributes:
        seconds: time that evaluations took in this process.
    """

    KEPT = 5  # newest saved weights to keep; more than the checkpoints that resuming can go back

    def __init__(
        self,
        directory: Path,
        every: int,
        last: int,
        measure: Callable[[int, bool], tuple[list[Row], tuple[np.ndarray, np.ndarray] | None]],
        board: TensorBoard,
        checkpoints: Checkpoints,
    ):
        super().__init__(every, last)
        self._directory = directory
        self._measure = measure
        self._checkpoints = checkpoints
        self._board = board
        self._rows: list[dict[str, str]] = []
        self.seconds = 0.0

    def on_train_begin(self, logs=None):
        """Drops rows after the current iteration."""
        super().on_train_begin(logs)
        path = self._directory / "metrics.csv"
        self._rows = rows_until(path, self.start)
        write_csv(path, self._rows)
        self._show(self._rows)
        for iteration in saved_best_iterations(self._directory):
            if iteration > self.start:
                best_weights_path(self._directory, iteration).unlink()

    def act(self, iteration, logs):
        """Appends one row per metric."""
        if not self._checkpoints.finite():
            raise diverged(self._checkpoints, iteration, "a weight")
        began = time.monotonic()
        measured, prd = self._measure(iteration, iteration == self.last)
        rows = rows_as_text(measured)
        self._rows += rows
        if best_iteration(self._rows) == iteration:
            self._keep_weights(iteration)
        if prd is not None:
            write_curve(self._directory / "prd.csv", prd)
        write_csv(self._directory / "metrics.csv", self._rows)
        self._show(rows)
        self.seconds += time.monotonic() - began

    def _keep_weights(self, iteration: int) -> None:
        path = best_weights_path(self._directory, iteration)
        with atomic_path(path) as temporary, translate_file_errors(path):
            np.savez(temporary, *(v.numpy() for v in self.model.inference_generator.variables))
        for old in saved_best_iterations(self._directory)[: -self.KEPT]:
            best_weights_path(self._directory, old).unlink()

    def _show(self, rows: Sequence[Mapping[str, str]]) -> None:
        evaluations: dict[str, dict[str, str | float]] = {}
        for row in rows:
            points = evaluations.setdefault(row["iteration"], {"iteration": row["iteration"]})
            if row["value"]:
                points[f"metrics/{row['metric']}"] = row["value"]
        for points in evaluations.values():
            self._board.scalars(points)


class Clock(Counting):
    """Times the iterations after the first call of the step, which includes compilation.

    Logs, grids and checkpoints are included.

    Args:
        paused: () -> seconds so far to exclude.
    """

    def __init__(self, paused: Callable[[], float] = lambda: 0.0):
        super().__init__()
        self.paused = paused
        self.iterations = 0
        self._first = 0
        self._began: float | None = None
        self._last = 0.0

    def on_iteration(self, iteration, logs):
        """Starts the clock after the first call of the compiled step."""
        self._last = time.monotonic() - self.paused()
        if self._began is None:
            self._first, self._began = iteration, self._last
        self.iterations = iteration - self._first

    def milliseconds(self) -> float | None:
        """Mean time of an iteration; `None` without a second call of the step."""
        if not self.iterations or self._began is None:
            return None
        return 1000 * (self._last - self._began) / self.iterations


class Progress(Periodic):
    """Progress bar with losses, images per second and time left; lines without a terminal.

    Args:
        last: iterations of the whole run.
        images: training images per iteration.
        title: description of the run.
        paused: () -> seconds so far to exclude.
        diversity: () -> diversity of the samples relative to real images, or `None`.
    """

    LINES = 20  # without a terminal: lines per run
    PAUSE = 0.5  # on a terminal: seconds between updates

    def __init__(
        self,
        last: int,
        images: int,
        title: str,
        paused: Callable[[], float],
        diversity: Callable[[], float | None],
    ):
        terminal = has_terminal()
        super().__init__(every=1 if terminal else max(1, last // self.LINES), last=last)
        self._images = images
        self._title = printable(title)
        self._paused = paused
        self._diversity = diversity
        self._bar = None
        self._shown = -math.inf
        self._terminal = terminal

    def on_train_begin(self, logs=None):
        """Starts the bar at the current iteration."""
        super().on_train_begin(logs)
        self._first = 0
        self._began = 0.0
        if self._terminal:
            self._bar = tqdm(desc=self._title, total=self.last, initial=self.start, unit="it")

    def on_iteration(self, iteration, logs):
        """Starts the clock after the first call of the step, which includes compilation."""
        if not self._began:
            self._first, self._began = iteration, time.monotonic() - self._paused()
        super().on_iteration(iteration, logs)

    def is_due(self, iteration):
        """By time on a terminal."""
        if self._bar is None:
            return super().is_due(iteration)
        return iteration == self.last or time.monotonic() - self._shown >= self.PAUSE

    def act(self, iteration, logs):
        """Shows the running means."""
        self._shown = time.monotonic()
        seconds = self._shown - self._paused() - self._began
        rate = (iteration - self._first) / max(seconds, 1e-9)
        shown = {
            "d_loss": f"{logs['d_loss']:.3f}",
            "g_loss": f"{logs['g_loss']:.3f}",
            "images/s": f"{rate * self._images:.0f}",
        }
        if (diversity := self._diversity()) is not None:
            shown["diversity"] = f"{diversity:.2f}"
        if self._bar is not None:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update(iteration - self._bar.n)
            return
        if not rate:  # no time measured yet
            return
        words = " ".join(f"{name} {value}" for name, value in shown.items())
        left = (self.last - iteration) / rate
        with contextlib.suppress(OSError):  # closed pipe: training continues
            sys.stderr.write(
                f"{self._title}: iteration {iteration}/{self.last} {words} left {left:.0f}s\n"
            )

    def on_train_end(self, logs=None):
        """Leaves the finished bar on the screen."""
        if self._bar is not None:
            self._bar.close()
