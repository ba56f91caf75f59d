"""Table 1 of the Rumi-GAN paper: five models that learn an under-represented class.

Usage: python -m reproduce.table1 --datasets=mnist --data_dir=DIR --seeds=0,1,2
       python -m reproduce.table1 --datasets=mnist --data_dir=DIR --embedding=inception
       python -m reproduce.table1 --datasets=digits --classes=5 --flagfile=flags/table1_digits.flags
       python -m reproduce.table1 --list

A cell is a data set, a class, a model and a seed: one run of reproduce.train under --runs_dir,
evaluated ten times during training (--eval_every); the table uses the last evaluation. Finished
cells are reused and interrupted ones resumed, so with --shard=i/n, n machines can share a
directory. Takes the flags of reproduce.train, which apply to all cells. Writes to --out: cells.csv,
a row per cell and metric with its provenance; table1.csv and table1.md, the mean over the classes
that every seed has, its standard deviation over seeds, and the paper's value. The difference from
the paper is shown if all classes were run at the paper's settings with --embedding=inception, the
paper's embedding.
"""

import dataclasses
import re
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.data.class_names import class_names
from rumi_tf.experiments import paper_grid
from rumi_tf.experiments.paper_settings import define_settings_flag
from rumi_tf.experiments.paper_table1 import summarise
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table, markdown, without_empty_columns
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv, write_text

FILES = ("cells.csv", "table1.csv", "table1.md")

define_flags(omit=paper_grid.CELL_FIELDS)
_SECTION: dict[str, Any] = {"module_name": "Table 1"}
flags.DEFINE_list(
    "datasets", ["mnist", "cifar10", "celeba"],
    f"Data sets: any of {', '.join(paper_grid.DATASETS)}.", **_SECTION,
)  # fmt: skip
flags.DEFINE_list(
    "models", list(paper_grid.MODELS), f"Models: any of {', '.join(paper_grid.MODELS)}.", **_SECTION
)
flags.DEFINE_list(
    "classes", [], "Minority classes, by name or index. Default: all; both genders of celeba.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_boolean("list", False, "List the cells and their status, then exit.", **_SECTION)
flags.DEFINE_string(
    "only", "", "Only cells whose line in --list contains these words, as whole words.", **_SECTION
)
flags.DEFINE_string(
    "shard", "1/1", "i/n: the i-th of n parts of the cells of equal size, one per machine.",
    **_SECTION,
)  # fmt: skip
define_settings_flag("Table 1")
paper_grid.define_grid_flags("Table 1", "table1")


def main() -> None:
    """Trains the missing cells, then prints the table and the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    cli.check_output("out", *(out / name for name in FILES))
    _check(args)
    with cli.quiet_import():
        from rumi_tf.experiments import sweep
    cells = cells_of(args)
    shard = _shard(cells, args.shard)
    if args.list:
        for cell in shard:
            print(f"{'done   ' if sweep.finished(cell) else 'missing'} {cell.title}")
        return
    outcomes = paper_grid.run(shard, args.jobs)
    # The table includes finished cells of other shards.
    others = [sweep.finished(cell) for cell in cells if cell not in shard]
    shown = [*outcomes, *filter(None, others)]
    rows = [
        {**outcome.cell.place, **dataclasses.asdict(row), **_settings(outcome.cell.config)}
        for outcome in shown
        for row in outcome.rows
    ]
    if rows:
        table = [{**row, "settings": args.settings} for row in summarise(shown)]
        table = without_empty_columns(table)
        with cli.writing_to("out", out):
            write_csv(out / "cells.csv", rows)
            write_csv(out / "table1.csv", table)
            write_text(out / "table1.md", markdown(table))
        print(format_table([list(table[0]), *(list(row.values()) for row in table)]))
        cli.print_paths(out / name for name in FILES)
    paper_grid.warn_mixed_sizes(shown)
    paper_grid.exit_if_failed(sweep.failures(outcomes))


def _settings(config: Any) -> dict[str, Any]:
    names = ("image_size", "width", "learning_rate", "batch_size")
    return {"settings": flags.FLAGS.settings} | {name: getattr(config, name) for name in names}


def _check(args: flags.FlagValues) -> None:
    paper_grid.check_names("datasets", args.datasets, paper_grid.DATASETS)
    paper_grid.check_names("models", args.models, paper_grid.MODELS)
    if args["classes"].present and not args.classes:
        raise InvalidInput("classes", "is empty; omit it for all classes")
    paper_grid.seeds(args.seeds)
    _shard([], args.shard)


def _shard(cells: list, shard: str) -> list:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise InvalidInput("shard", f"{shard!r} is not i/n with i from 1 to n")
    # Ordered by hash, since in table order a shard might get only the slowest model. The data
    # directory is left out of the hash, since its path may differ between machines.
    ordered = sorted(cells, key=lambda cell: cell.config.hash())
    selected = ordered[part - 1 :: parts]
    return [cell for cell in cells if cell in selected]


def cells_of(args: flags.FlagValues) -> list:
    """The cells that the flags select, in table order.

    Raises:
        InvalidInput: no cell is selected, or a setting is invalid.
    """
    given = paper_grid.overrides(args.smoke)
    cells = [
        cell
        for dataset in args.datasets
        for minority in args.classes or class_names(dataset)
        for cell in paper_grid.unbalanced_cells(
            "classes",
            dataset,
            minority,
            args.models,
            paper_grid.seeds(args.seeds),
            given,
            args.settings,
        )
    ]
    cells = list({cell.config: cell for cell in cells}.values())  # without duplicates
    words = set(args.only.split())
    selected = [cell for cell in cells if words <= set(cell.title.split())]
    if not selected:
        raise InvalidInput("only", f"no cell has {args.only!r} in its name")
    return selected


if __name__ == "__main__":
    cli.run(main, __doc__)
