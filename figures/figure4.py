"""Figure 4 of the Rumi-GAN paper: five models that learn an under-represented class.

Usage: python -m figures.figure4 --cases=mnist_5,cifar10_horse --data_dir=DIR --out=pictures
       python -m figures.figure4 --cases=digits_5 --flagfile=flags/table1_digits.flags --seeds=0,1

A case is a data set and a class of Table 1; its runs are those of reproduce.table1 with the same
flags. Takes the flags of reproduce.train, which apply to all runs. Trains missing runs under
--runs_dir. Writes to --out: samples next to real images, figure4_samples.png, .pdf and .csv; FID
during training and precision-recall curves as in figures.figure3, figure4_curves.png and .pdf, with
figure4_curves_frechet.csv and figure4_curves_prd.csv. Cases without data and runs that fail are
reported in one line each and skipped; the exit code is then 1.
"""

from pathlib import Path
from typing import Any

from absl import flags

from figures import _cases
from rumi_tf.config.flags import define_flags
from rumi_tf.experiments import paper_grid
from rumi_tf.experiments.paper_settings import define_settings_flag
from rumi_tf.utils import cli

define_flags(omit=paper_grid.CELL_FIELDS)
_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_list(
    "cases", list(_cases.UNBALANCED),
    f"DATASET_CLASS, the class by name or index; data sets are {', '.join(paper_grid.DATASETS)}.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "num", 36, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
define_settings_flag("Figure")
paper_grid.define_grid_flags("Figure", "figures_out")
FILES = (
    *(f"figure4_samples.{kind}" for kind in ("png", "pdf", "csv")),
    *(f"figure4_curves{end}" for end in (".png", ".pdf", "_frechet.csv", "_prd.csv")),
)


def main() -> None:
    """Trains the missing runs, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    _cases.check_unbalanced(args.cases)
    _cases.make_figure(args, FILES, _cases.unbalanced_cases, save, args.num)


def save(out: Path, results: list[_cases.CaseResults]) -> list[Path]:
    """Writes the files of the figure and returns their paths."""
    from figures import _compared

    return [
        *_compared.save_samples(out, "figure4_samples", results, flags.FLAGS.num),
        *_compared.save_curves(out, "figure4_curves", results),
    ]


if __name__ == "__main__":
    cli.run(main, __doc__)
