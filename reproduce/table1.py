"""Table 1 of the Rumi-GAN paper: five models that learn an under-represented class.

Usage: python -m reproduce.table1 --datasets=mnist --data_dir=DIR --seeds=0,1,2
       python -m reproduce.table1 --datasets=digits --classes=5 --flagfile=flags/table1_digits.flags
       python -m reproduce.table1 --list

A cell is a data set, a class, a model and a seed: one run of reproduce.train under --runs_dir,
evaluated ten times on its way (--eval_every); the last one counts. Finished cells are reused and
interrupted ones resumed, so --shard=i/n lets n machines share one directory. Takes the flags of
reproduce.train, which hold for all cells. Writes to --out: cells.csv, a row per cell and metric
with its provenance; table1.csv and table1.md, the mean over classes, its deviation over seeds, and
the paper's value.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from reproduce import _cli, _grid
from rumi_tf.config import define_flags
from rumi_tf.errors import InvalidInput
from rumi_tf.files import read_csv, write_csv, write_text
from rumi_tf.tables import aligned, markdown

COLUMNS = ("fid", "kid", "prd_f8", "prd_f1/8", "share_positive_only")
PAPER = Path(__file__).resolve().parent / "paper_values" / "table1.csv"

define_flags(omit=_grid.DECIDED)
_SECTION: dict[str, Any] = {"module_name": "Table 1"}
flags.DEFINE_list(
    "datasets", ["mnist", "cifar10", "celeba"], f"Of {', '.join(_grid.DATASETS)}.", **_SECTION
)
flags.DEFINE_list("models", list(_grid.MODELS), f"Of {', '.join(_grid.MODELS)}.", **_SECTION)
flags.DEFINE_list(
    "classes", [], "Minority classes, by name or index. Default: all, of celeba both genders.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_boolean("list", False, "List the cells and what became of them; stop.", **_SECTION)
flags.DEFINE_string("only", "", "Only cells with these words in what --list shows.", **_SECTION)
flags.DEFINE_string(
    "shard", "1/1", "i/n: every n-th cell from the i-th, for several machines.", **_SECTION
)
_grid.define_grid_flags("Table 1", "table1")


def main() -> None:
    """Runs what is missing, prints the table and what was written."""
    wanted = flags.FLAGS
    out = Path(wanted.out).expanduser()
    _cli.check_output("out", str(out / "cells.csv"))
    _check(wanted)
    with _cli.quiet_import():
        from reproduce import _cells
    cells = cells_of(wanted)
    mine = _shard(cells, wanted.shard)
    if wanted.list:
        for cell in mine:
            print(f"{'done   ' if _cells.finished(cell) else 'missing'} {cell.title}")
        return
    outcomes = _grid.run(mine, wanted.jobs)
    # Cells of other shards that are there belong in the table as well.
    others = [_cells.finished(cell) for cell in cells if cell not in mine]
    shown = [*outcomes, *filter(None, others)]
    rows = [
        {**found.cell.place, **dataclasses.asdict(row)} for found in shown for row in found.rows
    ]
    write_csv(out / "cells.csv", rows)
    table = summarise(shown)
    write_csv(out / "table1.csv", table)
    if table:
        write_text(out / "table1.md", markdown(table))
        print(aligned([list(table[0]), *(list(row.values()) for row in table)]))
    for name in ("cells.csv", "table1.csv", "table1.md"):
        print(out / name)
    _grid.end(_cells.failures(outcomes))


def _check(wanted: flags.FlagValues) -> None:
    _grid.check_names("datasets", wanted.datasets, _grid.DATASETS)
    _grid.check_names("models", wanted.models, _grid.MODELS)
    _grid.seeds(wanted.seeds)
    part, _, parts = wanted.shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InvalidInput("shard", f"{wanted.shard!r} is not i/n with i from 1 to n")


def _shard(cells: list, shard: str) -> list:
    part, _, parts = shard.partition("/")
    return cells[int(part) - 1 :: int(parts)]


def cells_of(wanted: flags.FlagValues) -> list:
    """All cells that the flags name, in order.

    Raises:
        InvalidInput: there is none, or a setting is not admissible.
    """
    given = _grid.given(wanted.smoke)
    cells = [
        cell
        for dataset in wanted.datasets
        for minority in wanted.classes or _grid.class_names(dataset)
        for cell in _grid.unbalanced_cells(
            "classes", dataset, minority, wanted.models, _grid.seeds(wanted.seeds), given
        )
    ]
    chosen = [cell for cell in cells if all(w in cell.title for w in wanted.only.split())]
    if not chosen:
        raise InvalidInput("only", f"no cell has {wanted.only!r} in its name")
    return chosen


def summarise(outcomes: Sequence[Any]) -> list[dict[str, str]]:
    """Rows of Table 1: per data set and model the mean over classes, its deviation over seeds."""
    paper = {(row["dataset"], row["model"]): float(row["fid"]) for row in read_csv(PAPER)}
    groups: dict[tuple[str, str], list] = {}
    for found in outcomes:
        if found.rows:
            place = found.cell.place
            groups.setdefault((place["data set"], place["model"]), []).append(found)
    table = []
    for (dataset, model), members in groups.items():
        row = {"data set": dataset, "model": model}
        for metric in COLUMNS:
            row[metric] = _mean_over_classes(members, metric)
        embedding = members[0].rows[0].embedding.partition("-")[0]
        value = paper.get((dataset, model))
        comparable = value is not None and embedding == "inception"
        classes = {found.cell.place["class"] for found in members}
        seeds = {found.cell.place["run seed"] for found in members}
        row |= {
            "n": f"{len(members)} ({len(classes)} classes, {len(seeds)} seeds)",
            "paper's fid": "" if value is None else f"{value:g}",
            "difference": f"{_seed_means(members, 'fid').mean() - value:+.4g}" if comparable else
            "other embedding" if value is not None else "",
            "embedding": embedding,
            "iterations": str(members[0].rows[0].iteration),
        }  # fmt: skip
        table.append(row)
    return table


def _seed_means(members: Sequence[Any], metric: str) -> np.ndarray:
    """(seeds,) means over the classes."""
    by_seed: dict[str, list[float]] = {}
    for found in members:
        if (value := found.value(metric)) is not None:
            by_seed.setdefault(found.cell.place["run seed"], []).append(value)
    return np.array([np.mean(values) for values in by_seed.values()])


def _mean_over_classes(members: Sequence[Any], metric: str) -> str:
    means = _seed_means(members, metric)
    if not len(means):
        return ""
    deviation = f" ± {means.std(ddof=1):.2g}" if len(means) > 1 else ""
    return f"{means.mean():.4g}{deviation}"


if __name__ == "__main__":
    _cli.run(main, __doc__)
