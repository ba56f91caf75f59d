"""Table 1 of the Rumi-GAN paper: five models that learn an under-represented class.

Usage: python -m reproduce.table1 --datasets=mnist --data_dir=DIR --seeds=0,1,2
       python -m reproduce.table1 --datasets=mnist --data_dir=DIR --embedding=inception
       python -m reproduce.table1 --datasets=digits --classes=5 --flagfile=flags/table1_digits.flags
       python -m reproduce.table1 --list

A cell is a data set, a class, a model and a seed: one run of reproduce.train under --runs_dir,
evaluated ten times on its way (--eval_every); the last one counts. Finished cells are reused and
interrupted ones resumed, so --shard=i/n lets n machines share one directory. Takes the flags of
reproduce.train, which hold for all cells. Writes to --out: cells.csv, a row per cell and metric
with its provenance; table1.csv and table1.md, the mean over the classes that every seed has, its
deviation over seeds, and the paper's value; the difference from it is shown for all classes at the
paper's settings with --embedding=inception, which is the paper's.
"""

import dataclasses
import re
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.experiments import paper_grid
from rumi_tf.experiments.paper_settings import define_settings_flag
from rumi_tf.experiments.paper_table1 import summarise
from rumi_tf.utils import cli
from rumi_tf.utils.console import aligned, markdown
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv, write_text

FILES = ("cells.csv", "table1.csv", "table1.md")

define_flags(omit=paper_grid.DECIDED)
_SECTION: dict[str, Any] = {"module_name": "Table 1"}
flags.DEFINE_list(
    "datasets", ["mnist", "cifar10", "celeba"], f"Of {', '.join(paper_grid.DATASETS)}.", **_SECTION
)
flags.DEFINE_list(
    "models", list(paper_grid.MODELS), f"Of {', '.join(paper_grid.MODELS)}.", **_SECTION
)
flags.DEFINE_list(
    "classes", [], "Minority classes, by name or index. Default: all, of celeba both genders.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_boolean("list", False, "List the cells and what became of them; stop.", **_SECTION)
flags.DEFINE_string(
    "only", "", "Only cells with these words, whole, in what --list shows.", **_SECTION
)
flags.DEFINE_string(
    "shard", "1/1", "i/n: one of n equal parts of the cells, for several machines.", **_SECTION
)
define_settings_flag("Table 1")
paper_grid.define_grid_flags("Table 1", "table1")


def main() -> None:
    """Runs what is missing, prints the table and what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    cli.check_output("out", *(out / name for name in FILES))
    _check(wanted)
    with cli.quiet_import():
        from rumi_tf.experiments import sweep
    cells = cells_of(wanted)
    mine = _shard(cells, wanted.shard)
    if wanted.list:
        for cell in mine:
            print(f"{'done   ' if sweep.finished(cell) else 'missing'} {cell.title}")
        return
    outcomes = paper_grid.run(mine, wanted.jobs)
    # Cells of other shards that are there belong in the table as well.
    others = [sweep.finished(cell) for cell in cells if cell not in mine]
    shown = [*outcomes, *filter(None, others)]
    rows = [
        {**found.cell.place, **dataclasses.asdict(row), **_settings(found.cell.config)}
        for found in shown
        for row in found.rows
    ]
    if rows:
        table = [{**row, "settings": wanted.settings} for row in summarise(shown)]
        with cli.writing_to("out", out):
            write_csv(out / "cells.csv", rows)
            write_csv(out / "table1.csv", table)
            write_text(out / "table1.md", markdown(table))
        print(aligned([list(table[0]), *(list(row.values()) for row in table)]))
        cli.show(out / name for name in FILES)
    paper_grid.warn_mixed_sizes(shown)
    paper_grid.end(sweep.failures(outcomes))


def _settings(config: Any) -> dict[str, Any]:
    names = ("image_size", "width", "learning_rate", "batch_size")
    return {"settings": flags.FLAGS.settings} | {name: getattr(config, name) for name in names}


def _check(wanted: flags.FlagValues) -> None:
    paper_grid.check_names("datasets", wanted.datasets, paper_grid.DATASETS)
    paper_grid.check_names("models", wanted.models, paper_grid.MODELS)
    if wanted["classes"].present and not wanted.classes:
        raise InvalidInput("classes", "names none; without it all classes are taken")
    paper_grid.seeds(wanted.seeds)
    _shard([], wanted.shard)


def _shard(cells: list, shard: str) -> list:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    part, parts = map(int, found.groups()) if found else (0, 0)
    if not 1 <= part <= parts:
        raise InvalidInput("shard", f"{shard!r} is not i/n with i from 1 to n")
    # By hash: in the order of the table a part might be all of one model, and some take longer.
    # Without the place of the data, which machines may know by different names.
    dealt = sorted(cells, key=lambda cell: dataclasses.replace(cell.config, data_dir="").hash())
    dealt = dealt[part - 1 :: parts]
    return [cell for cell in cells if cell in dealt]


def cells_of(wanted: flags.FlagValues) -> list:
    """All cells that the flags name, in order.

    Raises:
        InvalidInput: there is none, or a setting is not admissible.
    """
    given = paper_grid.given(wanted.smoke)
    cells = [
        cell
        for dataset in wanted.datasets
        for minority in wanted.classes or paper_grid.class_names(dataset)
        for cell in paper_grid.unbalanced_cells(
            "classes",
            dataset,
            minority,
            wanted.models,
            paper_grid.seeds(wanted.seeds),
            given,
            wanted.settings,
        )
    ]
    cells = list({cell.config: cell for cell in cells}.values())  # each once
    words = set(wanted.only.split())
    chosen = [cell for cell in cells if words <= set(cell.title.split())]
    if not chosen:
        raise InvalidInput("only", f"no cell has {wanted.only!r} in its name")
    return chosen


if __name__ == "__main__":
    cli.run(main, __doc__)
