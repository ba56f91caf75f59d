"""Completes and checks a run's config."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rumi_tf.config.run import AUGMENTATIONS, FILLED_AUGMENTATIONS, RunConfig
from rumi_tf.data.celeba import celeba_digest
from rumi_tf.data.class_names import class_index, class_names
from rumi_tf.data.folder import folder_digest
from rumi_tf.data.loaders import IMAGE_SIZES
from rumi_tf.data.splits import MINORITY_SIZES, default_split
from rumi_tf.networks.dcgan import network_for, size_fits
from rumi_tf.objectives import OBJECTIVES, Objective
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import is_text

DIGESTS: dict[str, Callable[[str], str]] = {"folder": folder_digest, "celeba": celeba_digest}
BLACK_BACKGROUND = ("digits", "mnist", "fashion_mnist")


def resolve(config: RunConfig) -> RunConfig:
    """Fills in defaults that depend on the data set and the objective, and checks the config.

    Hashes the images of a folder, and lists the files of CelebA, for `data_digest`.

    Raises:
        InvalidInput: unknown objective, a flag that has no effect, or an unsupported size.
    """
    objective = objective_class(config)
    values: dict[str, Any] = {
        "split": config.split or default_split(config),
        "image_size": _image_size(config),
        "data_dir": os.path.expanduser(config.data_dir),
        "runs_dir": os.path.expanduser(config.runs_dir),
    }
    if len(objective.subsets) == 1:  # nothing to split
        values["d_schedule"] = "joint"
    if config.network == "auto":
        values["network"] = network_for(config.dataset, values["image_size"])
    values |= _named_classes(config, values["data_dir"])
    if config.dataset in DIGESTS:
        values["data_digest"] = DIGESTS[config.dataset](values["data_dir"])
    if config.dataset == "celeba":
        values["attribute"] = config.attribute or "Male"
    if values["split"] == "unbalanced" and config.minority_size is None:
        values["minority_size"] = MINORITY_SIZES[config.dataset]
    # Their order has no effect, so it must not change the run's name.
    values["d_augment"] = tuple(name for name in AUGMENTATIONS if name in config.d_augment)
    if FILLED_AUGMENTATIONS & set(config.d_augment) and config.d_augment_fill is None:
        values["d_augment_fill"] = -1.0 if config.dataset in BLACK_BACKGROUND else 0.0
    defaults = {"d_batch_norm": objective.d_batch_norm, **objective.defaults()}
    values |= {name: value for name, value in defaults.items() if getattr(config, name) is None}
    config = dataclasses.replace(config, **values)
    _reject_unused(config, objective)
    _check_devices(config)
    _check_directories(config)
    if not size_fits(config.network, config.image_size):
        raise InvalidInput(
            "network", f"{config.network} does not support images of {config.image_size} pixels"
        )
    if config.network == "uac_resnet" and not objective.conditional:
        conditional = ", ".join(name for name, kind in OBJECTIVES.items() if kind.conditional)
        raise InvalidInput("network", f"uac_resnet needs a conditional objective: {conditional}")
    instance = make_objective(config)
    instance.schedule(config.d_schedule, config.d_steps)
    players = instance.players().values()
    if config.d_batch_norm == "joint" and any(player.shares_trunk for player in players):
        raise InvalidInput(
            "d_batch_norm",
            f"joint cannot be combined with --objective={config.objective}, whose statistics "
            "network reads features that are normalised over generated images only",
        )
    return config


def _named_classes(config: RunConfig, data_dir: str) -> dict[str, Any]:
    """Class fields with the names of the data set: `Cat` and `0` become `cat`, the same run.

    Unknown classes stay, and are reported when the data set has been loaded.
    """
    names = class_names(config.dataset, data_dir, config.attribute or "Male")

    def name_of(word: str) -> str:
        try:
            name = names[class_index("minority_class", word, names)]
        except InvalidInput:
            return word
        # Names that a flag cannot express stay as they were given.
        return name if is_text(name) and name == name.strip() else word

    named: dict[str, Any] = {
        side: tuple(sorted({name_of(word) for word in getattr(config, side)}))
        for side in ("positive_classes", "negative_classes")
    }
    if config.minority_class is not None:
        named["minority_class"] = name_of(config.minority_class)
    return named


def make_objective(config: RunConfig) -> Objective:
    """Creates the objective of a resolved config with its parameters."""
    kind = objective_class(config)
    return kind(**{name: getattr(config, name) for name in kind.parameters})


def objective_class(config: RunConfig) -> type[Objective]:
    """Class of a config's objective; the config need not be resolved.

    Raises:
        InvalidInput: unknown objective.
    """
    try:
        return OBJECTIVES[config.objective]
    except KeyError:
        names = ", ".join(OBJECTIVES)
        raise InvalidInput("objective", f"{config.objective!r} is not one of {names}") from None


def _image_size(config: RunConfig) -> int:
    sizes = IMAGE_SIZES[config.dataset]
    size = config.image_size or sizes[0]
    if size not in sizes:
        supported = ", ".join(map(str, sorted(set(sizes))))
        raise InvalidInput("image_size", f"is {size}; {config.dataset} supports {supported}")
    return size


def _check_directories(config: RunConfig) -> None:
    if config.dataset == "digits" or not config.data_dir:
        return
    data = Path(config.data_dir)
    if not data.is_dir():
        raise InvalidInput("data_dir", f"{config.data_dir} is not a directory")
    if config.dataset == "folder" and Path(config.runs_dir).resolve().is_relative_to(
        data.resolve()
    ):
        raise InvalidInput(
            "runs_dir",
            f"{config.runs_dir} is inside --data_dir, where it would be read as a class; choose "
            "another directory",
        )


def _reject_unused(config: RunConfig, objective: type[Objective]) -> None:
    """Raises `InvalidInput` if a flag is set that has no effect."""
    used = {
        "positive_classes": config.split in ("classes", "single"),
        "negative_classes": config.split == "classes",
        "minority_class": config.split == "unbalanced",
        "minority_size": config.split == "unbalanced",
    }
    for flag, has_effect in used.items():
        if getattr(config, flag) not in (None, ()) and not has_effect:
            raise InvalidInput(flag, f"has no effect with --split={config.split}")
    if config.split == "all" and "negative" in objective.subsets.values():
        raise InvalidInput(
            "split", f"all has no negatives, and --objective={config.objective} needs them"
        )
    if config.network == "uac_resnet" and config.d_batch_norm == "joint":
        raise InvalidInput("d_batch_norm", "has no effect with --network=uac_resnet")
    if config.d_augment_fill is not None and not FILLED_AUGMENTATIONS & set(config.d_augment):
        raise InvalidInput(
            "d_augment_fill", "has no effect unless --d_augment contains translation or cutout"
        )
    if config.attribute is not None and config.dataset != "celeba":
        raise InvalidInput("attribute", f"has no effect with --dataset={config.dataset}")
    for name in sorted({n for kind in OBJECTIVES.values() for n in kind.parameters}):
        if getattr(config, name) is not None and name not in objective.parameters:
            raise InvalidInput(name, f"has no effect with --objective={config.objective}")


def _check_devices(config: RunConfig) -> None:
    if config.jit == "on" and config.strategy != "none":
        raise InvalidInput("jit", f"XLA cannot be combined with --strategy={config.strategy}")
    if not config.sync_batch_norm and config.strategy == "none":
        raise InvalidInput("sync_batch_norm", "has no effect with --strategy=none")
    steps = config.steps_per_execution
    if steps > 1 and config.strategy != "none":
        raise InvalidInput("steps_per_execution", f"must be 1 with --strategy={config.strategy}")
    for name in ("iterations", "log_every", "sample_every", "checkpoint_every", "eval_every"):
        if getattr(config, name) % steps:
            raise InvalidInput(
                "steps_per_execution",
                f"is {steps}, which does not divide --{name}={getattr(config, name)}",
            )


def check_batch_divides(config: RunConfig, replicas: int) -> None:
    """Raises `InvalidInput` unless the batch size is a multiple of the number of devices."""
    if config.batch_size % replicas:
        raise InvalidInput(
            "batch_size", f"is {config.batch_size}, not a multiple of the {replicas} devices"
        )
