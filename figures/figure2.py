"""Figure 2 of the Rumi-GAN paper: samples of LSGAN, ACGAN and Rumi-LSGAN next to real images.

Usage: python -m figures.figure2 --cases=mnist_even --data_dir=DIR --out=pictures

The cases are those of flags/cases: even digits of MNIST, and overlapping classes of MNIST and of
Fashion-MNIST. Takes the flags of reproduce.train, which apply to all runs. Trains missing runs
under --runs_dir; figures.figure3 draws the curves of the same runs. Writes to --out: figure2.png,
figure2.pdf, and figure2.csv, the metrics of the runs shown. Cases without data and runs that fail
are reported in one line each and skipped; the exit code is then 1.
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
    "cases", list(_cases.SUBSETS), f"Cases: any of {', '.join(_cases.SUBSETS)}.", **_SECTION
)
flags.DEFINE_integer(
    "num", 36, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
define_settings_flag("Figure")
paper_grid.define_grid_flags("Figure", "figures_out")
FILES = ("figure2.png", "figure2.pdf", "figure2.csv")


def main() -> None:
    """Trains the missing runs, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    paper_grid.check_names("cases", args.cases, _cases.SUBSETS)
    _cases.make_figure(args, FILES, _cases.subset_cases, save, args.num)


def save(out: Path, results: list[_cases.CaseResults]) -> list[Path]:
    """Writes the files of the figure and returns their paths."""
    from figures import _compared

    return _compared.save_samples(out, "figure2", results, flags.FLAGS.num)


if __name__ == "__main__":
    cli.run(main, __doc__)
