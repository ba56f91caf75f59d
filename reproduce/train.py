"""Trains one GAN, or resumes an interrupted run.

Usage: python -m reproduce.train --dataset=digits --minority_class=5 --objective=rumi_lsgan
       python -m reproduce.train --minority_class=5 --minority_size=20 --recipe=few_images

Writes a directory under --runs_dir: config.json, log.csv, tensorboard/, samples/*.png,
checkpoints/, saved_model/ (for reproduce.sample) and generator.keras. The settings determine the
directory's name; the same command again resumes the run, or returns at once if it is finished.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags, define_recipe_flag, describe_recipe
from rumi_tf.config.run import RunConfig
from rumi_tf.utils import cli
from rumi_tf.utils.console import printable

define_flags()
define_recipe_flag("paper")
flags.DEFINE_boolean(
    "dry_run",
    False,
    "Check the settings and the data, print the resolved settings and the run directory, and exit.",
    module_name="Output",
)
SHOWN = ("fid", "fd_classifier", "kid", "precision", "recall", "share_positive_only")


def _summary(rows: Sequence[Any]) -> str:
    values = {row.metric: row for row in rows}
    words = [
        f"{name} {values[name].value:.4g}"
        for name in SHOWN
        if name in values and values[name].value is not None
    ]
    notes = dict.fromkeys(row.note for row in rows if row.note)
    return ", ".join(words) + "".join(f"\n               ({note})" for note in notes)


def main() -> None:
    """Trains, then prints the paths of the results."""
    config = RunConfig.from_flags(flags.FLAGS)
    with cli.quiet_import():
        from rumi_tf.data.splits import holdout_indices
        from rumi_tf.runs import directories, outputs, resolve
        from rumi_tf.training import build, train
    config = resolve.resolve(config)
    if recipe := describe_recipe(flags.FLAGS):
        print(recipe, flush=True)
    if flags.FLAGS.dry_run:
        images, split = build.prepare(config)
        print(config.to_json(), end="")
        if images.note:
            print(images.note)
        for side, classes in (
            ("positive", split.positive_classes), ("negative", split.negative_classes),
        ):  # fmt: skip
            named = printable(", ".join(images.class_names[k] for k in classes))
            print(f"{side}s: {len(split.indices[side])} images ({named})")
        if config.holdout:
            print(f"held out:  {len(holdout_indices(config, images.labels))} images")
        print(f"run directory: {directories.run_directory(config)}")
        return
    run = train.train(config)
    for note in run.notes:
        print(note)
    if run.reused:
        print("this run is already finished; nothing was trained")
    print(f"run directory: {run.directory}")
    if run.last_grid.exists():
        print(f"sample grid:   {run.last_grid}")
    if config.eval_every:
        print(f"metrics:       {_summary(outputs.last_rows(config))}")
        print(f"               {run.directory / 'metrics.csv'}")
    if note := outputs.collapse_note(config):
        print(f"note:          {note}")
    print(f"saved model:   {run.saved_model}")
    if best := run.summary.get("best_iteration"):
        print(f"best model:    {run.best_saved_model} (iteration {best})")
    words = [f"--saved_model={run.saved_model}", "--num=64", "--grid=grid.png"]
    command = cli.as_typed("python -m reproduce.sample")
    print(f"to sample:     {command} {shlex.join(words)}")


if __name__ == "__main__":
    cli.run(main, __doc__)
