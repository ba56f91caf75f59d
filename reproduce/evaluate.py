"""Measures generated images against real ones: FID, KID, precision and recall, class shares.

Usage: python -m reproduce.evaluate --saved_model=runs/RUN/saved_model
       python -m reproduce.evaluate --images=DIR_OR_NPZ --dataset=mnist --minority_class=5
       python -m reproduce.evaluate --images=DIR_OR_NPZ --reference=DIR_OR_NPZ --embedding=inception

A SavedModel knows the data set and split it was trained on; flags name others. Appends rows to
metrics.csv under --out, prints them as a table, and draws the precision-recall curve and the
shares of the classes.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput

TAKEN = ("Data", "Evaluation")
FIELDS = [f.name for f in dataclasses.fields(RunConfig)]
OMITTED = [name for name in FIELDS if RunConfig.section_of(name) not in TAKEN]
define_flags(omit=(*OMITTED, "eval_every"))
_SECTION: dict[str, Any] = {"module_name": "What to measure"}
flags.DEFINE_string("saved_model", None, "Directory of a run's SavedModel.", **_SECTION)
flags.DEFINE_string(
    "images",
    None,
    "Generated images: a directory of PNG or JPEG files in one size, searched with all below it, "
    "or an NPZ file with `images`, (num, height, width, channels).",
    **_SECTION,
)
flags.DEFINE_string(
    "reference",
    None,
    "Real images in the same forms, in place of those of the data set. Without --dataset there "
    "are no classes, and the embedding is inception.",
    **_SECTION,
)
flags.DEFINE_enum(
    "image_range",
    None,
    ["symmetric", "unit", "bytes"],
    "What floating values in an NPZ file mean: [-1, 1], [0, 1] or [0, 255].",
    **_SECTION,
)
flags.DEFINE_boolean(
    "extrapolate",
    False,
    "Add fid_infinity, the FID extrapolated to infinitely many images (Chong & Forsyth, 2020).",
    **_SECTION,
)
flags.DEFINE_boolean(
    "refresh", False, "Compute classifier and statistics of real images anew.", **_SECTION
)
flags.DEFINE_string("out", "evaluation", "Directory for metrics.csv and plots.", **_SECTION)


def main() -> None:
    """Measures, and prints the table and what was written."""
    wanted = flags.FLAGS
    if bool(wanted.saved_model) == bool(wanted.images):
        raise InvalidInput("saved_model", "name either a --saved_model or --images to measure")
    if wanted.images and not wanted.reference and not wanted["dataset"].present:
        raise InvalidInput("dataset", "name the data set, or a --reference, to compare with")
    out = cli.path(wanted.out)
    cli.check_output("out", str(out / "metrics.csv"))
    with cli.quiet_import():
        from rumi_tf.experiments import evaluate_images
    evaluate_images.check_output(out)
    given = {
        name: wanted[name].value
        for name in RunConfig.__dataclass_fields__
        if name in wanted and wanted[name].present
    }
    found = evaluate_images.assess(
        saved_model=_path(wanted.saved_model),
        images=_path(wanted.images),
        reference=_path(wanted.reference),
        given=given,
        image_range=wanted.image_range,
        extrapolate=wanted.extrapolate,
        refresh=wanted.refresh,
    )
    print(evaluate_images.as_table(found))
    try:
        for path in evaluate_images.write(found, out):
            print(path)
    except OSError as error:
        raise InvalidInput("out", f"cannot write to {out}: {error.strerror}") from error


def _path(text: str | None) -> Path | None:
    return Path(os.path.expanduser(text)) if text else None


if __name__ == "__main__":
    cli.run(main, __doc__)
