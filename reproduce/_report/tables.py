"""Tables of the report: settings of runs, and results next to the papers' values."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from reproduce._report.reading import Run, measurement_key
from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid, paper_table1, uac_table2
from rumi_tf.experiments.sweep import Cell, Outcome
from rumi_tf.runs import resolve
from rumi_tf.utils.console import without_empty_columns
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv

# Fields that identify the task and the run; the other fields are its settings.
TASK = ("dataset", "split", "minority_class", "positive_classes", "negative_classes", "attribute",
        "objective", "seed")  # fmt: skip
PATHS = ("runs_dir", "data_dir", "cache_dir", "inception_weights")
PAPERS_ATTRIBUTE = "Male"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting that differs from the default of the run's task and objective."""

    name: str
    value: str
    default: str
    identity: bool


def settings(config: RunConfig) -> list[Setting]:
    """The settings of a run that differ from the defaults, without its task and file paths."""
    fields = {f.name: f for f in dataclasses.fields(config)}
    task = {name: getattr(config, name) for name in TASK if name != "seed"}
    defaults = _defaults(tuple(task.items()))
    return [
        Setting(name, as_text(value), as_text(defaults[name]), field.metadata["identity"])
        for name, field in fields.items()
        if name not in (*TASK, *PATHS)
        and (value := getattr(config, name)) not in (defaults[name], field.default)
    ]


@functools.cache
def _defaults(task: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    config = RunConfig(**dict(task))
    with contextlib.suppress(InvalidInput):  # for example an objective of another version
        config = resolve.resolve(config)
    return dataclasses.asdict(config)


def as_text(value: Any) -> str:
    """A value in the format of a flag."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def as_line(settings: Iterable[Setting]) -> str:
    """The settings that affect the result on a line, without iterations, which have a column."""
    return " ".join(
        f"{setting.name}={setting.value}"
        for setting in settings
        if setting.identity and setting.name != "iterations"
    )


def rumi_table(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Table 1 of the Rumi-GAN paper from the finished runs on an under-represented class.

    Runs are averaged only if they differ in nothing but class and seed. For the paper's data sets,
    models without a run have a line too. The table is empty if there are no such runs.
    """
    members = [
        run
        for run in _finished(runs)
        if run.config.split == "unbalanced"
        and run.config.objective in paper_grid.MODELS
        and run.config.attribute in (None, PAPERS_ATTRIBUTE)
        and not run.config.holdout
    ]
    lines = _summaries(members, paper_table1.summarise, paper_grid.MODELS)
    paper = {key: {"paper's fid": f"{fid:g}"} for key, fid in paper_table1.published().items()}
    return _with_missing(lines, paper)


def uac_table(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Table 2 of the UAC-GAN paper from the finished conditional runs on all classes.

    See `rumi_table`.
    """
    members = [
        run
        for run in _finished(runs)
        if run.config.split == "all"
        and run.config.dataset in uac_table2.DATASETS
        and run.config.objective in uac_table2.MODELS
        and not run.config.holdout
    ]
    lines = _summaries(members, uac_table2.summarise, uac_table2.MODELS)
    paper = {
        (row["dataset"], row["model"]): {
            "paper's inception_score": row["inception_score"], "paper's fid": row["fid"]
        }
        for row in read_csv(uac_table2.PAPER)
    }  # fmt: skip
    return _with_missing(lines, paper)


def _finished(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.status == "finished" and run.final]


def _summaries(
    runs: Iterable[Run],
    summarise: Callable[[Sequence[Outcome]], list[dict[str, str]]],
    titles: Mapping[str, str],
) -> list[dict[str, str]]:
    """A line for each group of runs that differ only in class and seed."""
    groups: dict[tuple, list[Outcome]] = {}
    group_settings: dict[tuple, str] = {}
    for run in runs:
        config = run.config
        place = {
            "data set": config.dataset, "class": str(config.minority_class),
            "model": titles[config.objective], "run seed": str(config.seed),
        }  # fmt: skip
        shared = {**config.identity(), "minority_class": None, "seed": None}
        for rows in run.final:
            if rows[0].iteration != config.iterations:
                continue
            key = (repr(sorted(shared.items())), *measurement_key(rows[0])[:3])
            group_settings[key] = as_line(settings(config))
            groups.setdefault(key, []).append(Outcome(Cell(config, place), "reused", rows))
    return [
        {**line, "settings": group_settings[key]}
        for key, members in groups.items()
        for line in summarise(members)
    ]


def _with_missing(
    lines: Sequence[dict[str, str]], paper: Mapping[tuple[str, str], Mapping[str, str]]
) -> list[dict[str, str]]:
    """The lines by data set in the order of the paper, with a line for each model without a run."""
    if not lines:
        return []
    columns = dict.fromkeys(lines[0], "")
    datasets = sorted({line["data set"] for line in lines})
    table = []
    for dataset in datasets:
        measured = [line for line in lines if line["data set"] == dataset]
        published = [model for name, model in paper if name == dataset]
        others = dict.fromkeys(line["model"] for line in measured if line["model"] not in published)
        for model in (*published, *others):
            missing = {"data set": dataset, "model": model, **paper.get((dataset, model), {}),
                       "settings": "not run"}  # fmt: skip
            table += [line for line in measured if line["model"] == model] or [columns | missing]
    return without_empty_columns(table)
