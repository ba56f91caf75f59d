"""Trains many runs, each in its own process. Finished runs are reused."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.flags import as_flags, flagfile_fields
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import FRECHET, Row
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.runs import directories, outputs, resolve
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput, RunBusy
from rumi_tf.utils.paths import COMMANDS, FLAGFILES

POLL_SECONDS = 10.0  # between checks of cells that other processes train


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a table.

    Attributes:
        config: resolved.
        place: position in the table: column -> value.
    """

    config: RunConfig
    place: Mapping[str, str]

    @property
    def title(self) -> str:
        """Position in the table, in words."""
        return " ".join(str(value) for value in self.place.values())

    @property
    def log(self) -> Path:
        """File with the output of its processes."""
        return Path(self.config.runs_dir) / "logs" / f"{self.config.name()}.log"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Result of a cell.

    Attributes:
        cell: the cell.
        status: `done`, `reused` or `failed`.
        rows: rows of its last evaluation; empty if it failed.
        seconds: wall time of its process.
        reason: reason of a failure, in one line.
    """

    cell: Cell
    status: str
    rows: Sequence[Row] = ()
    seconds: float = 0.0
    reason: str = ""

    def value(self, metric: str) -> float | None:
        """Value of a metric; `None` if it was not measured."""
        return next((row.value for row in self.rows if row.metric == metric), None)

    @property
    def milliseconds(self) -> float | None:
        """Mean time of an iteration, measured by the run."""
        config = self.cell.config
        summary = (
            directories.read_summary(directories.run_directory(config), config.iterations) or {}
        )
        return summary.get("milliseconds_per_iteration")


def objective_names() -> list[str]:
    """The objectives, and the variants in flags/objectives."""
    variants = sorted(path.stem for path in (FLAGFILES / "objectives").glob("*.flags"))
    return [*OBJECTIVES, *variants]


def objective_config(name: str, given: Mapping[str, Any]) -> RunConfig:
    """The resolved configuration of an objective or of a flagfile.

    Args:
        name: one of `objective_names`, or the path of a file that ends in `.flags`.
        given: fields of `RunConfig`, which override those of a flagfile.

    Raises:
        InvalidInput: there is no such objective or file, or the result is not valid.
    """
    if name in OBJECTIVES:
        return resolve.resolve(RunConfig(**{**given, "objective": name}))
    path = Path(name) if name.endswith(".flags") else FLAGFILES / "objectives" / f"{name}.flags"
    if not path.is_file():
        raise InvalidInput(
            "objectives",
            f"{name!r} is neither a flagfile nor one of {', '.join(objective_names())}",
        )
    try:
        fields = flagfile_fields(path)
    except (flags.Error, OSError, ValueError) as error:
        raise InvalidInput("objectives", f"{path}: {error}") from error
    return resolve.resolve(RunConfig(**{**fields, **given}))


def run(cells: Sequence[Cell], jobs: int, report: Callable[[str], None]) -> list[Outcome]:
    """Trains and evaluates unfinished cells; returns an outcome per cell, in their order.

    Several processes may share a directory, on one machine or several. A cell that another process
    is training is checked again when the other cells are done.

    Args:
        cells: cells, whose configurations say how they are evaluated (`eval_every`).
        jobs: number of processes at a time, which share the processor's cores.
        report: called with one line per finished cell.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = []
    for number, cell in enumerate(cells):
        if outcome := finished(cell):
            outcomes[number] = outcome
        else:
            waiting.append(number)
    if outcomes:
        report(f"{len(outcomes)} of {len(cells)} cells reused")
    reported: list[int] = []
    with cli.sigterm_as_interrupt():
        while waiting:
            ended = _round({number: cells[number] for number in waiting}, jobs, report)
            outcomes |= ended
            waiting = [number for number in waiting if number not in ended]
            if waiting and waiting != reported:
                report(f"waiting for {len(waiting)} cells that other processes are training")
                reported = waiting
            if waiting:
                time.sleep(POLL_SECONDS)
    return [outcomes[number] for number in range(len(cells))]


def _round(
    cells: Mapping[int, Cell], jobs: int, report: Callable[[str], None]
) -> dict[int, Outcome]:
    """Outcomes by number, without cells that other processes are training."""
    outcomes: dict[int, Outcome] = {}
    processes, began = _Processes(), time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        futures: dict[Future[Outcome | None], int] = {}
        try:  # includes `submit`: an interrupt may come after the first process has started
            for number, cell in cells.items():
                futures[pool.submit(_process, cell, jobs, processes)] = number
            for count, future in enumerate(as_completed(futures), start=1):
                outcome = future.result()
                if outcome is not None:
                    outcomes[futures[future]] = outcome
                    left = (time.monotonic() - began) / count * (len(cells) - count)
                    report(f"[{count}/{len(cells)}] {_line(outcome)}, {left:.0f} s left")
        except BaseException:
            for future in futures:
                future.cancel()
            processes.stop()
            raise
    return outcomes


def finished(cell: Cell) -> Outcome | None:
    """Outcome of a cell that was trained and evaluated before, else `None`."""
    directory = directories.run_directory(cell.config)
    done = directories.read_summary(directory, cell.config.iterations)
    rows = outputs.last_rows(cell.config) if done else []
    return Outcome(cell, "reused", rows) if rows else None


def _line(outcome: Outcome) -> str:
    if outcome.status == "failed":
        return f"{outcome.cell.title}: {outcome.status}: {outcome.reason}"
    distances = [row for row in outcome.rows if row.metric in FRECHET and row.value is not None]
    shown = "".join(f"{row.metric} {row.value:.4g} " for row in distances)
    return f"{outcome.cell.title}: {shown}in {outcome.seconds:.0f} s"


class _Processes:
    """Running processes. After `stop` no process starts, not even one that was about to."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen] | None = []

    def start(self, words: Sequence[str], **how: Any) -> subprocess.Popen:
        """Like `subprocess.Popen`; raises `KeyboardInterrupt` after `stop`."""
        with self._lock:
            if self._running is None:
                raise KeyboardInterrupt
            process = subprocess.Popen(words, **how)
            self._running.append(process)
        return process

    def stop(self) -> None:
        """Terminates all processes."""
        with self._lock:
            running, self._running = self._running or [], None
        for process in running:
            process.terminate()


def _process(cell: Cell, jobs: int, processes: _Processes) -> Outcome | None:
    """Trains a cell in a process; `None` if another process is training it."""
    if outcome := finished(cell):  # by another process, since the last check
        return outcome
    if directories.is_busy(cell.config):
        return None
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    paths = [str(COMMANDS), os.environ.get("PYTHONPATH", "")]
    python_path = os.pathsep.join(filter(None, paths))
    began = time.monotonic()
    cell.log.parent.mkdir(parents=True, exist_ok=True)
    with open(cell.log, "a", encoding="utf-8") as log:
        process = processes.start(
            [sys.executable, "-m", "reproduce.train", *as_flags(cell.config)],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=os.getcwd(),
            env={**os.environ, "PYTHONPATH": python_path, **dict.fromkeys(names, threads)},
        )  # fmt: skip
        code = process.wait()
    seconds = time.monotonic() - began
    rows = outputs.last_rows(cell.config) if code == 0 else []
    if rows:
        return Outcome(cell, "done", rows, seconds)
    if code == RunBusy.exit_code:
        return None
    last = (cell.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1]
    reason = f"{last[:400]} (exit code {code}, {cell.log})"
    return Outcome(cell, "failed", (), seconds, reason)


def failures(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One line per failed cell."""
    for outcome in outcomes:
        if outcome.status == "failed":
            yield _line(outcome)
