"""Tests of --recipe."""

import pytest
from absl import flags

from rumi_tf.config import recipes
from rumi_tf.config.flags import as_flag, define_flags, define_recipe_flag, describe_recipe
from rumi_tf.config.run import AUGMENTATIONS, DATASETS, RunConfig
from rumi_tf.networks import diff_augment
from rumi_tf.runs import resolve


def parsed(*arguments, default="paper"):
    values = flags.FlagValues()
    define_flags(values)
    define_recipe_flag(default, values)
    values(["program", *arguments])
    return RunConfig.from_flags(values)


def test_the_papers_recipe_is_the_defaults():
    assert parsed() == parsed("--recipe=paper") == RunConfig()
    assert parsed("--recipe=paper", default="few_images") == RunConfig()


@pytest.mark.parametrize("dataset", DATASETS)
def test_few_images_equals_its_flags(dataset):
    words = [as_flag(*field) for field in recipes.settings("few_images", dataset).items()]
    config = parsed(f"--dataset={dataset}", "--recipe=few_images")
    assert config == parsed(f"--dataset={dataset}", *words)
    assert config.generator_ema > 0 and {"translation", "cutout"} <= set(config.d_augment)
    # A mirrored 5 is not a 5. For a user's own images this is unknown, so `flip` is off.
    assert ("flip" in config.d_augment) == (dataset in ("cifar10", "celeba"))


def test_only_values_that_the_recipe_sets_are_printed():
    values = flags.FlagValues()
    define_flags(values)
    define_recipe_flag("few_images", values)
    values(["program", "--dataset=mnist", "--iterations=7"])
    said = describe_recipe(values, eval_every=0)
    assert said == (
        "--recipe=few_images: --d_augment=translation,cutout --generator_ema=0.999 "
        "--learning_rate=0.0002"
    )
    values(["program", "--recipe=paper"])
    assert describe_recipe(values) == ""


def test_every_flag_value_has_an_augmentation():
    assert tuple(diff_augment.AUGMENTATIONS) == AUGMENTATIONS


def test_flags_take_the_place_of_the_recipes_values(tmp_path):
    config = parsed("--recipe=few_images", "--generator_ema=0", "--d_augment=", "--eval_every=0")
    assert (config.generator_ema, config.d_augment, config.eval_every) == (0.0, (), 0)
    flagfile = tmp_path / "some.flags"
    flagfile.write_text("--iterations=7\n")
    assert parsed("--recipe=few_images", f"--flagfile={flagfile}").iterations == 7


def test_values_that_a_command_sets_itself_take_the_place_of_the_recipes():
    values = flags.FlagValues()
    define_flags(values, omit=("dataset", "iterations"))
    define_recipe_flag("few_images", values)
    values(["program"])
    config = RunConfig.from_flags(values, dataset="celeba", iterations=5)
    assert config.iterations == 5 and "flip" in config.d_augment


def test_the_order_of_augmentations_does_not_change_the_run_name():
    one, other = (
        resolve.resolve(RunConfig(split="even", d_augment=names))
        for names in (("cutout", "translation"), ("translation", "cutout", "translation"))
    )
    assert one == other and one.hash() == other.hash()


@pytest.mark.parametrize(
    "dataset, names, fill",
    [
        ("mnist", ("cutout",), -1.0), ("cifar10", ("translation",), 0.0),
        ("mnist", ("flip", "color"), None), ("mnist", (), None),
    ],
)  # fmt: skip
def test_default_fill_of_each_data_set(dataset, names, fill):
    config = RunConfig(dataset=dataset, d_augment=names, minority_class="1")
    assert resolve.resolve(config).d_augment_fill == fill
    if fill is not None:
        chosen = RunConfig(dataset=dataset, d_augment=names, d_augment_fill=1, minority_class="1")
        assert resolve.resolve(chosen).d_augment_fill == 1.0


def test_runs_of_the_paper_keep_their_names():
    """A run without remedies has the same hash as before they were added."""
    before = RunConfig(dataset="mnist", split="unbalanced", minority_class="5", minority_size=200)
    assert resolve.resolve(before).hash() == "3b47dfc499"
