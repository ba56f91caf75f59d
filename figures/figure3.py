"""Figure 3 of the Rumi-GAN paper: FID as training goes on, and precision against recall.

Usage: python -m figures.figure3 --cases=mnist_even --data_dir=DIR --seeds=0,1,2 --out=pictures

Takes the flags of reproduce.train, which hold for all runs, and draws the runs of figures.figure2:
the mean over --seeds with ± the standard deviation shaded, and the PRD curves of the last
evaluation, of every run faintly. Runs are evaluated ten times unless --eval_every says otherwise;
of one that was evaluated at its end alone there is a point. Trains what is missing under
--runs_dir. Writes to --out: figure3.png, figure3.pdf, and what they show, figure3_fid.csv and
figure3_prd.csv. A case whose data is missing, and a run that fails, is told in a line and stops no
other; the exit code is 1 then.
"""

from pathlib import Path
from typing import Any

from absl import flags

from figures import _cases
from rumi_tf.config.flags import define_flags
from rumi_tf.experiments import paper_grid
from rumi_tf.experiments.paper_settings import define_settings_flag
from rumi_tf.utils import cli

define_flags(omit=paper_grid.DECIDED)
_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_list("cases", list(_cases.SUBSETS), f"Of {', '.join(_cases.SUBSETS)}.", **_SECTION)
flags.DEFINE_boolean(
    "published",
    False,
    "Draw the authors' FID curves too, on axes of their own: they are of the Inception embedding. "
    "With --embedding=inception both have one scale.",
    **_SECTION,
)
define_settings_flag("Figure")
paper_grid.define_grid_flags("Figure", "figures_out")
FILES = ("figure3.png", "figure3.pdf", "figure3_fid.csv", "figure3_prd.csv")


def main() -> None:
    """Trains or reuses the runs, draws, and prints what was written."""
    wanted = flags.FLAGS
    paper_grid.check_names("cases", wanted.cases, _cases.SUBSETS)
    _cases.make_figure(wanted, FILES, _cases.subset_cases, save)


def save(out: Path, found: list[_cases.Found]) -> list[Path]:
    """The files of the figure."""
    from figures import _compared

    return _compared.save_curves(out, "figure3", found, flags.FLAGS.published)


if __name__ == "__main__":
    cli.run(main, __doc__)
