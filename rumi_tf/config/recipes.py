"""Recipes: named sets of flag values."""

from typing import Any

from absl import flags

RECIPES = ("paper", "few_images")
# Photographs may be mirrored and recoloured. Handwriting and garments must not be mirrored. For
# `folder`, the user decides.
_AUGMENTATIONS = {
    "digits": ("translation", "cutout"),
    "mnist": ("translation", "cutout"),
    "fashion_mnist": ("translation", "cutout"),
    "folder": ("translation", "cutout"),
    "cifar10": ("flip", "color", "translation", "cutout"),
    "celeba": ("flip", "color", "translation", "cutout"),
}


def settings(recipe: str, dataset: str) -> dict[str, Any]:
    """Fields of `RunConfig` that a recipe sets.

    Args:
        recipe: one of `RECIPES`. `paper` sets nothing, because the defaults are the paper's.
            `few_images` is for a class of about 20 to 500 images: D sees augmented images, the
            generator is averaged, and the generator of the best evaluation is kept beside that of
            the last iteration. For `folder` that evaluation is against the training images.
        dataset: of `RunConfig`.
    """
    if recipe == "paper":
        return {}
    return {
        "d_augment": _AUGMENTATIONS[dataset],
        "generator_ema": 0.999,
        "learning_rate": 2e-4,
        "iterations": 10_000,
        "eval_every": 1_000,
    }


def recipe_settings(flag_values: flags.FlagValues, dataset: str | None = None) -> dict[str, Any]:
    """Fields that --recipe sets, except those whose flags were given.

    Args:
        flag_values: the flags; without --recipe the result is empty.
        dataset: overrides --dataset.
    """
    if "recipe" not in flag_values:
        return {}
    dataset = dataset or str(flag_values["dataset"].value)
    fields = settings(str(flag_values["recipe"].value), dataset)
    return {
        name: value
        for name, value in fields.items()
        if name not in flag_values or not flag_values[name].present
    }
