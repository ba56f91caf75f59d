"""Figure 3 of the Rumi-GAN paper: FID during training, and precision-recall curves.

Usage: python -m figures.figure3 --cases=mnist_even --data_dir=DIR --seeds=0,1,2 --out=pictures

Takes the flags of reproduce.train, which apply to all runs, and draws the runs of figures.figure2:
the mean over --seeds with ± one standard deviation shaded, and the mean PRD curve of the last
evaluation, with that of each run faint. Runs are evaluated ten times by default (--eval_every); a
run evaluated only at its end is drawn as a point. Trains missing runs under --runs_dir. Writes to
--out: figure3.png, figure3.pdf, and their data, figure3_frechet.csv and figure3_prd.csv. Cases
without data and runs that fail are reported in one line each and skipped; the exit code is then 1.
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
flags.DEFINE_boolean(
    "published",
    False,
    "Also draw the authors' FID curves, on separate axes: they use the Inception embedding. With "
    "--embedding=inception both axes have the same scale.",
    **_SECTION,
)
define_settings_flag("Figure")
paper_grid.define_grid_flags("Figure", "figures_out")
FILES = ("figure3.png", "figure3.pdf", "figure3_frechet.csv", "figure3_prd.csv")


def main() -> None:
    """Trains the missing runs, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    paper_grid.check_names("cases", args.cases, _cases.SUBSETS)
    _cases.make_figure(args, FILES, _cases.subset_cases, save)


def save(out: Path, results: list[_cases.CaseResults]) -> list[Path]:
    """Writes the files of the figure and returns their paths."""
    from figures import _compared

    return _compared.save_curves(out, "figure3", results, flags.FLAGS.published)


if __name__ == "__main__":
    cli.run(main, __doc__)
