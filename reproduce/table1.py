"""Table 1 of the Rumi-GAN paper: five models that learn an under-represented class.

Usage: python -m reproduce.table1 --datasets=mnist --data_dir=DIR --seeds=0,1,2
       python -m reproduce.table1 --datasets=digits --classes=5 --flagfile=flags/table1_digits.flags
       python -m reproduce.table1 --list

A cell is a data set, a class, a model and a seed: one run of reproduce.train under --runs_dir,
evaluated at its end. Finished cells are reused and interrupted ones resumed, so --shard=i/n lets n
machines share one directory. Takes the flags of reproduce.train, which hold for all cells. Writes
to --out: cells.csv, a row per cell and metric with its provenance; table1.csv and table1.md, the
mean over classes, its deviation over seeds, and the paper's value.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from absl import flags

from reproduce import _cli
from rumi_tf.config import define_flags
from rumi_tf.errors import InvalidInput
from rumi_tf.files import read_csv, write_csv, write_text
from rumi_tf.tables import aligned, markdown

MODELS = {
    "lsgan": "LSGAN", "acgan": "ACGAN", "tacgan": "TAC-GAN", "cgan_pd": "CGAN-PD",
    "rumi_lsgan": "Rumi-LSGAN",
}  # fmt: skip
# Generator updates of a run on each data set, Section 5.
ITERATIONS = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 50_000, "celeba": 50_000}
DATASETS = ("mnist", "cifar10", "celeba", "fashion_mnist", "digits")
COLUMNS = ("fid", "kid", "prd_f8", "prd_f1/8", "share_positive_only")
SMOKE = {
    "iterations": 2, "width": 0.05, "batch_size": 8, "eval_samples": 50, "checkpoint_every": 2,
    "sample_every": 2,
}  # fmt: skip
PAPER = Path(__file__).resolve().parent / "paper_values" / "table1.csv"

define_flags(
    omit=("dataset", "split", "minority_class", "positive_classes", "negative_classes", "attribute",
          "objective", "seed")
)  # fmt: skip
_SECTION = {"module_name": "Table 1"}
flags.DEFINE_list(
    "datasets", ["mnist", "cifar10", "celeba"], f"Of {', '.join(DATASETS)}.", **_SECTION
)
flags.DEFINE_list("models", list(MODELS), f"Of {', '.join(MODELS)}.", **_SECTION)
flags.DEFINE_list(
    "classes", [], "Minority classes, by name or index. Default: all, of celeba both genders.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_list("seeds", ["0"], "Seeds; the table shows the deviation over them.", **_SECTION)
flags.DEFINE_boolean("list", False, "List the cells and what became of them; stop.", **_SECTION)
flags.DEFINE_string("only", "", "Only cells with these words in what --list shows.", **_SECTION)
flags.DEFINE_string(
    "shard", "1/1", "i/n: every n-th cell from the i-th, for several machines.", **_SECTION
)
flags.DEFINE_boolean("smoke", False, "A few tiny iterations per cell, to try it out.", **_SECTION)
flags.DEFINE_integer("jobs", 1, "Cells at a time.", lower_bound=1, **_SECTION)
flags.DEFINE_string("out", "table1", "Directory for the tables.", **_SECTION)


def main() -> None:
    """Runs what is missing, prints the table and what was written."""
    wanted = flags.FLAGS
    out = Path(wanted.out).expanduser()
    _cli.check_output("out", str(out / "cells.csv"))
    _check(wanted)
    with _cli.quiet_import():
        from reproduce import _cells
    cells = _grid(wanted)
    mine = _shard(cells, wanted.shard)
    if wanted.list:
        for cell in mine:
            print(f"{'done   ' if _cells.finished(cell) else 'missing'} {cell.title}")
        return
    outcomes = _cells.run(mine, wanted.jobs, lambda line: print(line, file=sys.stderr, flush=True))
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
    lines = list(_cells.failures(outcomes))
    if lines:
        print("\n".join(lines), file=sys.stderr)
        sys.exit(1)


def _check(wanted: flags.FlagValues) -> None:
    for flag, known in (("datasets", DATASETS), ("models", MODELS)):
        for name in wanted[flag].value or [""]:
            if name not in known:
                raise InvalidInput(flag, f"{name!r} is not one of {', '.join(known)}")
    if not wanted.seeds or not all(s.isdecimal() and int(s) < 2**31 for s in wanted.seeds):
        raise InvalidInput("seeds", "needs numbers from 0, separated by commas")
    part, _, parts = wanted.shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InvalidInput("shard", f"{wanted.shard!r} is not i/n with i from 1 to n")


def _shard(cells: list, shard: str) -> list:
    part, _, parts = shard.partition("/")
    return cells[int(part) - 1 :: int(parts)]


def class_names(dataset: str) -> tuple[str, ...]:
    """The minority classes of a data set."""
    from rumi_tf.data import celeba, sources

    if dataset == "celeba":
        return celeba.class_names("Male")
    return sources.CLASS_NAMES.get(dataset, sources.CLASS_NAMES["mnist"])


def _grid(wanted: flags.FlagValues) -> list:
    """All cells that the flags name, in order."""
    from reproduce import _cells
    from rumi_tf.classes import class_index

    given = _cells.given_flags()
    if wanted.smoke:
        given = {**SMOKE, **given}
    cells = []
    for dataset in wanted.datasets:
        names = class_names(dataset)
        chosen = wanted.classes or names
        length = given.get("iterations", ITERATIONS.get(dataset, 10_000))
        for minority in (names[class_index("classes", name, names)] for name in chosen):
            for model in wanted.models:
                for seed in map(int, wanted.seeds):
                    config = _cells.objective_config(
                        model,
                        {
                            "eval_every": length, **given, "iterations": length,
                            "dataset": dataset, "split": "unbalanced",
                            "minority_class": minority, "seed": seed,
                        },
                    )  # fmt: skip
                    place = {"data set": dataset, "class": minority, "model": MODELS[model],
                             "run seed": str(seed)}  # fmt: skip
                    cells.append(_cells.Cell(config, place))
    chosen = [cell for cell in cells if all(w in cell.title for w in wanted.only.split())]
    if not chosen:
        raise InvalidInput("only", f"no cell has {wanted.only!r} in its name")
    return chosen


def summarise(outcomes) -> list[dict[str, str]]:
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


def _seed_means(members, metric: str) -> np.ndarray:
    """(seeds,) means over the classes."""
    by_seed: dict[str, list[float]] = {}
    for found in members:
        if (value := found.value(metric)) is not None:
            by_seed.setdefault(found.cell.place["run seed"], []).append(value)
    return np.array([np.mean(values) for values in by_seed.values()])


def _mean_over_classes(members, metric: str) -> str:
    means = _seed_means(members, metric)
    if not len(means):
        return ""
    deviation = f" ± {means.std(ddof=1):.2g}" if len(means) > 1 else ""
    return f"{means.mean():.4g}{deviation}"


if __name__ == "__main__":
    _cli.run(main, __doc__)
