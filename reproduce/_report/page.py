"""The report as one HTML page, made by the templates beside this file."""

import base64
import collections
import dataclasses
import datetime
import hashlib
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reproduce._report import tables
from reproduce._report.charts import Chart, chart, number
from reproduce._report.reading import Found, Run, measure
from rumi_tf.config.flags import as_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import Row

TEMPLATES = Path(__file__).resolve().parent / "templates"
COMPARED = 7  # lines in a chart: as many as there are colours and dashes
OPENED = 2  # runs, with no more of which the first one is shown unfolded
STATUSES = ("finished", "unfinished", "damaged")
ENVIRONMENT = ("rumi_tf", "commit", "tensorflow", "keras", "numpy", "python", "platform", "cpus",
               "threads", "devices", "replicas")  # fmt: skip
LOWER, HIGHER = "lower is better", "higher is better"
BETTER = {
    "fid": LOWER, "fid_infinity": LOWER, "kid": LOWER, "share_negative_only": LOWER,
    "share_positive_only": HIGHER, "inception_score": HIGHER, "prd_f8": HIGHER,
    "prd_f1/8": HIGHER, "precision": HIGHER, "recall": HIGHER, "density": HIGHER,
    "coverage": HIGHER,
}  # fmt: skip
METRICS = {"fid": "fid", "kid": "kid", "prd_f8": "prd_f8", "prd_f1/8": "prd_f1/8",
           "share_positive_only": "positive"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Entry:
    """A cell of a table.

    Attributes:
        text: that is shown.
        key: that the column is sorted by: a number or a word; what is empty comes last.
        link: id of the element that it leads to.
        badge: whether it is shown as a label.
    """

    text: str
    key: str
    link: str = ""
    badge: bool = False


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: its title, whether it holds numbers, and what they mean."""

    title: str
    numeric: bool = False
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that can be sorted; `words` of a row are what the filter looks at beside its text."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[tuple[str, Sequence[Entry]]]


@dataclasses.dataclass(frozen=True)
class Card:
    """What is shown of one run, unfolded."""

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


def render(found: Found, runs_dir: Path, title: str, now: datetime.datetime) -> str:
    """The page.

    Args:
        found: what there is to show.
        runs_dir: where it was read.
        title: of the page.
        now: when it is made.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["number"] = number
    environment.filters["time"] = _time
    style, script = (_source(name) for name in ("style.css", "script.js"))
    runs = found.runs
    text = environment.get_template("page.html").render(
        title=title, runs_dir=runs_dir, now=now, style=Markup(style), script=Markup(script),
        policy=_policy(style, script), version=_versions(runs), mixtures=found.mixtures,
        counts=[(name, sum(run.status == name for run in runs)) for name in STATUSES],
        facts=_overview(runs), table=_runs_table(runs), compared=_compared(runs),
        rumi=_plain("rumi", tables.rumi_table(runs)), uac=_plain("uac", tables.uac_table(runs)),
        attention=[(run, _attention(run)) for run in runs if run.status != "finished"],
        cards=_cards(runs, runs_dir), better=BETTER, example=_example(runs_dir),
    )  # fmt: skip
    # Names of files may hold what UTF-8 cannot.
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Lets the page do nothing but use its own style, script and pictures."""
    return "; ".join(
        ["default-src 'none'", "img-src data:", f"style-src {_hash(style)}",
         f"script-src {_hash(script)}", "base-uri 'none'", "form-action 'none'"]
    )  # fmt: skip


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


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
    """How many runs were last started in every environment, and what it is."""
    counted = collections.Counter(
        tuple((name, tables.as_text(run.starts[-1].get(name))) for name in ENVIRONMENT)
        for run in runs
        if run.starts
    )
    return [(n, [(k, v) for k, v in found if v]) for found, n in counted.most_common()]


def _runs_table(runs: Sequence[Run]) -> Table:
    columns = [
        Column("run", hint="the end of its directory's name"), Column("status"),
        Column("data set"), Column("target", hint="what is to be learnt"), Column("objective"),
        Column("seed", True), Column("iterations", True),
        *(Column(title, True, f"{name}: {BETTER[name]}") for name, title in METRICS.items()),
        Column("embedding", hint="whose features the metrics are of: only values of one compare"),
        Column("training", True, "time of the iterations without evaluations"),
        Column("settings", hint="that differ from the defaults, and between runs"),
    ]  # fmt: skip
    chosen = [tables.settings(run.config) if run.config else [] for run in runs]
    shared = set.intersection(*map(set, chosen)) if len(runs) > 1 else set()
    return Table(
        "runs",
        columns,
        [
            (run.name, _row(k, run, [each for each in own if each not in shared]))
            for k, (run, own) in enumerate(zip(runs, chosen, strict=True))
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
        _word(tables.in_words(settings)),
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
    """A table of texts, some of which begin with a number."""
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
    """FID of the runs on the same task, measured alike, and what is left out of each chart."""
    tasks: dict[tuple, list[tuple[Run, list]]] = {}
    for run in runs:
        if run.config is None:
            continue
        for how, points in _measured(run, "fid").items():
            task = (run.config.dataset, str(run.config.split), _target(run.config))
            tasks.setdefault((*task, *how), []).append((run, points))
    found = []
    for (dataset, split, target, embedding, _, n_generated, _), members in tasks.items():
        if len(members) < 2 or all(len(points) < 2 for _, points in members):
            continue  # the table of runs says as much
        shown = sorted(members, key=lambda member: member[1][-1][1])[:COMPARED]
        what = target if target == split else f"{split} {target}"
        made = chart(
            f"FID, {dataset} {what}, {embedding.rpartition('-')[0]}, {n_generated:,} images",
            [(_label(run, [other for other, _ in members]), points) for run, points in shown],
        )
        left = len(members) - len(shown)
        found.append((made, f"{left} with a higher last value are left out" if left else ""))
    return [(made, note) for made, note in found if made]


def _label(run: Run, others: Sequence[Run]) -> str:
    """As short as tells a run from the others."""
    same = [other for other in others if other.config.objective == run.config.objective]
    words = [run.config.objective]
    if len({other.config.seed for other in same}) > 1:
        words.append(f"seed {run.config.seed}")
    if sum(other.config.seed == run.config.seed for other in same) > 1:
        words.append(run.name.rpartition("-")[2][:6])
    return " ".join(words)


def _attention(run: Run) -> str:
    """What is the matter with a run that is not finished, in a line."""
    if run.problems:
        return "; ".join(run.problems)
    words = f"stands at iteration {run.iteration:,} of {run.config.iterations:,}"
    if run.written:
        words += f", last written {run.written:%Y-%m-%d %H:%M} UTC"
    if run.last_words:
        words += f"; its log ends: {run.last_words}"
    return words


def _example(runs_dir: Path) -> str:
    words = ("--dataset=digits", "--minority_class=5", "--width=0.25", "--learning_rate=6e-4",
             "--batch_size=32", "--iterations=1200", "--eval_every=200",
             f"--runs_dir={runs_dir}")  # fmt: skip
    return shlex.join(["python", "-m", "reproduce.train", *words])


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
            charts=[made for made in _charts(run) if made],
            image=_image(run),
            evaluations=run.final,
            headline=_headline(run),
            words=run.name,
            opened=k == 0 and len(runs) <= OPENED,
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
    each = summary.get("milliseconds_per_iteration")
    images = [summary.get(name) for name in ("positives", "negatives")]
    return [
        *facts,
        ("images", " positive, ".join(f"{n:,}" for n in images) + " negative"
         if None not in images else ""),
        ("an iteration takes", "" if each is None else f"{each:.4g} ms"),
        ("all of them", _time(run.seconds)),
        ("evaluations took", _time(summary.get("seconds_evaluating") or None)),
        ("started", ", ".join(_moment(start.get("started")) for start in run.starts)),
        ("devices", tables.as_text(run.starts[-1].get("devices")) if run.starts else ""),
    ]  # fmt: skip


def _moment(started: Any) -> str:
    return tables.as_text(started).replace("T", " ").replace("+00:00", " UTC")


def _command(run: Run, runs_dir: Path) -> str:
    """What trains the run, goes on with it, or finds it finished."""
    if run.config is None:
        return ""
    config = dataclasses.replace(run.config, runs_dir=str(runs_dir))
    return shlex.join(["python", "-m", "reproduce.train", *as_flags(config)])


def _headline(run: Run) -> str:
    if not run.final:
        return ""
    row = run.final[-1][0]
    return "" if row.value is None else f"FID {number(row.value)}"


def _charts(run: Run) -> list[Chart | None]:
    def of_log(title: str, names: Iterable[str]) -> Chart | None:
        return chart(title, [(name, run.log[name]) for name in names])

    found = [
        of_log("losses", [name for name in run.log if name.endswith("_loss")]),
        of_log("scores of D", [name for name in run.log if name.startswith("score_")]),
        of_log("diversity of pixels", [n for n in ("sample_std", "real_std") if n in run.log]),
    ]
    for metric in ("fid", "kid"):
        for (embedding, _, n_generated, _), points in _measured(run, metric).items():
            if len(points) > 1:
                how = f"{embedding.rpartition('-')[0]}, {n_generated:,} images"
                found.append(chart(f"{metric.upper()}, {how}", [(metric, points)]))
    if run.curve:
        precision, recall = (values.tolist() for values in run.curve)
        points = list(zip(recall, precision, strict=True))
        found.append(
            chart("precision against recall (PRD)", [("precision", points)], "recall", (0.0, 1.0))
        )
    return found


def _measured(run: Run, metric: str) -> dict[tuple, list[tuple[int, float]]]:
    """How it was measured -> (iteration, value) pairs."""
    found: dict[tuple, dict[int, float]] = {}
    for rows in run.evaluations:
        for row in rows:
            if row.metric == metric and row.value is not None and math.isfinite(row.value):
                found.setdefault(measure(rows[0]), {})[row.iteration] = row.value
    return {how: sorted(points.items()) for how, points in found.items()}


def _image(run: Run) -> str:
    if run.grid is None:
        return ""
    return f"data:image/png;base64,{base64.b64encode(run.grid.png).decode('ascii')}"
