"""Samples images from an exported generator; the same seed gives the same images.

Usage: python -m reproduce.sample --saved_model=DIR --num=64 --grid=g.png --npz=s.npz --images=out
       python -m reproduce.sample --saved_model=DIR --seeds=0-63 --images=out
       python -m reproduce.sample --saved_model=DIR --interpolate=3,8 --grid=strip.png --gif=w.gif

--saved_model is the directory saved_model/ of a run of reproduce.train.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from rumi_tf.export.seeds import IMAGES_LIMIT, SEED_LIMIT, parse_ends, parse_seeds
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput

if TYPE_CHECKING:
    from rumi_tf.export.latents import Latents

NUM = 64
FRAMES = 16  # of an interpolation
GRID_LIMIT = 10_000  # also of an animation, whose images are all in memory

_SECTION: dict[str, Any] = {"module_name": "Sampling"}
flags.DEFINE_string("saved_model", None, "Directory of the TensorFlow SavedModel.", **_SECTION)
flags.DEFINE_integer(
    "num", None, f"Number of images. Default: {NUM}; {FRAMES} with --interpolate.",
    lower_bound=1, upper_bound=IMAGES_LIMIT, **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "seed", 0, "Seed of the noise.", lower_bound=0, upper_bound=SEED_LIMIT, **_SECTION
)
flags.DEFINE_string(
    "seeds",
    None,
    "Seeds, such as 0-63 or 3,8,100-120: one image for each, the first that --seed would give. "
    "Replaces --num and --seed.",
    **_SECTION,
)
flags.DEFINE_string(
    "interpolate",
    None,
    "Two seeds A,B: --num images that change gradually from the image of A to that of B. Replaces "
    "--seed.",
    **_SECTION,
)
flags.DEFINE_float(
    "truncation",
    None,
    "Limit of the absolute value of the noise, such as 1. Lower values give more typical and less "
    "varied images. Default: no limit, as in training.",
    **_SECTION,
)
flags.DEFINE_string(
    "label",
    None,
    "Class of all images, by name or index, for a model trained with a conditional objective "
    "(acgan, tacgan, uacgan, cgan_pd). Default: all its classes in turn. --interpolate requires "
    "it for such a model.",
    **_SECTION,
)
flags.DEFINE_string(
    "grid", None, "PNG file to write a grid of the images to; with --interpolate, a strip.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_string("gif", None, "GIF file to write the animation of --interpolate to.", **_SECTION)
flags.DEFINE_string(
    "npz",
    None,
    "NPZ file to write the images to, as `images`: (num, height, width, channels) uint8 in "
    "[0, 255]; and `labels`, (num,), of a conditional model.",
    **_SECTION,
)
flags.DEFINE_string(
    "images",
    None,
    "New directory to write the images to as PNG files, with a folder for each class of a "
    "conditional model.",
    **_SECTION,
)


def main() -> None:
    """Samples images and prints the paths of the output files."""
    flag_values = flags.FLAGS
    if not flag_values.saved_model:
        raise InvalidInput("saved_model", "name the directory of a SavedModel")
    outputs = _outputs(flag_values)
    _check_combination(flag_values)
    seeds = parse_seeds(flag_values.seeds) if flag_values.seeds is not None else None
    ends = parse_ends(flag_values.interpolate) if flag_values.interpolate is not None else None
    default = FRAMES if ends else len(seeds) if seeds else NUM
    num = flag_values.num or default
    if ends and num < 2:
        raise InvalidInput("num", "must be at least 2 with --interpolate")
    for flag in ("grid", "gif"):
        if flag in outputs and num > GRID_LIMIT:
            raise InvalidInput(flag, f"holds at most {GRID_LIMIT:,} images, not {num:,}")
    with cli.quiet_import():
        from rumi_tf.export import latents
        from rumi_tf.export.sampler import load_sampler
    sampler = load_sampler(os.path.expanduser(flag_values.saved_model))
    label = None if flag_values.label is None else sampler.label(flag_values.label)
    truncation = flag_values.truncation
    if ends:
        if sampler.conditional and label is None:
            raise InvalidInput("label", "name the class; --interpolate requires it for this model")
        request = latents.between(*ends, num, truncation)
    elif seeds:
        request = latents.of_seeds(seeds, truncation)
    else:
        request = latents.of_seed(num, flag_values.seed, truncation)
    _write(sampler, outputs, request, label, columns=min(num, FRAMES) if ends else None)
    for path in outputs.values():
        print(path)


def _check_combination(flag_values: flags.FlagValues) -> None:
    for flag, excluded in (("seeds", ("num", "seed", "interpolate")), ("interpolate", ("seed",))):
        for other in excluded:
            if flag_values[flag].value is not None and flag_values[other].present:
                raise InvalidInput(other, f"has no effect with --{flag}")
    if flag_values.gif and flag_values.interpolate is None:
        raise InvalidInput("gif", "needs --interpolate=A,B with two seeds")
    truncation = flag_values.truncation
    if truncation is not None and not truncation > 0:
        raise InvalidInput("truncation", f"is {truncation:g}, must be greater than 0")


def _outputs(flag_values: flags.FlagValues) -> dict[str, str]:
    """Flag -> path of each requested output; raises `InvalidInput` if one cannot be written."""
    paths = {
        flag: os.path.expanduser(flag_values[flag].value or "")
        for flag in ("images", "grid", "gif", "npz")
    }
    outputs = {flag: path for flag, path in paths.items() if path}
    if not outputs:
        raise InvalidInput("grid", "name an output with --grid, --gif, --npz or --images")
    if os.path.lexists(outputs.get("images", "")):
        raise InvalidInput("images", f"{outputs['images']} exists; name a new directory")
    for flag, path in outputs.items():
        if flag != "images":
            if "images" in outputs and _absolute(path).is_relative_to(_absolute(outputs["images"])):
                raise InvalidInput(flag, f"{path} is --images, or inside it")
            suffix = {"grid": ".png"}.get(flag, f".{flag}")
            if not path.lower().endswith(suffix):
                raise InvalidInput(flag, f"{path!r} must end in {suffix}")
        cli.check_output(flag, path)
    return outputs


def _absolute(path: str) -> Path:
    return Path(path).absolute()


def _write(
    sampler: Any,
    outputs: dict[str, str],
    request: "Latents",
    label: int | None,
    columns: int | None,
) -> None:
    """Writes all outputs, and generates the images again for each, to keep none in memory.

    `columns` is the number of images in a row of the grid.
    """
    from rumi_tf.export.write import write_gif, write_images, write_npz
    from rumi_tf.plotting import save_grid

    for flag, path in outputs.items():
        with cli.writing_to(flag, os.path.dirname(path) or "."):
            if flag == "images":
                write_images(sampler, path, request, label)
            elif flag == "npz":
                write_npz(sampler, path, request, label)
            elif flag == "grid":
                save_grid(path, sampler.images(request, label), sampler.title(), columns)
            else:
                write_gif(path, sampler.images(request, label, "uint8"))


if __name__ == "__main__":
    cli.run(main, __doc__)
