import contextlib
import dataclasses
import math

import pytest
from absl import flags

from rumi_tf.config.fields import value_type
from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.utils.errors import InvalidInput


def another_value(field):
    """An admissible value that is not the default."""
    limits, kind = field.metadata, value_type(field)
    defaults = (field.default, limits["hashed_default"])
    if limits["choices"]:
        words = [word for word in limits["choices"] if word not in defaults]
        return (words[-1],) if kind is tuple else words[-1]
    if kind is bool:
        return not field.default
    if kind is tuple:
        return ("cat", "ä b")
    if kind is str:
        return "lsgan" if field.name == "objective" else "other"
    for value in map(kind, (3, 0.75, 64)):
        with contextlib.suppress(InvalidInput):
            RunConfig(**{field.name: value})
            if value not in defaults:
                return value
    raise AssertionError(field.name)


OTHER = {field.name: another_value(field) for field in dataclasses.fields(RunConfig)}


def parsed(*arguments):
    values = flags.FlagValues()
    define_flags(values)
    values(["program", *arguments])
    return RunConfig.from_flags(values)


def test_parameters_of_objectives_are_fields():
    fields = {field.name: field for field in dataclasses.fields(RunConfig)}
    for kind in OBJECTIVES.values():
        for name, declared in kind.parameters.items():
            assert fields[name].default is None
            assert fields[name].metadata["choices"] == declared.choices
            assert declared.help in fields[name].metadata["help"]


def test_a_field_at_its_former_default_keeps_the_hash():
    assert RunConfig(d_batch_norm="separate").hash() == RunConfig().hash()
    assert RunConfig(d_batch_norm="none").hash() != RunConfig().hash()


def test_json_round_trip():
    for config in (RunConfig(), RunConfig(**OTHER)):
        assert RunConfig.from_json(config.to_json()) == config


def test_flags_without_arguments_are_the_defaults():
    assert parsed() == RunConfig()


def test_flags_set_every_field():
    arguments = []
    values = {name: value for name, value in OTHER.items() if name != "data_digest"}
    for name, value in values.items():
        text = ",".join(value) if isinstance(value, tuple) else str(value).lower()
        text = str(value) if isinstance(value, str) else text
        arguments.append(f"--{name}={text}")
    assert parsed(*arguments) == RunConfig(**values)


@pytest.mark.parametrize("field", dataclasses.fields(RunConfig), ids=lambda f: f.name)
def test_every_field_has_help_and_a_section(field):
    assert len(field.metadata["help"]) > 20
    assert field.metadata["help"].rstrip().endswith(".")
    assert RunConfig.section_of(field.name)


@pytest.mark.parametrize(
    "name, value",
    [
        ("dataset", "imagenet"), ("split", "half"), ("width", 0.0), ("width", math.nan),
        ("width", "1"), ("batch_size", 1), ("iterations", 0), ("iterations", 1.5),
        ("iterations", True), ("learning_rate", 0.0), ("learning_rate", math.inf),
        ("beta_1", 1.0), ("beta_2", -0.1), ("seed", -1), ("seed", 2**31),
        ("d_steps", 0), ("image_size", 8), ("positive_classes", "cat"),
        ("positive_classes", (1,)), ("fakes", "old"), ("runs_dir", None), ("minority_size", -1),
        ("holdout", 1.0), ("holdout", -0.1), ("d_augment", ("cutout", "rotation")),
        ("d_augment_fill", 1.5), ("generator_ema", 1.0),
    ],
)  # fmt: skip
def test_inadmissible_value_names_its_flag(name, value):
    with pytest.raises(InvalidInput) as caught:
        RunConfig(**{name: value})
    assert str(caught.value).startswith(f"--{name}: ")
    assert "\n" not in str(caught.value)


def test_json_with_an_unknown_field_or_another_type_is_an_error():
    for text in ('{"colour": 1}', "[]", "{", '{"seed": 1, "sead": 2}'):
        with pytest.raises(ValueError):
            RunConfig.from_json(text)


def test_hash_depends_only_on_fields_that_affect_the_result():
    without_effect = {
        "data_dir", "runs_dir", "checkpoint_every", "sample_every", "eval_every", "embedding",
        "protocol", "eval_samples", "inception_weights", "cache_dir", "strategy",
        "steps_per_execution",
    }  # fmt: skip
    base = RunConfig()
    for name, value in OTHER.items():
        changed = dataclasses.replace(base, **{name: value})
        assert (changed.hash() == base.hash()) == (name in without_effect), name


def test_hash_is_stable_over_releases():
    """Run directories are named by it: these values must never change."""
    assert RunConfig().hash() == "44136fa355"
    assert RunConfig(seed=7, width=0.5, positive_classes=("1", "2")).hash() == "9fc82fe9cc"


def test_a_path_is_not_part_of_the_identity():
    for dataset in ("folder", "celeba", "mnist"):
        one = RunConfig(dataset=dataset, data_dir="a")
        assert one.hash() == RunConfig(dataset=dataset, data_dir="b").hash()


def test_name_is_a_safe_directory_name():
    name = RunConfig(split="unbalanced", minority_class="../T-shirt/top ä").name()
    assert "/" not in name and ".." not in name and "unbalanced" in name
