"""Measures whether generated images of a minority class improve a classifier.

Usage: python -m reproduce.augment --dataset=folder --data_dir=DIR --minority_class=NAME
       python -m reproduce.augment --dataset=digits --minority_class=5 --minority_size=30

For every seed, the command holds out real images and trains the GAN of --objective with the class
as positives (a run of reproduce.train under --runs_dir with --holdout; the default is
--recipe=few_images). It then trains four classifiers that treat the imbalance differently: nothing,
class weights, oversampling, generated images. It tests them on the held-out images and the test
part of the data set.
Writes to --out: generated/CLASS/*.png and generated.png; augment_runs.csv, one row per classifier
and metric, from which an interrupted command resumes; augment.csv, augment.md with the conclusion,
and augment.png and .pdf.
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
from rumi_tf.utils.console import format_table, markdown, printable
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import folder_name, write_csv, write_text

define_flags(omit=("positive_classes", "negative_classes", "holdout", "seed"))
define_recipe_flag("few_images")
_SECTION: dict[str, Any] = {"module_name": "Augmentation"}
flags.DEFINE_float(
    "holdout", None,
    "Share of every class, in [0, 1), to hold out for testing, in addition to the test part of the "
    "data set if it has one. Default: 0.3 for folder and digits, else 0.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "num", None,
    "Images to generate for each seed. By default the class reaches the mean size of the others.",
    lower_bound=1, upper_bound=10**6, **_SECTION,
)  # fmt: skip
flags.DEFINE_list(
    "seeds", ["0", "1", "2"],
    "Seeds of the repetitions. Each draws other held-out images and minority images and trains "
    "another GAN and other classifiers, unless --seed is given.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "seed", None,
    "Seed of one choice of images and one GAN run for all repetitions; only the classifiers then "
    "differ. Saves time if the GAN trains long.",
    lower_bound=0, upper_bound=2**31 - 1, **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "updates", None,
    "Training updates of each classifier. Default: 500 to 8,000, by the number of images.",
    lower_bound=1, upper_bound=10**7, **_SECTION,
)  # fmt: skip
flags.DEFINE_string("out", "augment", "Directory for the output files.", **_SECTION)
ENDS = (".csv", "_runs.csv", ".md", ".png", ".pdf")
PANEL_IMAGES = 49  # images in a panel of generated.png
DIVERSITY_IMAGES = 1000  # images that diversity is measured on


def main() -> None:
    """Runs the missing repetitions and prints the table, the conclusion and the paths."""
    flag_values = flags.FLAGS
    out = cli.path(flag_values.out)
    if flag_values.minority_class is None:
        raise InvalidInput("minority_class", "name the class that has too few images")
    if flag_values.split not in (None, "unbalanced"):
        raise InvalidInput("split", f"is {flag_values.split}; this command needs unbalanced")
    if flag_values.strategy == "multi_worker":
        raise InvalidInput(
            "strategy", "multi_worker is not supported here. Train the GAN with reproduce.train, "
            "--holdout and an explicit --recipe. Then run this command with the same --recipe and "
            "without --strategy; it reuses the run"
        )  # fmt: skip
    paper_grid.seeds(flag_values.seeds)
    _check_out(flag_values, out)
    with cli.quiet_import():
        from rumi_tf.experiments import augment, augment_summary
        from rumi_tf.runs import directories
    augment.check_output(out / "augment_runs.csv")
    directories.check_writable(str(cli.path(flag_values.runs_dir)))
    repetitions = make_repetitions(flag_values)
    if recipe := describe_recipe(flag_values, **_fixed_fields(flag_values)):
        print(recipe, flush=True)
    num_test = min(len(repetition.minority_test) for repetition in repetitions)
    notes = [augment_summary.small_test_note(num_test)]
    notes += [note for each in repetitions for note in (each.images.note, each.note)]
    for note in dict.fromkeys(filter(None, notes)):
        print(note)
    generated = {}
    for repetition in repetitions:
        if repetition.config not in generated:
            generated[repetition.config] = augment.generate(repetition)
    with cli.writing_to("out", out):
        image_paths = _save_generated(out, repetitions[0], generated)
    rows = augment.compare(
        repetitions, generated, out / "augment_runs.csv",
        lambda line: print(printable(line), file=sys.stderr, flush=True),
    )  # fmt: skip
    table = augment_summary.summarise(rows)
    text = augment_summary.conclusion(rows, printable(repetitions[0].class_name), num_test)
    text = " ".join(filter(None, [text, _low_diversity_note(repetitions, generated)]))
    with cli.writing_to("out", out):
        _save_results(out, _heading(repetitions[0]), rows, table, text)
    print(format_table([list(table[0]), *(list(row.values()) for row in table)]))
    print(f"\n{text}\n")
    cli.print_paths([*image_paths, *(out / f"augment{end}" for end in ENDS)])


def _check_out(flag_values: flags.FlagValues, out: Path) -> None:
    image = out / "generated" / "CLASS" / "image.png"
    cli.check_output("out", image, out / "generated.png", *(out / f"augment{end}" for end in ENDS))
    data = cli.path(flag_values.data_dir).resolve()
    if (
        flag_values.dataset == "folder"
        and flag_values.data_dir
        and out.resolve().is_relative_to(data)
    ):
        raise InvalidInput(
            "out", f"{out} lies in --data_dir, where it would be read as a class; name a directory "
            "elsewhere"
        )  # fmt: skip


def _fixed_fields(flag_values: flags.FlagValues) -> dict[str, Any]:
    """Fields that this command sets itself.

    The classifiers use the generator of the last iteration, because an evaluation may have seen
    the held-out images. The recipe's evaluations would not be used, so they are off.
    """
    return {
        "split": "unbalanced", "positive_classes": (), "negative_classes": (),
        "eval_every": flag_values.eval_every,
    }  # fmt: skip


def make_repetitions(flag_values: flags.FlagValues) -> list:
    """`rumi_tf.experiments.augment.Repetition` for each of `--seeds`."""
    from rumi_tf.data.dataset import joined
    from rumi_tf.data.loaders import load_images
    from rumi_tf.evaluation.embeddings import test_part
    from rumi_tf.experiments import augment
    from rumi_tf.runs import resolve

    holdout = flag_values.holdout
    if holdout is None:
        holdout = augment.HOLDOUT.get(flag_values.dataset, 0.0)
    seeds = paper_grid.seeds(flag_values.seeds)
    base = RunConfig.from_flags(flag_values, **_fixed_fields(flag_values), holdout=holdout, seed=0)
    configs = [
        resolve.resolve(
            dataclasses.replace(base, seed=seed if flag_values.seed is None else flag_values.seed)
        )
        for seed in seeds
    ]
    images, test = load_images(configs[0]), test_part(configs[0])
    everything = images if test is None else joined(images, test)
    digests = augment.pixel_digests(everything)  # the images are read once for all seeds
    return [
        augment.make_repetition(
            config,
            images,
            test,
            num=flag_values.num,
            updates=flag_values.updates,
            seed=seed,
            digests=digests,
        )
        for config, seed in zip(configs, seeds, strict=True)
    ]


def _low_diversity_note(repetitions: Sequence[Any], generated: Mapping[Any, Any]) -> str:
    """Warning if the generated images of a GAN run are nearly alike."""
    import tensorflow as tf

    from rumi_tf.experiments import augment_summary

    first = repetitions[0]
    real = first.images.gather(tf.constant(first.minority_train[:DIVERSITY_IMAGES])).numpy()
    fakes = {
        config.seed: images[:DIVERSITY_IMAGES] / 127.5 - 1 for config, images in generated.items()
    }
    return augment_summary.low_diversity_note(fakes, real)


def _heading(repetition: Any) -> tuple[str, str]:
    """One line about the GAN and one about the classifiers."""
    config, name = repetition.config, printable(repetition.class_name)
    return (
        f"{config.dataset}, class {name}: {len(repetition.minority_train):,} of "
        f"{len(repetition.train):,} training images, {repetition.num:,} added "
        f"({config.objective}, {config.iterations:,} iterations)",
        f"tested on {len(repetition.test):,} images, {len(repetition.minority_test):,} of them of "
        f"the class; classifiers of {repetition.updates:,} updates",
    )


def _save_generated(out: Path, repetition: Any, generated: Mapping[Any, Any]) -> list[Path]:
    """Writes all images and a grid that compares some with real ones; returns the paths."""
    import tensorflow as tf

    from rumi_tf import plotting
    from rumi_tf.experiments import augment

    directory = out / "generated" / folder_name(repetition.class_name)
    runs = [(config.seed, images) for config, images in generated.items()]
    augment.save_images(directory, runs)
    real = repetition.minority_train
    panels = {f"real: {len(real):,}": repetition.images.gather(tf.constant(real[:PANEL_IMAGES]))}
    for seed, images in runs:
        panels[f"generated, seed {seed}"] = images[:PANEL_IMAGES] / 127.5 - 1
    plotting.save_panels(out / "generated.png", panels)
    return [directory, out / "generated.png"]


def _save_results(
    out: Path,
    heading: tuple[str, str],
    rows: Sequence[Any],
    table: Sequence[dict[str, str]],
    text: str,
) -> None:
    import numpy as np

    from rumi_tf import plotting
    from rumi_tf.experiments import augment, augment_summary

    write_csv(out / "augment.csv", table)
    write_text(out / "augment.md", f"{'; '.join(heading)}\n\n{markdown(table)}\n{text}\n")
    runs = {
        title: np.stack(
            [augment_summary.arm_values(rows, arm, name) for name in augment.METRICS], axis=1
        )
        for arm, title in augment.TITLES.items()
    }
    names = [name.replace("_", " ") for name in augment.METRICS]
    for suffix in ("png", "pdf"):
        plotting.save_bars(out / f"augment.{suffix}", names, runs, heading[0])


if __name__ == "__main__":
    cli.run(main, __doc__)
