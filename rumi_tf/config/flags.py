"""Converts between configurations and absl flags."""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config import recipes
from rumi_tf.config.fields import Config, value_type
from rumi_tf.config.recipes import recipe_settings
from rumi_tf.config.run import RunConfig
from rumi_tf.utils.errors import InvalidInput

_COMMAS = flags.CsvListSerializer(",")  # quotes a name that contains a comma


def define_recipe_flag(default: str, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines --recipe, which `RunConfig.from_flags` reads."""
    flags.DEFINE_enum(
        "recipe", default, recipes.RECIPES,
        "Sets flags that are not given. paper: keeps the defaults, which are the paper's. "
        "few_images: for a class of about 20 to 500 images; sets "
        f"{' '.join(as_flag(*field) for field in recipes.settings('few_images', 'folder').items())}"
        "; for cifar10 and celeba, color and flip as well.",
        flag_values=flag_values, module_name="Few images",
    )  # fmt: skip


def describe_recipe(flag_values: flags.FlagValues, **others: Any) -> str:
    """One line with the flags that --recipe sets; empty if it sets none.

    Args:
        flag_values: the flags.
        others: fields that the command sets itself.
    """
    fields = recipe_settings(flag_values, others.get("dataset"))
    words = [as_flag(name, value) for name, value in fields.items() if name not in others]
    return " ".join([f"--recipe={flag_values['recipe'].value}:", *words]) if words else ""


def as_flag(name: str, value: Any) -> str:
    """The command-line flag that gives a field a value."""
    text = _COMMAS.serialize(list(value)) if isinstance(value, tuple) else str(value)
    return f"--{name}={text.lower() if isinstance(value, bool) else text}"


def define_flags(
    flag_values: flags.FlagValues = flags.FLAGS,
    omit: Collection[str] = (),
    config: type[Config] = RunConfig,
) -> None:
    """Defines one absl flag per field of a config.

    Args:
        flag_values: flags to add to.
        omit: fields without a flag, which the script sets.
        config: class of the config.
    """
    definers: dict[type, Any] = {
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
    }
    for field in dataclasses.fields(config):
        if field.name in omit or not field.metadata["flag"]:
            continue
        default: Any = field.default
        kind = value_type(field)
        keywords: dict[str, Any] = {
            "flag_values": flag_values,
            "module_name": config.section_of(field.name),
        }
        if kind is tuple:
            flags.DEFINE_list(field.name, list(default), field.metadata["help"], **keywords)
        elif field.metadata["choices"]:
            flags.DEFINE_enum(
                field.name, default, field.metadata["choices"], field.metadata["help"], **keywords
            )
        else:
            definers.get(kind, flags.DEFINE_string)(
                field.name, default, field.metadata["help"], **keywords
            )


def given_flags() -> dict[str, Any]:
    """Fields of `RunConfig` whose flags were given on the command line, with their values.

    Raises:
        InvalidInput: --strategy=multi_worker, which commands with many runs do not support.
    """
    if flags.FLAGS.strategy == "multi_worker":
        raise InvalidInput(
            "strategy", "multi_worker is only for reproduce.train; to share many runs between "
            "machines, start the same command with the same --runs_dir on each"
        )  # fmt: skip
    return present_fields(flags.FLAGS)


def present_fields(values: flags.FlagValues) -> dict[str, Any]:
    """Fields of `RunConfig` whose flags were given, with their values."""
    return {
        name: values[name].value
        for name in RunConfig.__dataclass_fields__
        if name in values and values[name].present
    }


def flagfile_fields(path: Path) -> dict[str, Any]:
    """Fields of `RunConfig` that a flagfile sets, with their values.

    Raises:
        absl.flags.Error: it contains anything other than flags of `RunConfig`.
    """
    values = flags.FlagValues()
    define_flags(values)
    _, *rest = values(["flagfile", f"--flagfile={path}"])
    if rest:
        raise flags.Error(f"{rest[0]!r} is not a flag; flags look like --name=value")
    return present_fields(values)


def as_flags(config: RunConfig) -> list[str]:
    """Command-line flags of a configuration."""
    words = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        # --data_dir needs --dataset.
        if value is None or (value == field.default and field.name != "dataset"):
            continue
        if not field.metadata["flag"]:
            continue
        words.append(as_flag(field.name, value))
    return words
