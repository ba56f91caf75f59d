"""One HTML page about all runs of a directory, which needs no network to be read.

Usage: python -m reproduce.report --runs_dir=runs
       python -m reproduce.report --runs_dir=runs --out=pages/today.html --title="Scratched parts"

Reads what reproduce.train and the commands that make runs have left under --runs_dir, finished or
not: settings, curves, sample grids, metrics, versions, and tables beside the papers' values. Trains
and changes nothing. Damaged files are named on the page. Prints the path of the page.
"""

import datetime
from typing import Any

from absl import flags

from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_text

_SECTION: dict[str, Any] = {"module_name": "Report"}
flags.DEFINE_string("runs_dir", "runs", "Directory that the runs are in.", **_SECTION)
flags.DEFINE_string(
    "out", "", "HTML file to write. Default: report.html in --runs_dir.", **_SECTION
)
flags.DEFINE_string("title", "Runs", "Of the page.", **_SECTION)


def main() -> None:
    """Reads the runs, writes the page, prints its path."""
    wanted = flags.FLAGS
    runs_dir = cli.path(wanted.runs_dir)
    out = cli.path(wanted.out) if wanted.out else runs_dir / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidInput("out", f"{out} is not a name of an HTML file; let it end in .html")
    with cli.quiet_import():
        from reproduce._report import page, reading
    found = reading.read_runs(runs_dir)
    cli.check_output("out", str(out))
    now = datetime.datetime.now(datetime.timezone.utc)
    with cli.writing_to("out", out.parent):
        write_text(out, page.render(found, runs_dir, wanted.title, now))
    if not (found.runs or found.mixtures):
        print(f"{runs_dir} has no runs")
    cli.show([out])


if __name__ == "__main__":
    cli.run(main, __doc__)
