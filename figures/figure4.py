"""Figure 4 of the Rumi-GAN paper: five models that learn an under-represented class.

Usage: python -m figures.figure4 --cases=mnist_5,cifar10_horse --data_dir=DIR --out=pictures
       python -m figures.figure4 --cases=digits_5 --flagfile=flags/table1_digits.flags --seeds=0,1

A case is a data set and a class of Table 1, and its runs are those of reproduce.table1 with the
same flags. Takes the flags of reproduce.train, which hold for all runs. Trains what is missing
under --runs_dir and writes to --out: samples beside real images, figure4_samples.png, .pdf and
.csv; FID as training goes on and precision against recall, figure4_curves.png and .pdf, with
figure4_curves_fid.csv and figure4_curves_prd.csv, as figures.figure3 has them. A case whose data
is missing, and a run that fails, is told in a line and stops no other; the exit code is 1 then.
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
    *(f"figure4_curves{end}" for end in (".png", ".pdf", "_fid.csv", "_prd.csv")),
)


def main() -> None:
    """Trains or reuses the runs, draws, and prints what was written."""
    wanted = flags.FLAGS
    _cases.check_unbalanced(wanted.cases)
    _cases.make_figure(wanted, FILES, _cases.unbalanced_cases, save, wanted.num)


def save(out: Path, found: list[_cases.Found]) -> list[Path]:
    """The files of the figure."""
    from figures import _compared

    return [
        *_compared.save_samples(out, "figure4_samples", found, flags.FLAGS.num),
        *_compared.save_curves(out, "figure4_curves", found),
    ]


if __name__ == "__main__":
    cli.run(main, __doc__)
