"""The report as an HTML page, rendered from the templates in this folder."""

import base64
import collections
import dataclasses
import datetime
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reproduce._report import tables
from reproduce._report.charts import Chart, chart, number
from reproduce._report.reading import Run, RunsDirectory, measurement_key
from rumi_tf.config.flags import as_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import FRECHET, Row, frechet_name
from rumi_tf.utils import cli

TEMPLATES = Path(__file__).resolve().parent / "templates"
MAX_LINES = 7  # in a chart: the number of colours and dashes
FEW_RUNS = 2  # with at most this many runs, the first one is unfolded
STATUSES = ("finished", "unfinished", "damaged")
ENVIRONMENT = ("rumi_tf", "commit", "tensorflow", "keras", "numpy", "python", "platform", "cpus",
               "threads", "devices", "replicas")  # fmt: skip
LOWER, HIGHER = "lower is better", "higher is better"
BETTER = {
    "fid": LOWER, "fid_infinity": LOWER, "fd_classifier": LOWER, "fd_classifier_infinity": LOWER,
    "kid": LOWER, "share_negative_only": LOWER,
    "share_positive_only": HIGHER, "inception_score": HIGHER, "prd_f8": HIGHER,
    "prd_f1/8": HIGHER, "precision": HIGHER, "recall": HIGHER, "density": HIGHER,
    "coverage": HIGHER,
}  # fmt: skip
METRICS = {"fid": "fid", "fd_classifier": "fd_classifier", "kid": "kid", "prd_f8": "prd_f8",
           "prd_f1/8": "prd_f1/8", "share_positive_only": "positive"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Entry:
    """A cell of a table.

    Attributes:
        text: displayed text.
        key: sort key, a number or a word; empty keys come last.
        link: id of the element that the text links to.
        badge: whether the text is shown as a badge.
    """

    text: str
    key: str
    link: str = ""
    badge: bool = False


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: its title, whether it holds numbers, and its tooltip."""

    title: str
    numeric: bool = False
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A sortable table; a row is (words, entries), and the filter searches both."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[tuple[str, Sequence[Entry]]]


@dataclasses.dataclass(frozen=True)
class Card:
    """Details of one run."""

    run: Run
    anchor: str
    facts: Sequence[tuple[str, str]]
    settings: Sequence[tables.Setting]
    command: str
    charts: Sequence[Chart]
    image: str
    evaluations: Sequence[Sequence[Row]]
    headline: str
    words: str
    opened: bool


def render(contents: RunsDirectory, runs_dir: Path, title: str, now: datetime.datetime) -> str:
    """Renders the page.

    Args:
        contents: the runs to show.
        runs_dir: directory of the runs.
        title: page title.
        now: time shown on the page, in UTC.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["number"] = number
    environment.filters["time"] = _time
    style, script = (
        Markup((TEMPLATES / name).read_text(encoding="utf-8"))
        for name in ("style.css", "script.js")
    )
    runs = contents.runs
    text = environment.get_template("page.html").render(
        title=title, runs_dir=runs_dir, now=now, style=style, script=script,
        version=_versions(runs), mixtures=contents.mixtures,
        counts=[(name, sum(run.status == name for run in runs)) for name in STATUSES],
        facts=_overview(runs), table=_runs_table(runs), compared=_compared(runs),
        rumi=_plain("rumi", tables.rumi_table(runs)), uac=_plain("uac", tables.uac_table(runs)),
        attention=[(run, _attention(run)) for run in runs if run.status != "finished"],
        cards=_cards(runs, runs_dir), better=BETTER, example=_example(runs_dir),
    )  # fmt: skip
    # File names may contain characters that UTF-8 cannot encode.
    return text.encode("utf-8", errors="replace").decode("utf-8")


# ----- all runs -----------------------------------------------------------------------------------


def _overview(runs: Iterable[Run]) -> list[tuple[str, str]]:
    configs = [run.config for run in runs if run.config]
    seconds = sum(run.seconds or 0 for run in runs)
    return [
        ("data sets", ", ".join(sorted({config.dataset for config in configs}))),
        ("objectives", ", ".join(sorted({config.objective for config in configs}))),
        ("training time", _time(seconds) if seconds else ""),
    ]


def _versions(runs: Iterable[Run]) -> list[tuple[int, list[tuple[str, str]]]]:
    """Number of runs last started in each environment, and the environment."""
    environments = collections.Counter(
        tuple((name, tables.as_text(run.starts[-1].get(name))) for name in ENVIRONMENT)
        for run in runs
        if run.starts
    )
    return [
        (count, [(name, value) for name, value in environment if value])
        for environment, count in environments.most_common()
    ]


def _runs_table(runs: Sequence[Run]) -> Table:
    columns = [
        Column("run", hint="end of the directory name"), Column("status"),
        Column("data set"), Column("target", hint="classes to learn"), Column("objective"),
        Column("seed", True), Column("iterations", True),
        *(Column(title, True, f"{name}: {BETTER[name]}") for name, title in METRICS.items()),
        Column("embedding", hint="features of the metrics; compare within one embedding only"),
        Column("training", True, "time of the iterations without evaluations"),
        Column("settings", hint="settings that differ from the defaults and between runs"),
    ]  # fmt: skip
    settings = [tables.settings(run.config) if run.config else [] for run in runs]
    shared = set.intersection(*map(set, settings)) if len(runs) > 1 else set()
    return Table(
        "runs",
        columns,
        [
            (run.name, _row(k, run, [each for each in of_run if each not in shared]))
            for k, (run, of_run) in enumerate(zip(runs, settings, strict=True))
        ],
    )


def _row(position: int, run: Run, settings: Sequence[tables.Setting]) -> list[Entry]:
    config = run.config
    rows = run.final[-1] if run.final else []
    values = {row.metric: row.value for row in rows}
    embedding = rows[0].embedding.rpartition("-")[0] if rows else ""
    return [
        Entry(run.name.rpartition("-")[2], run.name, link=_anchor(position)),
        Entry(run.status, run.status, badge=True),
        *(_word(text) for text in (
            (config.dataset, _target(config), config.objective) if config else ("", "", "")
        )),
        _number(config.seed if config else None),
        _number(run.iteration),
        *(_number(values.get(name)) for name in METRICS),
        _word(embedding),
        Entry(_time(run.seconds), "" if run.seconds is None else f"{run.seconds:.3f}"),
        _word(tables.as_line(settings)),
    ]  # fmt: skip


def _word(text: str) -> Entry:
    return Entry(text, text.lower())


def _number(value: float | None) -> Entry:
    return Entry("", "") if value is None else Entry(number(value), repr(value))


def _target(config: RunConfig) -> str:
    if config.split == "unbalanced":
        return str(config.minority_class)
    return ",".join(config.positive_classes) or str(config.split)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _plain(name: str, lines: Sequence[Mapping[str, str]]) -> Table | None:
    """A table of texts; a column is numeric if one of its texts begins with a number."""
    if not lines:
        return None
    rows = [("", [Entry(text, _key(text)) for text in line.values()]) for line in lines]
    numeric = [any(_is_number(entries[k].key) for _, entries in rows) for k in range(len(lines[0]))]
    return Table(name, [Column(t, n) for t, n in zip(lines[0], numeric, strict=True)], rows)


def _key(text: str) -> str:
    first = text.partition(" ")[0]
    return first if _is_number(first) else text.lower()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _compared(runs: Iterable[Run]) -> list[tuple[Chart, str]]:
    """A chart of FID for each task and way of measuring, with a note on omitted runs."""
    groups: dict[tuple, list[tuple[Run, list]]] = {}
    for run in runs:
        if run.config is None:
            continue
        for key, points in _distances(run).items():
            task = (run.config.dataset, str(run.config.split), _target(run.config))
            groups.setdefault((*task, *key), []).append((run, points))
    charts = []
    for (dataset, split, target, embedding, _, n_generated, _), members in groups.items():
        if len(members) < 2 or all(len(points) < 2 for _, points in members):
            continue  # the table of runs already shows this
        shown = sorted(members, key=lambda member: member[1][-1][1])[:MAX_LINES]
        task_name = target if target == split else f"{split} {target}"
        drawn = chart(
            f"{FRECHET[frechet_name(embedding)]}, {dataset} {task_name}, "
            f"{embedding.rpartition('-')[0]}, {n_generated:,} images",
            [(_label(run, [other for other, _ in members]), points) for run, points in shown],
        )
        omitted = len(members) - len(shown)
        note = f"{omitted} runs with a higher last value are not shown" if omitted else ""
        charts.append((drawn, note))
    return [(drawn, note) for drawn, note in charts if drawn]


def _label(run: Run, others: Sequence[Run]) -> str:
    """The shortest label that distinguishes a run from the others."""
    same = [other for other in others if other.config.objective == run.config.objective]
    words = [run.config.objective]
    if len({other.config.seed for other in same}) > 1:
        words.append(f"seed {run.config.seed}")
    if sum(other.config.seed == run.config.seed for other in same) > 1:
        words.append(run.name.rpartition("-")[2][:6])
    return " ".join(words)


def _attention(run: Run) -> str:
    """Status of an unfinished or damaged run in a line."""
    if run.problems:
        return "; ".join(run.problems)
    status = f"is at iteration {run.iteration:,} of {run.config.iterations:,}"
    if run.written:
        status += f", last written {run.written:%Y-%m-%d %H:%M} UTC"
    if run.last_log_line:
        status += f"; its log ends with: {run.last_log_line}"
    return status


def _example(runs_dir: Path) -> str:
    words = ("--dataset=digits", "--minority_class=5", "--width=0.25", "--learning_rate=6e-4",
             "--batch_size=32", "--iterations=1200", "--eval_every=200",
             f"--runs_dir={runs_dir}")  # fmt: skip
    return cli.as_typed(shlex.join(["python", "-m", "reproduce.train", *words]))


# ----- one run ------------------------------------------------------------------------------------


def _anchor(position: int) -> str:
    return f"run-{position}"


def _cards(runs: Sequence[Run], runs_dir: Path) -> list[Card]:
    return [
        Card(
            run=run,
            anchor=_anchor(k),
            facts=[(name, text) for name, text in _facts(run) if text],
            settings=tables.settings(run.config) if run.config else (),
            command=_command(run, runs_dir),
            charts=[drawn for drawn in _charts(run) if drawn],
            image=_image(run),
            evaluations=run.final,
            headline=_headline(run),
            words=run.name,
            opened=k == 0 and len(runs) <= FEW_RUNS,
        )
        for k, run in enumerate(runs)
    ]


def _facts(run: Run) -> list[tuple[str, str]]:
    config, summary = run.config, run.summary or {}
    facts = [("directory", str(run.directory))]
    if config:
        facts += [
            ("data set", config.dataset), ("split", str(config.split)),
            ("target", _target(config)), ("objective", config.objective),
            ("seed", str(config.seed)),
            ("iterations", f"{run.iteration:,} of {config.iterations:,}"),
        ]  # fmt: skip
    milliseconds = summary.get("milliseconds_per_iteration")
    images = [summary.get(name) for name in ("positives", "negatives")]
    return [
        *facts,
        ("images", " positive, ".join(f"{n:,}" for n in images) + " negative"
         if None not in images else ""),
        ("time per iteration", "" if milliseconds is None else f"{milliseconds:.4g} ms"),
        ("training time", _time(run.seconds)),
        ("evaluation time", _time(summary.get("seconds_evaluating") or None)),
        ("started", ", ".join(_moment(start.get("started")) for start in run.starts)),
        ("devices", tables.as_text(run.starts[-1].get("devices")) if run.starts else ""),
    ]  # fmt: skip


def _moment(started: Any) -> str:
    return tables.as_text(started).replace("T", " ").replace("+00:00", " UTC")


def _command(run: Run, runs_dir: Path) -> str:
    """The command that trains or resumes the run."""
    if run.config is None:
        return ""
    config = dataclasses.replace(run.config, runs_dir=str(runs_dir))
    return cli.as_typed(shlex.join(["python", "-m", "reproduce.train", *as_flags(config)]))


def _headline(run: Run) -> str:
    if not run.final:
        return ""
    row = run.final[-1][0]
    return "" if row.value is None else f"{FRECHET[row.metric]} {number(row.value)}"


def _charts(run: Run) -> list[Chart | None]:
    def log_chart(title: str, names: Iterable[str]) -> Chart | None:
        return chart(title, [(name, run.log[name]) for name in names])

    charts = [
        log_chart("losses", [name for name in run.log if name.endswith("_loss")]),
        log_chart("scores of D", [name for name in run.log if name.startswith("score_")]),
        log_chart("diversity of pixels", [n for n in ("sample_std", "real_std") if n in run.log]),
    ]
    for metric in (*FRECHET, "kid"):
        for (embedding, _, n_generated, _), points in _history(run, metric).items():
            if len(points) > 1:
                name = FRECHET.get(metric, metric.upper())
                title = f"{name}, {embedding.rpartition('-')[0]}, {n_generated:,} images"
                charts.append(chart(title, [(metric, points)]))
    if run.curve:
        precision, recall = (values.tolist() for values in run.curve)
        points = list(zip(recall, precision, strict=True))
        charts.append(
            chart("precision against recall (PRD)", [("precision", points)], "recall", (0.0, 1.0))
        )
    return charts


def _distances(run: Run) -> dict[tuple, list[tuple[int, float]]]:
    """Fréchet distances by `measurement_key`."""
    return {key: points for metric in FRECHET for key, points in _history(run, metric).items()}


def _history(run: Run, metric: str) -> dict[tuple, list[tuple[int, float]]]:
    """(iteration, value) pairs of a metric by `measurement_key`."""
    history: dict[tuple, dict[int, float]] = {}
    for rows in run.evaluations:
        for row in rows:
            if row.metric == metric and row.value is not None and math.isfinite(row.value):
                history.setdefault(measurement_key(rows[0]), {})[row.iteration] = row.value
    return {key: sorted(points.items()) for key, points in history.items()}


def _image(run: Run) -> str:
    if run.grid is None:
        return ""
    return f"data:image/png;base64,{base64.b64encode(run.grid.png).decode('ascii')}"
