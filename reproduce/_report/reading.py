"""Reads run directories; damaged files are reported as lines of text."""

import csv
import dataclasses
import datetime
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import Row, by_evaluation, read_curve, read_rows
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import parse_json, read_csv, read_json

GRID_WIDTH = 320  # maximum width of a grid in pixels
MANY_RUNS = 60  # with more runs, grids are smaller
SMALL_GRID_WIDTH = 200
GREYS, COLOURS = 16, 64  # palette sizes of grids
MAX_PIXELS = 50_000_000  # larger pictures are not sample grids and would fill the memory
MAX_ITERATIONS = 2**53  # larger integers are not exact as floats
TAIL = 4096  # bytes read from the end of a log
RUN_FILES = ("config.json", "log.csv", "data.json", "summary.json", "checkpoints", "lock")

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Grid:
    """The newest sample grid of a run.

    Attributes:
        iteration: iteration of the samples.
        png: contents of a small PNG file.
        width, height: size in pixels.
    """

    iteration: int
    png: bytes
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Run:
    """Contents of a run directory.

    Attributes:
        name: name of the directory.
        directory: path of the directory.
        config: resolved config; `None` if it cannot be read.
        summary: contents of summary.json; `None` if the run is unfinished.
        starts: environments in which the run was started.
        log: column of log.csv -> (iteration, value) pairs.
        evaluations: rows of metrics.csv by evaluation.
        curve: precision and recall, (n,) each, of the last evaluation with a PRD curve.
        grid: the newest sample grid.
        problems: damaged files, a line each.
        written: time of the last write to the directory.
        last_log_line: last line of the run's log in the directory `logs`.
    """

    name: str
    directory: Path
    config: RunConfig | None = None
    summary: Mapping[str, Any] | None = None
    starts: Sequence[Mapping[str, Any]] = ()
    log: Mapping[str, Sequence[tuple[int, float]]] = dataclasses.field(default_factory=dict)
    evaluations: Sequence[Sequence[Row]] = ()
    curve: tuple[np.ndarray, np.ndarray] | None = None
    grid: Grid | None = None
    problems: tuple[str, ...] = ()
    written: datetime.datetime | None = None
    last_log_line: str = ""

    @property
    def status(self) -> str:
        """`damaged`, `finished` or `unfinished`."""
        if self.problems:
            return "damaged"
        return "unfinished" if self.summary is None else "finished"

    @property
    def iteration(self) -> int:
        """The last iteration in the log, the evaluations or the samples."""
        return max(
            [points[-1][0] for points in self.log.values()]
            + [rows[0].iteration for rows in self.evaluations]
            + [self.grid.iteration if self.grid else 0],
            default=0,
        )

    @property
    def seconds(self) -> float | None:
        """Training time of all iterations, from the mean per iteration; `None` if unknown."""
        milliseconds = (self.summary or {}).get("milliseconds_per_iteration")
        return None if milliseconds is None else milliseconds * self.summary["iterations"] / 1000

    @property
    def final(self) -> list[Sequence[Row]]:
        """The last evaluation at the newest iteration, for each `measurement_key`."""
        newest = max((rows[0].iteration for rows in self.evaluations), default=None)
        final = {measurement_key(r[0]): r for r in self.evaluations if r[0].iteration == newest}
        return list(final.values())


def measurement_key(row: Row) -> tuple[str, str, int, str]:
    """The properties of an evaluation; values are comparable only if they are equal."""
    return row.embedding, row.protocol, row.n_generated, row.reference


@dataclasses.dataclass(frozen=True)
class RunsDirectory:
    """Contents of --runs_dir.

    Attributes:
        runs: runs in the order of their names.
        mixtures: names of directories with runs on the mixture of Gaussians.
    """

    runs: Sequence[Run]
    mixtures: Sequence[str]


def read_runs(runs_dir: Path) -> RunsDirectory:
    """Reads all runs of a directory.

    Raises:
        InvalidInput: `runs_dir` is not a readable directory, or is itself a run.
    """
    if not runs_dir.is_dir():
        raise InvalidInput(
            "runs_dir", f"{runs_dir} is not a directory; pass the --runs_dir of reproduce.train"
        )
    if (runs_dir / "config.json").exists():
        raise InvalidInput("runs_dir", f"{runs_dir} is a run; pass its parent directory")
    try:
        directories = sorted(path for path in runs_dir.iterdir() if path.is_dir())
    except OSError as error:
        raise InvalidInput("runs_dir", f"cannot read {runs_dir}: {error.strerror}") from error
    width = SMALL_GRID_WIDTH if len(directories) > MANY_RUNS else GRID_WIDTH
    runs, mixtures = [], []
    for path in directories:
        if path.name.startswith(".") or not any((path / name).exists() for name in RUN_FILES):
            continue
        if _is_mixture(path / "config.json"):
            mixtures.append(path.name)
        else:
            runs.append(read_run(path, width))
    return RunsDirectory(runs, mixtures)


def read_run(directory: Path, grid_width: int = GRID_WIDTH) -> Run:
    """Reads a run directory; damaged files are listed in `problems` and raise no error.

    Args:
        directory: the run directory.
        grid_width: maximum width of the sample grid in pixels.
    """
    problems: list[str] = []

    def attempt(name: str, read: Callable[[Path], Value], default: Value) -> Value:
        path = directory / name
        try:
            return read(_regular(path)) if path.exists() else default
        except (OSError, ValueError, ArithmeticError, csv.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{name}: {' '.join((reason or 'cannot be read').split())[:200]}")
            return default

    config = attempt("config.json", _config, None)
    if config is None and not problems:
        problems.append("config.json is missing")
    summary = attempt("summary.json", _summary, None)
    if config and summary and summary["iterations"] != config.iterations:
        problems.append(
            f"summary.json: has {summary['iterations']} iterations, config.json {config.iterations}"
        )
    return Run(
        name=directory.name,
        directory=directory,
        config=config,
        summary=summary,
        starts=attempt("environment.json", _starts, ()),
        log=attempt("log.csv", _log, {}),
        evaluations=attempt("metrics.csv", _evaluations, ()),
        curve=attempt("prd.csv", read_curve, None),
        grid=attempt("samples", lambda path: _grid(path, grid_width), None),
        problems=tuple(problems),
        written=_written(directory),
        last_log_line=_last_line(directory.parent / "logs" / f"{directory.name}.log"),
    )


def _regular(path: Path) -> Path:
    """Returns `path` if it is a file or directory; reading a pipe or a device might not end."""
    if not (path.is_file() or path.is_dir()):
        raise ValueError("is neither a file nor a directory")
    return path


def _is_mixture(path: Path) -> bool:
    try:
        text = _regular(path).read_text(encoding="utf-8")
        return bool(parse_json(text)) and bool(MixtureConfig.from_json(text))
    except (OSError, ValueError):
        return False


def _json(path: Path) -> dict:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _config(path: Path) -> RunConfig:
    return RunConfig.from_json(path.read_text(encoding="utf-8"))


def _summary(path: Path) -> dict:
    value = _json(path)
    if not _is_count(value.get("iterations")):
        raise ValueError("has no number of iterations")
    numbers = ("milliseconds_per_iteration", "seconds_evaluating", "positives", "negatives")
    for name in numbers:
        number = value.get(name)
        is_finite = isinstance(number, int | float) and math.isfinite(number)
        if number is not None and not is_finite:
            raise ValueError(f"{name} is not a number")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ITERATIONS


def _starts(path: Path) -> list[dict]:
    starts = _json(path).get("starts", [])
    if not isinstance(starts, list) or not all(isinstance(start, dict) for start in starts):
        raise ValueError("is not a list of starts")
    return starts


def _log(path: Path) -> dict[str, list[tuple[int, float]]]:
    columns: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(read_csv(path), start=2):
        try:
            iteration = int(row.pop("iteration"))
            if not _is_count(iteration):
                raise ValueError("iteration is out of range")
            values = {name: float(text) for name, text in row.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number} is not a row of numbers") from error
        for name, value in values.items():
            if math.isfinite(value):
                columns.setdefault(name, []).append((iteration, value))
    return columns


def _evaluations(path: Path) -> list[list[Row]]:
    rows: list[Row] = read_rows(path)
    if not all(_is_count(row.iteration) for row in rows):
        raise ValueError("an iteration is out of range")
    return by_evaluation(rows)


def _grid(directory: Path, width: int) -> Grid | None:
    pictures = [path for path in directory.glob("*.png") if path.is_file()]
    numbers = {path.stem.removeprefix("iteration_"): path for path in pictures}
    by_iteration = {int(text): path for text, path in numbers.items() if text.isdecimal()}
    if not by_iteration:
        return None
    iteration = max(by_iteration)
    path = by_iteration[iteration]
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{path.name} has more than {MAX_PIXELS:,} pixels")
            small = _small(picture, width)
    except (Image.DecompressionBombError, SyntaxError) as error:  # Pillow raises both
        raise ValueError(f"{path.name} is not a PNG file") from error
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read") from error
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return Grid(iteration, buffer.getvalue(), *small.size)


def _small(picture: Image.Image, width: int) -> Image.Image:
    """The picture on white, at most `width` pixels wide, with a small palette."""
    full = picture.convert("RGBA")
    white = Image.new("RGBA", full.size, "white")
    flat = Image.alpha_composite(white, full).convert("RGB")
    if flat.width > width:
        size = width, max(1, round(flat.height * width / flat.width))
        flat = flat.resize(size, Image.Resampling.LANCZOS)
    channels = np.asarray(flat)
    if (channels.max(axis=2) - channels.min(axis=2)).max() <= 8:  # nearly grey
        return flat.convert("L").quantize(GREYS)
    return flat.quantize(COLOURS)


def _written(directory: Path) -> datetime.datetime | None:
    try:
        newest = max(entry.stat().st_mtime for entry in os.scandir(directory))
        return datetime.datetime.fromtimestamp(newest, datetime.timezone.utc)
    except (OSError, ValueError):
        return None


def _last_line(path: Path) -> str:
    try:
        with open(_regular(path), "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    except (OSError, ValueError):
        return ""
    return lines[-1][-200:] if lines else ""
