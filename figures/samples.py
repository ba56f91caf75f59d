"""Draws samples of several objectives beside real images, training what is not trained yet.

Usage: python -m figures.samples --dataset=digits --minority_class=5 --out=pictures

Takes the flags of reproduce.train, which hold for every objective in --objectives. Writes
samples.png, samples.pdf and samples.csv to --out; runs under --runs_dir are reused or resumed.
"""

from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv

define_flags(omit=("objective",))
_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_list(
    "objectives", ["lsgan", "rumi_lsgan"], "Objectives to compare, comma-separated.", **_SECTION
)
flags.DEFINE_string("out", "figures_out", "Directory for the pictures and the CSV.", **_SECTION)
flags.DEFINE_integer(
    "num", 64, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
FILES = ("samples.png", "samples.pdf", "samples.csv")


def main() -> None:
    """Trains or reuses the runs, draws, and prints what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    if not wanted.objectives:
        raise InvalidInput("objectives", "name at least one objective")
    cli.check_output("out", *(out / name for name in FILES))
    with cli.quiet_import():
        from figures._generated import generated
        from rumi_tf import plotting
        from rumi_tf.runs import outputs, resolve
        from rumi_tf.training import build, train
    configs = [
        resolve.resolve(RunConfig.from_flags(wanted, objective=name)) for name in wanted.objectives
    ]
    images, split = build.prepare(configs[0])
    real = build.real_positives(images, split, wanted.num, wanted.seed)
    panels = {f"real: {len(split.indices['positive'])} images": real}
    rows = []
    for config in configs:
        run = train.train(config)
        print(f"{config.objective}: {run.directory}")
        title = f"{config.objective}, {config.iterations:,} iterations"
        logged = outputs.last_logged(config)
        panels[title] = generated(config, split.positive_classes, wanted.num)
        rows.append(
            {
                "objective": config.objective,
                "run": run.directory,
                **run.summary,
                **{name: logged[name] for name in ("sample_std", "real_std")},
            }
        )
    with cli.writing_to("out", out):
        for name in ("samples.png", "samples.pdf"):
            plotting.save_panels(out / name, panels)
            print(out / name)
        write_csv(out / "samples.csv", rows)
        print(out / "samples.csv")


if __name__ == "__main__":
    cli.run(main, __doc__)
