"""What the report says of runs in tables: settings, results beside the papers'."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from reproduce import uac_table2
from reproduce._report.reading import Run, measure
from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid, paper_table1
from rumi_tf.experiments.sweep import Cell, Outcome
from rumi_tf.runs import resolve
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv

# What says which task a run is on, and which run of it; the rest are its settings.
TASK = ("dataset", "split", "minority_class", "positive_classes", "negative_classes", "attribute",
        "objective", "seed")  # fmt: skip
PLACES = ("runs_dir", "data_dir", "cache_dir", "inception_weights")
PAPERS_ATTRIBUTE = "Male"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting that is not the default of the run's task and objective."""

    name: str
    value: str
    default: str
    identity: bool


def settings(config: RunConfig) -> list[Setting]:
    """What was chosen for a run, but for its task and the places of files."""
    fields = {f.name: f for f in dataclasses.fields(config)}
    task = {name: getattr(config, name) for name in TASK if name != "seed"}
    defaults = _defaults(tuple(task.items()))
    return [
        Setting(name, as_text(value), as_text(defaults[name]), field.metadata["identity"])
        for name, field in fields.items()
        if name not in (*TASK, *PLACES)
        and (value := getattr(config, name)) not in (defaults[name], field.default)
    ]


@functools.cache
def _defaults(task: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    config = RunConfig(**dict(task))
    with contextlib.suppress(InvalidInput):  # such as an objective that this version does not know
        config = resolve.resolve(config)
    return dataclasses.asdict(config)


def as_text(value: Any) -> str:
    """A value as a flag has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def in_words(chosen: Iterable[Setting]) -> str:
    """The settings that decide the result on a line, without the iterations, a column of theirs."""
    return " ".join(
        f"{each.name}={each.value}"
        for each in chosen
        if each.identity and each.name != "iterations"
    )


def rumi_table(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Table 1 of the Rumi-GAN paper by the finished runs on an under-represented class.

    Runs are put together only if all but class and seed is the same. Of a data set that the paper
    has, models without a run have a line as well. Empty if no run is of that kind.
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
    """Table 2 of the UAC-GAN paper by the finished conditional runs on all classes.

    As `rumi_table` otherwise.
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
    """A line for every set of runs that differ in class and seed alone."""
    groups: dict[tuple, list[Outcome]] = {}
    chosen: dict[tuple, str] = {}
    for run in runs:
        config = run.config
        place = {
            "data set": config.dataset, "class": str(config.minority_class),
            "model": titles[config.objective], "run seed": str(config.seed),
        }  # fmt: skip
        same = {**config.identity(), "minority_class": None, "seed": None}
        for rows in run.final:
            if rows[0].iteration != config.iterations:
                continue
            key = (repr(sorted(same.items())), *measure(rows[0])[:3])
            chosen[key] = in_words(settings(config))
            groups.setdefault(key, []).append(Outcome(Cell(config, place), "reused", rows))
    return [
        {**line, "settings": chosen[key]}
        for key, members in groups.items()
        for line in summarise(members)
    ]


def _with_missing(
    lines: Sequence[dict[str, str]], paper: Mapping[tuple[str, str], Mapping[str, str]]
) -> list[dict[str, str]]:
    """The lines by data set, in the order of the paper, and lines for its models without a run."""
    if not lines:
        return []
    columns = dict.fromkeys(lines[0], "")
    datasets = sorted({line["data set"] for line in lines})
    table = []
    for dataset in datasets:
        own = [line for line in lines if line["data set"] == dataset]
        published = [model for name, model in paper if name == dataset]
        others = dict.fromkeys(line["model"] for line in own if line["model"] not in published)
        for model in (*published, *others):
            missing = {"data set": dataset, "model": model, **paper.get((dataset, model), {}),
                       "settings": "not run"}  # fmt: skip
            table += [line for line in own if line["model"] == model] or [{**columns, **missing}]
    return table
