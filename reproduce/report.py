"""Writes a self-contained HTML page about all runs in a directory.

Usage: python -m reproduce.report --runs_dir=runs
       python -m reproduce.report --runs_dir=runs --out=pages/today.html --title="Scratched parts"

Shows the finished and unfinished runs under --runs_dir: settings, curves, sample grids, metrics,
versions, and tables next to the papers' values. Does not train or change any run. Damaged files are
listed on the page. Prints the path of the page.
"""

import datetime
from typing import Any

from absl import flags

from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_text

_SECTION: dict[str, Any] = {"module_name": "Report"}
flags.DEFINE_string("runs_dir", "runs", "Directory of the runs.", **_SECTION)
flags.DEFINE_string(
    "out", "", "HTML file to write. Default: report.html in --runs_dir.", **_SECTION
)
flags.DEFINE_string("title", "Runs", "Page title.", **_SECTION)


def main() -> None:
    """Reads the runs, writes the page and prints its path."""
    args = flags.FLAGS
    runs_dir = cli.path(args.runs_dir)
    out = cli.path(args.out) if args.out else runs_dir / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidInput("out", f"{out} must end in .html")
    with cli.quiet_import():
        from reproduce._report import page, reading
    contents = reading.read_runs(runs_dir)
    cli.check_output("out", str(out))
    now = datetime.datetime.now(datetime.timezone.utc)
    with cli.writing_to("out", out.parent):
        write_text(out, page.render(contents, runs_dir, args.title, now))
    if not (contents.runs or contents.mixtures):
        print(f"{runs_dir} has no runs")
    cli.print_paths([out])


if __name__ == "__main__":
    cli.run(main, __doc__)
