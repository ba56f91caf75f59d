"""Table 2 of the UAC-GAN paper: Inception score and FID of conditional models of images.

Usage: python -m reproduce.uac_table2 --datasets=mnist --data_dir=DIR --seeds=0,1,2
       python -m reproduce.uac_table2 --datasets=digits --iterations=800 --width=0.2 --batch_size=64
       python -m reproduce.uac_table2 --embedding=inception_299

A cell is a data set, a model and a seed: one run of reproduce.train under --runs_dir on all images
with their classes, with the networks and settings of flags/uac_authors_code.flags. Takes the flags
of reproduce.train, which hold for all cells. 10,240 images are compared with all training images;
by the classifier, unless --embedding=inception_299, the paper's, is given. Finished cells are
reused and interrupted ones resumed. Writes to --out: cells.csv, a row per cell and metric with its
provenance; uac_table2.csv and uac_table2.md, mean and deviation over the seeds beside the paper's,
with the differences where embedding, networks and budget are the paper's.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from reproduce.uac_table1 import MODELS, check_models
from rumi_tf.config.flags import FLAGFILES, define_flags, flagfile_fields
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import aligned, markdown
from rumi_tf.utils.io import read_csv, write_csv, write_text

DATASETS = ("mnist", "cifar10", "digits", "fashion_mnist")
PAPERS_MODELS = ("acgan", "tacgan", "uacgan")
COLUMNS = ("inception_score", "fid", "intra_class_distance")
FILES = ("cells.csv", "uac_table2.csv", "uac_table2.md")
PAPER = Path(__file__).resolve().parent / "paper_values" / "uac_table2.csv"
# The published code's: 200 epochs in batches of 256, the last of which is smaller, 100 for UAC-GAN.
BATCHES = {"mnist": 235, "fashion_mnist": 235, "cifar10": 196, "digits": 8}
EPOCHS = {"uacgan": 100}
# The published code's as well; elsewhere the default is false, see `rumi_tf.objectives.acgan`.
RECIPES = {"acgan": {"classifier_on_fakes": True}, "tacgan": {"classifier_on_fakes": True}}
OTHER_EPOCHS = 200

_SECTION: dict[str, Any] = {"module_name": "Table 2"}


def define_table_flags(out: str, datasets: Sequence[str]) -> None:
    """Defines the flags of the runs, of the cells, and of --out with its default."""
    define_flags(omit=paper_grid.DECIDED)
    flags.DEFINE_list("datasets", list(datasets), f"Of {', '.join(DATASETS)}.", **_SECTION)
    flags.DEFINE_list(
        "models", list(PAPERS_MODELS), f"Of {', '.join((*PAPERS_MODELS, 'cgan_pd'))}.", **_SECTION
    )
    paper_grid.define_grid_flags("Table 2", out)


def check(wanted: flags.FlagValues) -> None:
    """Raises `InvalidInput` for data sets, models or seeds that do not exist."""
    paper_grid.check_names("datasets", wanted.datasets, DATASETS)
    check_models(wanted.models)
    paper_grid.seeds(wanted.seeds)


def cells_of(wanted: flags.FlagValues, dataset: str) -> list:
    """`rumi_tf.experiments.sweep.Cell` for all models and seeds on one data set."""
    given = paper_grid.given(wanted.smoke)
    return [
        cell
        for model in dict.fromkeys(wanted.models)
        for cell in _cells_of_model(model, dataset, paper_grid.seeds(wanted.seeds), given)
    ]


def _cells_of_model(
    model: str, dataset: str, seeds: Sequence[int], given: Mapping[str, Any]
) -> list:
    """The cells of a model, by the published code but for what is given."""

    task = {
        **flagfile_fields(FLAGFILES / "uac_authors_code.flags"),
        **RECIPES.get(model, {}), "dataset": dataset, "split": "all", "protocol": "uac_images",
        "embedding": "classifier", "iterations": BATCHES[dataset] * EPOCHS.get(model, OTHER_EPOCHS),
    }  # fmt: skip
    place = {"data set": dataset}
    return paper_grid.cells(task, place, [model], seeds, given, MODELS, evaluations=1)


def main() -> None:
    """Runs what is missing, prints the table and what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    cli.check_output("out", *(out / name for name in FILES))
    check(wanted)
    with cli.quiet_import():
        from rumi_tf.experiments import sweep
    cells = [cell for name in dict.fromkeys(wanted.datasets) for cell in cells_of(wanted, name)]
    outcomes = paper_grid.run(cells, wanted.jobs)
    rows = [{**o.cell.place, **dataclasses.asdict(row)} for o in outcomes for row in o.rows]
    table = summarise(outcomes)
    paths = [out / name for name in FILES]
    with cli.writing_to("out", out):
        write_csv(paths[0], rows)
        write_csv(paths[1], table)
        write_text(paths[2], markdown(table) if table else "")
    if table:
        print(aligned([list(table[0]), *(list(line.values()) for line in table)]))
    cli.show(paths)
    paper_grid.end(sweep.failures(outcomes))


def summarise(outcomes: Sequence) -> list[dict[str, str]]:
    """Mean and deviation over the seeds for every data set and model, beside the paper's.

    Args:
        outcomes: of `rumi_tf.experiments.sweep.run`.
    """
    paper = {(line["dataset"], line["model"]): line for line in read_csv(PAPER)}
    table = []
    for (dataset, model), members in paper_grid.by_model(outcomes).items():
        published = paper.get((dataset, model), {})
        first, why = members[0].rows[0], _incomparable(members, dataset)
        table.append(
            {
                "data set": dataset, "model": model,
                **{name: _mean(_known(members, name)) for name in COLUMNS},
                "seeds": str(len(members)),
                **_beside("inception_score", members, published, why),
                **_beside("fid", members, published, why),
                "embedding": first.embedding.rpartition("-")[0],
                "iterations": str(first.iteration),
            }
        )  # fmt: skip
    return table


def _beside(
    metric: str, members: Sequence, published: Mapping[str, str], incomparable: str
) -> dict[str, str]:
    """The paper's value, and how far ours is from it, or why that would mean nothing."""
    known, difference = _known(members, metric), ""
    if metric in published:
        paper = float(published[metric])
        difference = incomparable or (f"{known.mean() - paper:+.4g}" if len(known) else "")
    return {f"paper's {metric}": published.get(metric, ""), f"difference in {metric}": difference}


def _incomparable(members: Sequence, dataset: str) -> str:
    """Why the paper's values say nothing about these runs; empty if they do."""
    if not members[0].rows[0].embedding.startswith("inception_299-"):
        return "other embedding"
    papers = all(_is_as_published(found, dataset) for found in members)
    return "" if papers else "other settings"


def _is_as_published(found: Any, dataset: str) -> bool:
    config = found.cell.config
    (published,) = _cells_of_model(config.objective, dataset, [config.seed], {})
    return paper_grid.is_published(found, published.config)


def _known(members: Sequence, metric: str) -> np.ndarray:
    values = [found.value(metric) for found in members]
    return np.array([value for value in values if value is not None])


def _mean(known: np.ndarray) -> str:
    if not len(known):
        return ""
    return f"{known.mean():.4g}" + (f" ± {known.std(ddof=1):.2g}" if len(known) > 1 else "")


if __name__ == "__main__":
    define_table_flags("uac_table2", ("mnist", "cifar10"))
    cli.run(main, __doc__)
