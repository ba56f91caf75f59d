"""Learning a class from few images: the paper's LSGAN and Rumi-LSGAN, and two remedies.

Usage: python -m figures.few_images --cases=mnist_5 --minority_sizes=20,50,200 --data_dir=DIR \\
           --width=0.25 --learning_rate=4e-4 --iterations=9000 --seeds=0,1,2 --out=few_images

A case is a data set and a class of Table 1. The models differ by the remedies of
--recipe=few_images: D sees augmented images, and the generator is a moving average. All other
settings are the same for every model. Takes the flags of reproduce.train, which apply to all runs.
Trains missing runs under --runs_dir. Writes to --out: samples next to real images,
few_images_samples.png, .pdf and .csv; FID during training and precision-recall curves,
few_images_curves.png, .pdf, _frechet.csv and _prd.csv; and the mean and standard deviation of all
metrics over seeds, few_images.csv and few_images.md. Cases without data and runs that fail are
reported in one line each and skipped; the exit code is then 1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from figures import _cases
from figures._few_images import (
    LABELS,
    MODELS,
    at_the_end,
    cases_of,
    distance_by_iteration,
    seed_means,
)
from rumi_tf.config.flags import define_flags
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table, markdown
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv, write_text

FILES = (
    "few_images.csv",
    "few_images.md",
    *(f"few_images_samples.{kind}" for kind in ("png", "pdf", "csv")),
    *(f"few_images_curves{end}" for end in (".png", ".pdf", "_frechet.csv", "_prd.csv")),
)

define_flags(
    omit=(*paper_grid.CELL_FIELDS, "minority_size", "d_augment", "d_augment_fill", "generator_ema")
)
_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_list(
    "cases", ["digits_5"],
    f"DATASET_CLASS, the class by name or index; data sets are {', '.join(paper_grid.DATASETS)}.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_list("minority_sizes", ["50"], "Images of the class to learn from.", **_SECTION)
flags.DEFINE_list("models", list(MODELS), f"Models: any of {', '.join(MODELS)}.", **_SECTION)
flags.DEFINE_integer(
    "num", 36, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
paper_grid.define_grid_flags("Figure", "figures_out")


def main() -> None:
    """Trains the missing runs, draws the figures, and prints the tables and the paths."""
    args = flags.FLAGS
    _cases.check_unbalanced(args.cases)
    paper_grid.check_names("models", args.models, MODELS)
    sizes = _sizes(args.minority_sizes)
    try:
        _cases.make_figure(
            args,
            FILES,
            lambda names, seeds, given, _: cases_of(names, seeds, given, sizes, args.models),
            save,
            args.num,
        )
    except InvalidInput as error:
        if error.flag != "minority_size":
            raise
        raise InvalidInput("minority_sizes", error.problem) from error


def _sizes(words: Sequence[str]) -> list[int]:
    if not words or not all(w.isdecimal() and len(w) < 9 and int(w) for w in words):
        raise InvalidInput("minority_sizes", "must be positive integers separated by commas")
    return list(dict.fromkeys(map(int, words)))


def save(out: Path, results: list[_cases.CaseResults]) -> list[Path]:
    """Writes the files of the figure and prints the tables."""
    from figures import _compared

    rows = [row for result in results for row in seed_means(result)]
    tables = [distance_by_iteration(rows), at_the_end(rows)]
    write_csv(out / "few_images.csv", rows)
    write_text(out / "few_images.md", "\n".join(map(markdown, tables)))
    for table in tables:
        print(format_table([list(table[0]), *(list(row.values()) for row in table)]), end="\n\n")
    return [
        out / "few_images.csv",
        out / "few_images.md",
        *_compared.save_samples(out, "few_images_samples", results, flags.FLAGS.num, LABELS),
        *_compared.save_curves(out, "few_images_curves", results, labels=LABELS),
    ]


if __name__ == "__main__":
    cli.run(main, __doc__)
