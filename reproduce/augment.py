"""Generates images of a scarce class and measures whether a classifier gets better with them.

Usage: python -m reproduce.augment --dataset=folder --data_dir=DIR --minority_class=NAME
       python -m reproduce.augment --dataset=digits --minority_class=5 --minority_size=30

For every seed: holds real images out, trains the GAN of --objective with the class as positives
(a run of reproduce.train under --runs_dir with --holdout; the default is --recipe=few_images), and
four classifiers that differ in
what is done about the imbalance: nothing, class weights, oversampling, generated images. Tests them
on images that nothing was trained on: what was held out, and the test part of the data set.
Writes to --out: generated/CLASS/*.png and generated.png; augment_runs.csv, a row per classifier and
metric, from which an interrupted command goes on; augment.csv, augment.md with the verdict, and
augment.png and .pdf.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags, define_recipe_flag, describe_recipe
from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import aligned, markdown, printable
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv, write_text

define_flags(omit=("positive_classes", "negative_classes", "holdout", "seed"))
define_recipe_flag("few_images")
_SECTION: dict[str, Any] = {"module_name": "Augmentation"}
flags.DEFINE_float(
    "holdout", None,
    "Share of every class, in [0, 1), that is held out to test on, beside the test part of the "
    "data set if it has one. Default: 0.3 for folder and digits, else 0.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "num", None,
    "Images to generate for each seed. Default: as many as make the class as frequent as the mean "
    "of the others.",
    lower_bound=1, upper_bound=10**6, **_SECTION,
)  # fmt: skip
flags.DEFINE_list(
    "seeds", ["0", "1", "2"],
    "Seeds of the repetitions. Each has its own held-out images, images of the scarce class, GAN "
    "run and classifiers, unless --seed is given.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "seed", None,
    "Seed of one choice of images and one GAN run for all repetitions, whose classifiers alone "
    "then differ. Saves time where a GAN takes long.",
    lower_bound=0, upper_bound=2**31 - 1, **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "updates", None,
    "Updates of each classifier. Default: 500 to 8,000, by the number of images.",
    lower_bound=1, upper_bound=10**7, **_SECTION,
)  # fmt: skip
flags.DEFINE_string("out", "augment", "Directory for what is written.", **_SECTION)
ENDS = (".csv", "_runs.csv", ".md", ".png", ".pdf")
SHOWN = 49  # images in a panel of generated.png
ENOUGH = 1000  # images to tell by how different they are


def main() -> None:
    """Runs what is missing, prints the table, the verdict and what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    if wanted.minority_class is None:
        raise InvalidInput("minority_class", "name the class that there are too few images of")
    if wanted.split not in (None, "unbalanced"):
        raise InvalidInput("split", f"is {wanted.split}; a scarce class is --split=unbalanced")
    if wanted.strategy == "multi_worker":
        raise InvalidInput(
            "strategy", "multi_worker is not supported here. Train the GAN with reproduce.train, "
            "--holdout and an explicit --recipe. Then run this command with the same --recipe and "
            "without --strategy; it reuses the run"
        )  # fmt: skip
    paper_grid.seeds(wanted.seeds)
    _check_out(wanted, out)
    with cli.quiet_import():
        from rumi_tf.experiments import augment, augment_summary
        from rumi_tf.runs import directories
    augment.check_output(out / "augment_runs.csv")
    directories.check_writable(str(cli.path(wanted.runs_dir)))
    trials = trials_of(wanted)
    if recipe := describe_recipe(wanted, **_decided(wanted)):
        print(recipe, flush=True)
    tested = min(len(trial.tested) for trial in trials)
    notes = [augment_summary.small_test_note(tested)]
    notes += [note for trial in trials for note in (trial.images.note, trial.note)]
    for note in dict.fromkeys(filter(None, notes)):
        print(note)
    generated = {}
    for trial in trials:
        if trial.config not in generated:
            generated[trial.config] = augment.generate(trial)
    with cli.writing_to("out", out):
        pictures = _save_generated(out, trials[0], generated)
    rows = augment.compare(
        trials, generated, out / "augment_runs.csv",
        lambda line: print(printable(line), file=sys.stderr, flush=True),
    )  # fmt: skip
    table = augment_summary.summarise(rows)
    said = augment_summary.verdict(rows, printable(trials[0].class_name), tested)
    said = " ".join(filter(None, [said, _sameness(trials, generated)]))
    with cli.writing_to("out", out):
        _save_results(out, _heading(trials[0]), rows, table, said)
    print(aligned([list(table[0]), *(list(row.values()) for row in table)]))
    print(f"\n{said}\n")
    cli.show([*pictures, *(out / f"augment{end}" for end in ENDS)])


def _check_out(wanted: flags.FlagValues, out: Path) -> None:
    made = out / "generated" / "CLASS" / "image.png"
    ours = [out / "generated.png", *(out / f"augment{end}" for end in ENDS)]
    cli.check_output("out", made, *ours)
    data = cli.path(wanted.data_dir).resolve()
    if wanted.dataset == "folder" and wanted.data_dir and out.resolve().is_relative_to(data):
        raise InvalidInput(
            "out", f"{out} lies in --data_dir, where it would be taken for a class; name a "
            "directory elsewhere"
        )  # fmt: skip


def _decided(wanted: flags.FlagValues) -> dict[str, Any]:
    """Fields that this command sets itself.

    The classifiers use the generator of the last iteration, because an evaluation may have seen
    the held-out images. The recipe's evaluations would not be used, so they are off.
    """
    return {
        "split": "unbalanced", "positive_classes": (), "negative_classes": (),
        "eval_every": wanted.eval_every,
    }  # fmt: skip


def trials_of(wanted: flags.FlagValues) -> list:
    """`rumi_tf.experiments.augment.Trial` for every seed that the flags name."""
    from rumi_tf.data.dataset import joined
    from rumi_tf.data.loaders import load_images
    from rumi_tf.evaluation.embeddings import test_part
    from rumi_tf.experiments import augment
    from rumi_tf.runs import resolve

    share = wanted.holdout
    if share is None:
        share = augment.HOLDOUT.get(wanted.dataset, 0.0)
    seeds = paper_grid.seeds(wanted.seeds)
    base = RunConfig.from_flags(wanted, **_decided(wanted), holdout=share, seed=0)
    configs = [
        resolve.resolve(
            dataclasses.replace(base, seed=seed if wanted.seed is None else wanted.seed)
        )
        for seed in seeds
    ]
    images, test = load_images(configs[0]), test_part(configs[0])
    everything = images if test is None else joined(images, test)
    digests = augment.pixel_digests(everything)  # one reading of all for all seeds
    return [
        augment.make_trial(
            config,
            images,
            test,
            num=wanted.num,
            updates=wanted.updates,
            seed=seed,
            digests=digests,
        )
        for config, seed in zip(configs, seeds, strict=True)
    ]


def _sameness(trials: Sequence[Any], generated: Mapping[Any, Any]) -> str:
    """A sentence if the generated images of a GAN run are nearly alike."""
    import tensorflow as tf

    from rumi_tf.experiments import augment_summary

    real = trials[0].images.gather(tf.constant(trials[0].kept[:ENOUGH])).numpy()
    made = {config.seed: images[:ENOUGH] / 127.5 - 1 for config, images in generated.items()}
    return augment_summary.sameness_note(made, real)


def _heading(trial: Any) -> tuple[str, str]:
    """What the GAN had and made, and what the classifiers had."""
    config, name = trial.config, printable(trial.class_name)
    return (
        f"{config.dataset}, class {name}: {len(trial.kept):,} of {len(trial.train):,} "
        f"training images, {trial.num:,} added ({config.objective}, {config.iterations:,} "
        "iterations)",
        f"tested on {len(trial.test):,} images, {len(trial.tested):,} of them of the class; "
        f"classifiers of {trial.updates:,} updates",
    )


def _save_generated(out: Path, trial: Any, generated: Mapping[Any, Any]) -> list[Path]:
    """Writes all images and a grid of some beside real ones; returns where they are."""
    import tensorflow as tf

    from rumi_tf import plotting
    from rumi_tf.experiments import augment

    directory = out / "generated" / augment.folder_of(trial.class_name)
    runs = [(config.seed, images) for config, images in generated.items()]
    augment.save_images(directory, runs)
    panels = {f"real: {len(trial.kept):,}": trial.images.gather(tf.constant(trial.kept[:SHOWN]))}
    for seed, images in runs:
        panels[f"generated, seed {seed}"] = images[:SHOWN] / 127.5 - 1
    plotting.save_panels(out / "generated.png", panels)
    return [directory, out / "generated.png"]


def _save_results(
    out: Path,
    heading: tuple[str, str],
    rows: Sequence[Any],
    table: Sequence[dict[str, str]],
    said: str,
) -> None:
    import numpy as np

    from rumi_tf import plotting
    from rumi_tf.experiments import augment, augment_summary

    write_csv(out / "augment.csv", table)
    write_text(out / "augment.md", f"{'; '.join(heading)}\n\n{markdown(table)}\n{said}\n")
    runs = {
        title: np.stack(
            [augment_summary.values_of(rows, arm, name) for name in augment.METRICS], axis=1
        )
        for arm, title in augment.TITLES.items()
    }
    names = [name.replace("_", " ") for name in augment.METRICS]
    for suffix in ("png", "pdf"):
        plotting.save_bars(out / f"augment.{suffix}", names, runs, heading[0])


if __name__ == "__main__":
    cli.run(main, __doc__)
