"""Cells and summary of Table 2 of the UAC-GAN paper: conditional models of images.

Importing this module does not load TensorFlow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from rumi_tf.config.flags import define_flags, flagfile_fields
from rumi_tf.experiments import paper_grid
from rumi_tf.experiments.uac_table1 import MODELS, check_models
from rumi_tf.utils.io import read_csv
from rumi_tf.utils.paths import FLAGFILES, PAPER_VALUES

DATASETS = ("mnist", "cifar10", "digits", "fashion_mnist")
PAPER_MODELS = ("acgan", "tacgan", "uacgan")
COLUMNS = ("inception_score", "fid", "fd_classifier", "intra_class_distance")
PAPER = PAPER_VALUES / "uac_table2.csv"
# The published code trains for 200 epochs, UAC-GAN for 100, in batches of 256; the last batch of an
# epoch is smaller.
BATCHES = {"mnist": 235, "fashion_mnist": 235, "cifar10": 196, "digits": 8}
EPOCHS = {"uacgan": 100}
# As in the published code; the default is false, see `rumi_tf.objectives.acgan`.
RECIPES = {"acgan": {"classifier_on_fakes": True}, "tacgan": {"classifier_on_fakes": True}}
DEFAULT_EPOCHS = 200

_SECTION: dict[str, Any] = {"module_name": "Table 2"}


def define_table_flags(out: str, datasets: Sequence[str]) -> None:
    """Defines the flags of reproduce.train, those that name cells, and --out with its default."""
    define_flags(omit=paper_grid.CELL_FIELDS)
    flags.DEFINE_list(
        "datasets", list(datasets), f"Data sets: any of {', '.join(DATASETS)}.", **_SECTION
    )
    flags.DEFINE_list(
        "models", list(PAPER_MODELS),
        f"Models to train: any of {', '.join((*PAPER_MODELS, 'cgan_pd'))}.", **_SECTION,
    )  # fmt: skip
    paper_grid.define_grid_flags("Table 2", out)


def check(args: flags.FlagValues) -> None:
    """Raises `InvalidInput` for unknown data sets or models, and for invalid seeds."""
    paper_grid.check_names("datasets", args.datasets, DATASETS)
    check_models(args.models)
    paper_grid.seeds(args.seeds)


def cells_of(args: flags.FlagValues, dataset: str) -> list:
    """`rumi_tf.experiments.sweep.Cell` for each model and seed on a data set."""
    given = paper_grid.overrides(args.smoke)
    return [
        cell
        for model in dict.fromkeys(args.models)
        for cell in cells_of_model(model, dataset, paper_grid.seeds(args.seeds), given)
    ]


def cells_of_model(
    model: str, dataset: str, seeds: Sequence[int], given: Mapping[str, Any]
) -> list:
    """The cells of a model with the published code's settings; fields in `given` override them."""
    task = {
        **flagfile_fields(FLAGFILES / "uac_authors_code.flags"),
        **RECIPES.get(model, {}), "dataset": dataset, "split": "all", "protocol": "uac_images",
        "embedding": "classifier",
        "iterations": BATCHES[dataset] * EPOCHS.get(model, DEFAULT_EPOCHS),
    }  # fmt: skip
    place = {"data set": dataset}
    return paper_grid.cells(task, place, [model], seeds, given, MODELS, evaluations=1)


def summarise(outcomes: Sequence) -> list[dict[str, str]]:
    """Mean and standard deviation over seeds for each data set and model, with the paper's values.

    Args:
        outcomes: results of `rumi_tf.experiments.sweep.run`.
    """
    paper = {(line["dataset"], line["model"]): line for line in read_csv(PAPER)}
    table = []
    for (dataset, model), members in paper_grid.by_model(outcomes).items():
        published = paper.get((dataset, model), {})
        first, reason = members[0].rows[0], _incomparable(members, dataset)
        table.append(
            {
                "data set": dataset, "model": model,
                **{name: _mean(_values(members, name)) for name in COLUMNS},
                "seeds": str(len(members)),
                **_comparison("inception_score", members, published, reason),
                **_comparison("fid", members, published, reason),
                "embedding": first.embedding.rpartition("-")[0],
                "iterations": str(first.iteration),
            }
        )  # fmt: skip
    return table


def _comparison(
    metric: str, members: Sequence, published: Mapping[str, str], incomparable: str
) -> dict[str, str]:
    """The paper's value and our difference from it, or the reason that they cannot be compared."""
    values, difference = _values(members, metric), ""
    if metric in published:
        paper = float(published[metric])
        difference = incomparable or (f"{values.mean() - paper:+.4g}" if len(values) else "")
    return {f"paper's {metric}": published.get(metric, ""), f"difference in {metric}": difference}


def _incomparable(members: Sequence, dataset: str) -> str:
    """The reason that these runs cannot be compared with the paper's values; empty if they can."""
    if not members[0].rows[0].embedding.startswith("inception_299-"):
        return "other embedding"
    published = all(_has_published_settings(outcome, dataset) for outcome in members)
    return "" if published else "other settings"


def _has_published_settings(outcome: Any, dataset: str) -> bool:
    config = outcome.cell.config
    (published,) = cells_of_model(config.objective, dataset, [config.seed], {})
    return paper_grid.is_published(outcome, published.config)


def _values(members: Sequence, metric: str) -> np.ndarray:
    values = [outcome.value(metric) for outcome in members]
    return np.array([value for value in values if value is not None])


def _mean(values: np.ndarray) -> str:
    if not len(values):
        return ""
    return f"{values.mean():.4g}" + (f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else "")
