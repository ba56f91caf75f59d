"""Draws samples of several objectives next to real images.

Usage: python -m figures.samples --dataset=digits --minority_class=5 --out=pictures

Takes the flags of reproduce.train, which apply to every objective in --objectives. Trains missing
runs under --runs_dir. Writes samples.png, samples.pdf and samples.csv to --out.
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
flags.DEFINE_string("out", "figures_out", "Output directory.", **_SECTION)
flags.DEFINE_integer(
    "num", 64, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
FILES = ("samples.png", "samples.pdf", "samples.csv")


def main() -> None:
    """Trains the missing runs, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    if not args.objectives:
        raise InvalidInput("objectives", "name at least one objective")
    cli.check_output("out", *(out / name for name in FILES))
    with cli.quiet_import():
        from figures._compared import generate
        from rumi_tf import plotting
        from rumi_tf.runs import outputs, resolve
        from rumi_tf.training import build, train
    configs = [
        resolve.resolve(RunConfig.from_flags(args, objective=name)) for name in args.objectives
    ]
    images, split = build.prepare(configs[0])
    real = build.real_positives(images, split, args.num, args.seed)
    panels = {f"real: {len(split.indices['positive'])} images": real}
    rows = []
    for config in configs:
        run = train.train(config)
        print(f"{config.objective}: {run.directory}")
        title = f"{config.objective}, {config.iterations:,} iterations"
        logged = outputs.last_logged(config)
        panels[title] = generate(config, split.positive_classes, args.num)
        rows.append(
            {
                "objective": config.objective,
                "run": run.directory,
                **run.summary,
                **{name: logged[name] for name in ("sample_std", "real_std")},
            }
        )
    with cli.writing_to("out", out):
        for name in FILES[:2]:
            plotting.save_panels(out / name, panels)
        write_csv(out / FILES[2], rows)
    cli.print_paths(out / name for name in FILES)


if __name__ == "__main__":
    cli.run(main, __doc__)
