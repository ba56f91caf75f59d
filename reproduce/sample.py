"""Samples images from an exported generator; the same seed gives the same images.

Usage: python -m reproduce.sample --saved_model=DIR --num=64 --grid=g.png --npz=s.npz --images=out

--saved_model is the directory saved_model/ of a run of reproduce.train.
"""

import os
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import atomic_path

_SECTION: dict[str, Any] = {"module_name": "Sampling"}
flags.DEFINE_string("saved_model", None, "Directory of the TensorFlow SavedModel.", **_SECTION)
flags.DEFINE_integer("num", 64, "Number of images.", lower_bound=1, upper_bound=10**6, **_SECTION)
flags.DEFINE_integer(
    "seed", 0, "Seed of the noise.", lower_bound=0, upper_bound=2**31 - 1, **_SECTION
)
flags.DEFINE_string(
    "label",
    None,
    "Class of all images, by name or index, for a model trained with a conditional objective "
    "(acgan, tacgan, uacgan, cgan_pd). Default: all its classes in turn.",
    **_SECTION,
)
flags.DEFINE_string("grid", None, "PNG file to write a grid of the images to.", **_SECTION)
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
    names = ("grid", "npz", "images")
    outputs = {flag: os.path.expanduser(flag_values[flag].value or "") for flag in names}
    if not any(outputs.values()):
        raise InvalidInput("grid", "name an output with --grid, --npz or --images")
    if outputs["images"]:
        if os.path.lexists(outputs["images"]):
            raise InvalidInput("images", f"{outputs['images']} exists; name a new directory")
        cli.check_output("images", outputs["images"])
        for flag in ("grid", "npz"):
            if (
                Path(outputs[flag] or ".")
                .absolute()
                .is_relative_to(Path(outputs["images"]).absolute())
            ):
                raise InvalidInput(flag, f"{outputs[flag]} is --images, or inside it")
    for flag, suffix in (("grid", ".png"), ("npz", ".npz")):
        if outputs[flag] and not outputs[flag].lower().endswith(suffix):
            raise InvalidInput(flag, f"{outputs[flag]!r} must end in {suffix}")
        if outputs[flag]:
            cli.check_output(flag, outputs[flag])
    with cli.quiet_import():
        import numpy as np

        from rumi_tf.export.sampler import load_sampler, to_bytes
        from rumi_tf.export.write import write_images
        from rumi_tf.plotting import save_grid
    sampler = load_sampler(os.path.expanduser(flag_values.saved_model))
    label = None if flag_values.label is None else sampler.label(flag_values.label)
    request = flag_values.num, flag_values.seed, label
    if outputs["images"]:
        with cli.writing_to("images", os.path.dirname(outputs["images"]) or "."):
            write_images(sampler, outputs["images"], *request)
    if outputs["grid"] or outputs["npz"]:
        images = sampler.sample(*request)
    if outputs["grid"]:
        with cli.writing_to("grid", os.path.dirname(outputs["grid"]) or "."):
            save_grid(outputs["grid"], images, sampler.title())
    if outputs["npz"]:
        with (
            cli.writing_to("npz", os.path.dirname(outputs["npz"]) or "."),
            atomic_path(outputs["npz"]) as temporary,
            open(temporary, "wb") as file,
        ):
            labels = sampler.labels(flag_values.num, label)
            arrays: dict[str, Any] = {"images": to_bytes(images)}
            if labels is not None:
                arrays["labels"] = labels
            np.savez_compressed(file, **arrays)
    for path in filter(None, outputs.values()):
        print(path)


if __name__ == "__main__":
    cli.run(main, __doc__)
