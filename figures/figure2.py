"""Figure 2 of the Rumi-GAN paper: samples of LSGAN, ACGAN and Rumi-LSGAN beside real images.

Usage: python -m figures.figure2 --cases=mnist_even --data_dir=DIR --out=pictures

The cases are those of flags/cases: even digits of MNIST, and overlapping classes of MNIST and of
Fashion-MNIST. Takes the flags of reproduce.train, which hold for all runs. Trains what is missing
under --runs_dir; figures.figure3 draws the curves of the same runs. Writes to --out: figure2.png,
figure2.pdf, and figure2.csv, the metrics of what is shown. A case whose data is missing, and a run
that fails, is told in a line and stops no other; the exit code is 1 then.
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
flags.DEFINE_integer(
    "num", 36, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
define_settings_flag("Figure")
paper_grid.define_grid_flags("Figure", "figures_out")
FILES = ("figure2.png", "figure2.pdf", "figure2.csv")


def main() -> None:
    """Trains or reuses the runs, draws, and prints what was written."""
    wanted = flags.FLAGS
    paper_grid.check_names("cases", wanted.cases, _cases.SUBSETS)
    _cases.make_figure(wanted, FILES, _cases.subset_cases, save, wanted.num)


def save(out: Path, found: list[_cases.Found]) -> list[Path]:
    """The files of the figure."""
    from figures import _compared

    return _compared.save_samples(out, "figure2", found, flags.FLAGS.num)


if __name__ == "__main__":
    cli.run(main, __doc__)
