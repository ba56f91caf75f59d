"""What run directories hold, read without trusting it: what is damaged becomes a line of text."""

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

GRID_WIDTH = 320  # pixels at most
MANY = 60  # runs, with more of which grids are smaller
MANY_GRID_WIDTH = 200
GREYS, COLOURS = 16, 64  # in a grid
MAX_PIXELS = 50_000_000  # a larger picture is no sample grid, and would fill the memory
MOST_ITERATIONS = 2**53  # more are not exact as a float
TAIL = 4096  # bytes at the end of a log that are looked at
SIGNS = ("config.json", "log.csv", "data.json", "summary.json", "checkpoints", "lock")

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Grid:
    """The newest sample grid.

    Attributes:
        iteration: it is of.
        png: a small PNG file.
        width, height: in pixels.
    """

    iteration: int
    png: bytes
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Run:
    """What there is of a run.

    Attributes:
        name: of its directory.
        directory: the directory.
        config: its settings; `None` if they cannot be read.
        summary: what it says of itself at its end; `None` before.
        starts: environments it was started in.
        log: column of log.csv -> (iteration, value) pairs.
        evaluations: rows of metrics.csv, an inner sequence per evaluation.
        curve: precision and recall, (n,) each, of the last evaluation that has them.
        grid: the newest.
        problems: what is damaged, a line each.
        written: when a file of it was last written.
        last_words: the end of its log under `logs`, if it has one.
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
    last_words: str = ""

    @property
    def status(self) -> str:
        """`damaged`, `finished` or `unfinished`."""
        if self.problems:
            return "damaged"
        return "unfinished" if self.summary is None else "finished"

    @property
    def iteration(self) -> int:
        """The last one that something was written of."""
        return max(
            [points[-1][0] for points in self.log.values()]
            + [rows[0].iteration for rows in self.evaluations]
            + [self.grid.iteration if self.grid else 0],
            default=0,
        )

    @property
    def seconds(self) -> float | None:
        """That all of its iterations took or would have taken in one process; `None` if unknown."""
        each = (self.summary or {}).get("milliseconds_per_iteration")
        return None if each is None else each * self.summary["iterations"] / 1000

    @property
    def final(self) -> list[Sequence[Row]]:
        """The last evaluation of the newest iteration, for each way of measuring."""
        newest = max((rows[0].iteration for rows in self.evaluations), default=None)
        found = {measure(r[0]): r for r in self.evaluations if r[0].iteration == newest}
        return list(found.values())


def measure(row: Row) -> tuple[str, str, int, str]:
    """What must be the same of two values of a metric that are compared."""
    return row.embedding, row.protocol, row.n_generated, row.reference


@dataclasses.dataclass(frozen=True)
class Found:
    """What there is under --runs_dir.

    Attributes:
        runs: in the order of their names.
        mixtures: directories of sets of runs on the mixture of Gaussians.
    """

    runs: Sequence[Run]
    mixtures: Sequence[str]


def read_runs(runs_dir: Path) -> Found:
    """Reads all runs of a directory.

    Raises:
        InvalidInput: it is no directory that can be read, or is a run itself.
    """
    if not runs_dir.is_dir():
        raise InvalidInput(
            "runs_dir", f"{runs_dir} is not a directory; name the --runs_dir of reproduce.train"
        )
    if (runs_dir / "config.json").exists():
        raise InvalidInput(
            "runs_dir", f"{runs_dir} is a run itself; name the directory that it lies in"
        )
    try:
        directories = sorted(path for path in runs_dir.iterdir() if path.is_dir())
    except OSError as error:
        raise InvalidInput("runs_dir", f"cannot read {runs_dir}: {error.strerror}") from error
    width = MANY_GRID_WIDTH if len(directories) > MANY else GRID_WIDTH
    runs, mixtures = [], []
    for path in directories:
        if path.name.startswith(".") or not any((path / sign).exists() for sign in SIGNS):
            continue
        if _is_mixture(path / "config.json"):
            mixtures.append(path.name)
        else:
            runs.append(read_run(path, width))
    return Found(runs, mixtures)


def read_run(directory: Path, grid_width: int = GRID_WIDTH) -> Run:
    """Reads what there is of a run; never raises for what it finds.

    Args:
        directory: of the run.
        grid_width: pixels, at most, that its sample grid is made small to.
    """
    problems: list[str] = []

    def attempt(name: str, read: Callable[[Path], Value], default: Value) -> Value:
        path = directory / name
        try:
            return read(_contained(path)) if path.exists() else default
        except (
            OSError,
            ValueError,
            ArithmeticError,
            csv.Error,
            InvalidInput,
        ) as error:
            told = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{name}: {' '.join((told or 'cannot be read').split())[:200]}")
            return default

    config = attempt("config.json", _config, None)
    if config is None and not problems:
        problems.append("config.json is missing")
    summary = attempt("summary.json", _summary, None)
    if config and summary and summary["iterations"] != config.iterations:
        problems.append(
            f"summary.json: is of {summary['iterations']} iterations, config.json of "
            f"{config.iterations}"
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
        last_words=_last_words(directory.parent / "logs" / f"{directory.name}.log"),
    )


def _contained(path: Path) -> Path:
    """The path, unless it is of a pipe or a device, from which reading might never end."""
    if not (path.is_file() or path.is_dir()):
        raise ValueError("is neither a file nor a directory")
    return path


def _is_mixture(path: Path) -> bool:
    try:
        text = _contained(path).read_text(encoding="utf-8")
        return bool(parse_json(text)) and bool(MixtureConfig.from_json(text))
    except (OSError, ValueError, InvalidInput):
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
        raise ValueError("does not say how many iterations there were")
    numbers = ("milliseconds_per_iteration", "seconds_evaluating", "positives", "negatives")
    for name in numbers:
        number = value.get(name)
        known = isinstance(number, int | float) and math.isfinite(number)
        if number is not None and not known:
            raise ValueError(f"{name} is not a number")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_ITERATIONS


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
                raise ValueError("no number of iterations")
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
        raise ValueError("a number of iterations is out of range")
    return by_evaluation(rows)


def _grid(directory: Path, width: int) -> Grid | None:
    pictures = [path for path in directory.glob("*.png") if path.is_file()]
    numbers = {path.stem.removeprefix("iteration_"): path for path in pictures}
    known = {int(text): path for text, path in numbers.items() if text.isdecimal()}
    if not known:
        return None
    iteration = max(known)
    path = known[iteration]
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{path.name} has more than {MAX_PIXELS:,} pixels")
            small = _small(picture, width)
    except (Image.DecompressionBombError, SyntaxError) as error:  # both are Pillow's
        raise ValueError(f"{path.name} is not a picture") from error
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read") from error
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return Grid(iteration, buffer.getvalue(), *small.size)


def _small(picture: Image.Image, width: int) -> Image.Image:
    """At most `width` wide and of few colours, on white."""
    full = picture.convert("RGBA")
    white = Image.new("RGBA", full.size, "white")
    flat = Image.alpha_composite(white, full).convert("RGB")
    if flat.width > width:
        size = width, max(1, round(flat.height * width / flat.width))
        flat = flat.resize(size, Image.Resampling.LANCZOS)
    channels = np.asarray(flat)
    if (channels.max(axis=2) - channels.min(axis=2)).max() <= 8:  # grey
        return flat.convert("L").quantize(GREYS)
    return flat.quantize(COLOURS)


def _written(directory: Path) -> datetime.datetime | None:
    try:
        newest = max(entry.stat().st_mtime for entry in os.scandir(directory))
        return datetime.datetime.fromtimestamp(newest, datetime.timezone.utc)
    except (OSError, ValueError):
        return None


def _last_words(path: Path) -> str:
    try:
        with open(_contained(path), "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    except (OSError, ValueError):
        return ""
    return lines[-1][-200:] if lines else ""
