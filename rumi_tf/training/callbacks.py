"""What happens between iterations: logs, pictures, checkpoints, a stop on NaN, a progress bar.

Every callback counts in iterations of the whole run, so it does the same after a restart. They are
called in the order that `experiment` lists them in: the log empties the running means before the
checkpoint stores them. Between two things that are due they read nothing from the device, whose
work they would otherwise wait for. (Keras's `fit` reads one flag per call of the step: whether
there was a batch.)
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
    """A list of callbacks that are given the means as tensors, for them to read when they need to.

    Keras's own makes numbers of them after every call of the step, and so waits for the device.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Calls every callback."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class Counting(keras.callbacks.Callback, abc.ABC):
    """Knows how many iterations of the whole run are done, without asking the device."""

    start = 0

    def on_train_begin(self, logs=None):
        """Reads where the run stands."""
        self.start = int(self.model.iteration.numpy())

    def on_train_batch_end(self, batch, logs=None):
        """Counts on; `batch` is the number of the last step of this call, from 0."""
        self.on_iteration(self.start + batch + 1, logs)

    @abc.abstractmethod
    def on_iteration(self, iteration: int, logs: Mapping[str, tf.Tensor]) -> None:
        """What to do after an iteration; `logs` are the running means."""


class Periodic(Counting):
    """Calls `act` after every `every`-th iteration and after the last one."""

    def __init__(self, every: int, last: int):
        super().__init__()
        self.every = every
        self.last = last

    def on_iteration(self, iteration, logs):
        """Acts if it is due, and only then reads the means."""
        if self.is_due(iteration):
            self.act(iteration, {name: float(value) for name, value in logs.items()})

    def is_due(self, iteration: int) -> bool:
        """Whether to act after this iteration."""
        return iteration % self.every == 0 or iteration == self.last

    @abc.abstractmethod
    def act(self, iteration: int, logs: dict[str, float]) -> None:
        """What to do; `logs` are the running means."""


class StopOnNaN(Periodic):
    """Ends training with `TrainingDiverged` if a loss has not been finite.

    The losses are running means, which stay NaN until the log starts new ones. So it is enough to
    look whenever that, or anything else that is to be kept, is due.

    Args:
        periods: of the log and of what else is written.
        last: see `Periodic`.
        checkpoints: of the run.
    """

    def __init__(self, periods: Sequence[int], last: int, checkpoints: Checkpoints):
        super().__init__(math.gcd(*periods), last)
        self._checkpoints = checkpoints

    def act(self, iteration, logs):
        """Names the losses and the checkpoint to go back to."""
        bad = [n for n, loss in logs.items() if n.endswith("_loss") and not math.isfinite(loss)]
        if bad:
            raise diverged(self._checkpoints, iteration, " and ".join(bad))


def diverged(checkpoints: Checkpoints, iteration: int, what: str) -> TrainingDiverged:
    """The error that names the iteration, what is not finite, and the last good checkpoint."""
    last = checkpoints.latest() or "none was written yet"
    return TrainingDiverged(
        f"{what} became NaN or infinite by iteration {iteration}; last good checkpoint: {last}; "
        "a smaller --learning_rate is the usual remedy"
    )


class SaveCheckpoint(Periodic):
    """Writes a checkpoint, unless a weight is not finite."""

    def __init__(self, every: int, last: int, checkpoints: Checkpoints):
        super().__init__(every, last)
        self._checkpoints = checkpoints

    def act(self, iteration, logs):
        """The loss that was logged is from before the update, so the weights are looked at."""
        if not self._checkpoints.finite():
            raise diverged(self._checkpoints, iteration, "a weight")
        self._checkpoints.save()


class TensorBoard:
    """The run's one TensorBoard writer.

    Event files cannot be cut back to a checkpoint, so after a restart they are written anew.
    """

    def __init__(self, directory: Path):
        self._directory = directory / "tensorboard"

    @functools.cached_property
    def _writer(self) -> tf.summary.SummaryWriter:
        """Made when there is something to write: what is complete already stays as it is."""
        shutil.rmtree(self._directory, ignore_errors=True)
        return tf.summary.create_file_writer(str(self._directory))

    def scalars(self, row: Mapping[str, str | float]) -> None:
        """Shows a row of the log."""
        with translate_file_errors(self._directory):
            with self._writer.as_default(step=int(row["iteration"])):
                for name, value in row.items():
                    if name != "iteration":
                        tf.summary.scalar(name, float(value))
            self._writer.flush()

    def grid(self, iteration: int, path: Path) -> None:
        """Shows a PNG file.

        Raises:
            RunDamaged: it is none.
        """
        try:
            image = tf.io.decode_png(path.read_bytes(), channels=3)
        except tf.errors.InvalidArgumentError as error:
            raise RunDamaged(f"{path} is damaged; delete it to go on without it") from error
        with translate_file_errors(self._directory):
            with self._writer.as_default(step=iteration):
                tf.summary.image("samples", image[None])
            self._writer.flush()


class RunLog(Periodic):
    """Writes log.csv and TensorBoard scalars: mean losses and scores, and sample diversity.

    `sample_std` is the mean over pixels of the standard deviation over generated images, beside
    `real_std`, the same of real ones. A generator that has collapsed to one image has 0.

    Args:
        directory: of the run.
        every, last: see `Periodic`.
        sample: () -> (N, H, W, C) images of the generator as it is.
        real_std: of real positive images.
        board: shows the same in TensorBoard.
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
        """Keeps the rows up to the checkpoint that training goes on from."""
        super().on_train_begin(logs)
        self._rows = rows_until(self._path, self.start)
        write_csv(self._path, self._rows)
        for row in self._rows:
            self._board.scalars(row)

    def act(self, iteration, logs):
        """Appends a row of the means since the last one, and starts new means."""
        row = {"iteration": iteration, **logs}
        row["sample_std"] = diversity(self._sample())
        row["real_std"] = self._real_std
        self._rows.append(row)
        write_csv(self._path, self._rows)
        self._board.scalars(row)
        for tracker in self.model.trackers.values():
            tracker.reset_state()


class SampleGrids(Periodic):
    """Writes a grid of generated images, always from the same noise, and shows it in TensorBoard.

    Args:
        directory: of the run.
        every, last: see `Periodic`.
        sample: () -> (N, H, W, C) images of the generator as it is.
        title: of the pictures; the iteration is added.
        board: shows the same in TensorBoard.
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
        """Shows the grids up to the checkpoint that training goes on from."""
        super().on_train_begin(logs)
        for path in sorted(self._directory.glob("iteration_*[0-9].png")):
            iteration = int(path.stem.removeprefix("iteration_"))
            if iteration <= self.start:
                self._board.grid(iteration, path)

    def act(self, iteration, logs):
        """One PNG per iteration number, overwritten by the same picture after a restart."""
        images = self._sample()
        path = self._directory / f"iteration_{iteration:06d}.png"
        save_grid(path, images, f"{self._title}, iteration {iteration:,}")
        self._board.grid(iteration, path)


class Evaluate(Periodic):
    """Measures the generator as it is; writes metrics.csv, TensorBoard, and last of all prd.csv.

    Where its FID is the lowest so far, its weights are kept (`best_weights_path`).

    Args:
        directory: of the run.
        every, last: see `Periodic`.
        measure: (iteration, whether it is the last) -> rows of results, and precision and recall
            if they were measured.
        board: shows the same in TensorBoard.
        checkpoints: of the run, whose weights must be finite.

    Attributes:
        seconds: that evaluations took in this process.
    """

    KEPT = 5  # of the newest weights; a start goes back behind no more than the kept checkpoints

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
        """Keeps the rows up to the checkpoint that training goes on from."""
        super().on_train_begin(logs)
        path = self._directory / "metrics.csv"
        self._rows = rows_until(path, self.start)
        write_csv(path, self._rows)
        self._show(self._rows)
        for iteration in saved_best_iterations(self._directory):
            if iteration > self.start:
                best_weights_path(self._directory, iteration).unlink()

    def act(self, iteration, logs):
        """Appends a row per metric."""
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
    """Times the iterations after the first call of the step, which is mostly compilation.

    What happens between iterations (logs, grids, checkpoints) is part of the time.

    Args:
        paused: () -> seconds up to now that are to be left out.
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
        """Mean time of an iteration; `None` if there were too few to time."""
        if not self.iterations or self._began is None:
            return None
        return 1000 * (self._last - self._began) / self.iterations


class Progress(Periodic):
    """A bar with losses, images per second and time left; plain lines where there is no terminal.

    Args:
        last: iterations of the whole run.
        images: training images that an iteration takes.
        title: what is training.
        paused: () -> seconds up to now that are not training.
    """

    LINES = 20  # without a terminal: about so many lines for a whole run
    PAUSE = 0.5  # on a terminal: seconds between two looks at the means

    def __init__(
        self, last: int, images: int, title: str, paused: Callable[[], float] = lambda: 0.0
    ):
        terminal = has_terminal()
        super().__init__(every=1 if terminal else max(1, last // self.LINES), last=last)
        self._images = images
        self._title = printable(title)
        self._paused = paused
        self._bar = None
        self._shown = -math.inf
        self._terminal = terminal

    def on_train_begin(self, logs=None):
        """Starts the bar where the run stands."""
        super().on_train_begin(logs)
        self._first = 0
        self._began = 0.0
        if self._terminal:
            self._bar = tqdm(desc=self._title, total=self.last, initial=self.start, unit="it")

    def on_iteration(self, iteration, logs):
        """Starts the clock after the first call of the step, which is mostly compilation."""
        if not self._began:
            self._first, self._began = iteration, time.monotonic() - self._paused()
        super().on_iteration(iteration, logs)

    def is_due(self, iteration):
        """On a terminal by time."""
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
        if self._bar is not None:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update(iteration - self._bar.n)
            return
        if not rate:  # nothing can be said after the first iteration
            return
        words = " ".join(f"{name} {value}" for name, value in shown.items())
        left = (self.last - iteration) / rate
        with contextlib.suppress(OSError):  # nobody reads any more; training goes on
            sys.stderr.write(
                f"{self._title}: iteration {iteration}/{self.last} {words} left {left:.0f}s\n"
            )

    def on_train_end(self, logs=None):
        """Leaves the finished bar on the screen."""
        if self._bar is not None:
            self._bar.close()
