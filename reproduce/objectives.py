"""Trains every objective on one task and compares the results.

Usage: python -m reproduce.objectives --flagfile=flags/demo.flags --out=objectives

Takes the flags of reproduce.train, which apply to all objectives; other parameters are the
objectives' defaults. Writes objectives.csv and objectives.md to --out: for every objective
the share of generated images in the positive classes and the other metrics. Finished runs under
--runs_dir are reused, interrupted ones resumed; a run that fails does not stop the others.
"""

import os
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags, given_flags
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table, markdown, without_empty_columns
from rumi_tf.utils.io import write_csv, write_text

define_flags(omit=("objective",))
_SECTION: dict[str, Any] = {"module_name": "Comparison"}
flags.DEFINE_list(
    "objectives", [],
    "Objectives, variants in flags/objectives, or paths of flagfiles, comma-separated. Default: "
    "all objectives and variants.",
    **_SECTION,
)  # fmt: skip
paper_grid.define_run_flags("Comparison", "objectives")
FILES = ("objectives.csv", "objectives.md")
METRICS = ("share_positive_only", "fid", "fd_classifier", "kid", "precision", "recall", "coverage")


def main() -> None:
    """Trains the missing runs, then prints the table and the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    cli.check_output("out", *(out / name for name in FILES))
    with cli.quiet_import():
        from rumi_tf.experiments import sweep
        from rumi_tf.training import build
    names = args.objectives or sweep.objective_names()
    given = given_flags()
    given.setdefault("eval_every", given.get("iterations", 10_000))
    cells = [
        sweep.Cell(sweep.objective_config(name, given), {"objective": Path(name).stem})
        for name in names
    ]
    build.prepare(cells[0].config)  # fails early if the data cannot be used
    outcomes = paper_grid.run(cells, args.jobs)
    rows = []
    for outcome in outcomes:
        config = outcome.cell.config
        row = {**outcome.cell.place, "status": outcome.status}
        row |= {metric: _number(outcome.value(metric)) for metric in METRICS}
        row["ms_per_iteration"] = _number(outcome.milliseconds)
        row["run"] = os.path.join(config.runs_dir, config.name())
        rows.append(row)
    rows = without_empty_columns(rows)
    shown = [{name: value for name, value in row.items() if name != "run"} for row in rows]
    with cli.writing_to("out", out):
        write_csv(out / "objectives.csv", rows)
        write_text(out / "objectives.md", markdown(shown))
    print(format_table([list(shown[0]), *(list(row.values()) for row in shown)]))
    cli.print_paths(out / name for name in FILES)
    paper_grid.exit_if_failed(sweep.failures(outcomes))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    cli.run(main, __doc__)
