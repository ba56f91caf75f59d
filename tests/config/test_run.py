import dataclasses
import math

import pytest
from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.utils.errors import InvalidInput

OTHER = {
    "dataset": "folder", "data_dir": "/some/where", "split": "classes",
    "positive_classes": ("cat", "ä b"), "negative_classes": ("dog",), "minority_class": "cat",
    "minority_size": 7, "holdout": 0.25, "attribute": "Bald", "image_size": 32,
    "skip_unreadable": True,
    "objective": "lsgan", "label_a": 0.5, "label_b_pos": 3.0, "label_b_neg": -3.0,
    "label_c": 2.0, "g_loss": "min_max", "beta_pos": 2.5, "beta_neg": 0.5, "alpha_pos": 0.25,
    "alpha_neg": -0.5,
    "clip_value": 0.1, "gp_weight": 1.0, "adversarial_loss": "lsgan",
    "label_distribution": "frequency", "classifier_on_fakes": False, "twin_weight": 0.5,
    "mi_weight": 1.0, "mi_marginal": "resample", "mi_gradient_clip": True,
    "mine_network": "concat", "mine_steps": 2, "mine_ema_rate": 0.01,
    "network": "cifar10", "width": 0.5, "latent_dim": 12, "d_batch_norm": "joint",
    "precision": "mixed_bfloat16", "iterations": 3, "batch_size": 8, "learning_rate": 1e-3,
    "beta_1": 0.0, "beta_2": 0.9, "d_steps": 4, "d_schedule": "joint", "fakes": "fresh",
    "update": "simultaneous", "seed": 5, "jit": "off", "strategy": "mirrored",
    "d_augment": ("translation", "cutout"), "d_augment_fill": 0.5, "generator_ema": 0.99,
    "sync_batch_norm": False, "steps_per_execution": 2, "runs_dir": "elsewhere",
    "checkpoint_every": 2, "sample_every": 4, "log_every": 6,
    "eval_every": 10, "embedding": "inception", "protocol": "uac_images", "eval_samples": 9,
    "inception_weights": "w.h5", "cache_dir": "cache",
}  # fmt: skip


def parsed(*arguments):
    values = flags.FlagValues()
    define_flags(values)
    values(["program", *arguments])
    return RunConfig.from_flags(values)


def test_every_field_has_another_value_to_test_with():
    assert set(OTHER) == {f.name for f in dataclasses.fields(RunConfig)}
    for field in dataclasses.fields(RunConfig):
        assert OTHER[field.name] != field.default


def test_json_round_trip():
    for config in (RunConfig(), RunConfig(**OTHER)):
        assert RunConfig.from_json(config.to_json()) == config


def test_flags_without_arguments_are_the_defaults():
    assert parsed() == RunConfig()


def test_flags_set_every_field():
    arguments = []
    for name, value in OTHER.items():
        text = ",".join(value) if isinstance(value, tuple) else str(value).lower()
        text = str(value) if isinstance(value, str) else text
        arguments.append(f"--{name}={text}")
    assert parsed(*arguments) == RunConfig(**OTHER)


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


def test_json_with_unknown_field_or_other_type_is_refused():
    for text in ('{"colour": 1}', "[]", "{", '{"seed": 1, "sead": 2}'):
        with pytest.raises(ValueError):
            RunConfig.from_json(text)


def test_hash_depends_on_what_decides_the_result_and_on_nothing_else():
    free = {
        "data_dir", "runs_dir", "checkpoint_every", "sample_every", "eval_every", "embedding",
        "protocol", "eval_samples", "inception_weights", "cache_dir", "strategy",
        "steps_per_execution",
    }  # fmt: skip
    base = RunConfig()
    for name, value in OTHER.items():
        changed = dataclasses.replace(base, **{name: value})
        assert (changed.hash() == base.hash()) == (name in free), name


def test_hash_is_stable_over_releases():
    """Run directories are named by it: these values must never change."""
    assert RunConfig().hash() == "44136fa355"
    assert RunConfig(seed=7, width=0.5, positive_classes=("1", "2")).hash() == "9fc82fe9cc"


def test_a_folder_is_part_of_the_identity():
    for dataset in ("folder", "celeba"):
        one = RunConfig(dataset=dataset, data_dir="a")
        assert one.hash() == RunConfig(dataset=dataset, data_dir="./a").hash()
        assert one.hash() != RunConfig(dataset=dataset, data_dir="b").hash()


def test_name_is_a_safe_directory_name():
    name = RunConfig(split="unbalanced", minority_class="../T-shirt/top ä").name()
    assert "/" not in name and ".." not in name and "unbalanced" in name
