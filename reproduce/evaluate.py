"""Evaluates generated images against real ones: FID, KID, precision and recall, class shares.

Usage: python -m reproduce.evaluate --saved_model=runs/RUN/saved_model
       python -m reproduce.evaluate --images=DIR_OR_NPZ --dataset=mnist --minority_class=5
       python -m reproduce.evaluate --images=DIR_OR_NPZ --reference=DIR_OR_NPZ --embedding=inception

A SavedModel records the data set and split it was trained on; flags override them. The command
appends rows to metrics.csv under --out, prints them as a table, and draws the precision-recall
curve and the shares of the classes.
"""

import dataclasses
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.flags import define_flags, present_fields
from rumi_tf.config.run import RunConfig
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput

SECTIONS = ("Data", "Evaluation")
FIELDS = [f.name for f in dataclasses.fields(RunConfig)]
OMITTED = [name for name in FIELDS if RunConfig.section_of(name) not in SECTIONS]
define_flags(omit=(*OMITTED, "eval_every"))
_SECTION: dict[str, Any] = {"module_name": "What to measure"}
flags.DEFINE_string("saved_model", None, "Directory of a run's SavedModel.", **_SECTION)
flags.DEFINE_string(
    "images",
    None,
    "Generated images: a directory, searched recursively for PNG or JPEG files of one size, or an "
    "NPZ file with `images`, (num, height, width, channels).",
    **_SECTION,
)
flags.DEFINE_string(
    "reference",
    None,
    "Real images in the same forms, instead of those of the data set. Without --dataset there are "
    "no classes, and the embedding is inception.",
    **_SECTION,
)
flags.DEFINE_enum(
    "value_range",
    None,
    ["symmetric", "unit", "bytes"],
    "Value range of floating-point images in an NPZ file: [-1, 1], [0, 1] or [0, 255].",
    **_SECTION,
)
flags.DEFINE_boolean(
    "extrapolate",
    False,
    "Add fid_infinity or fd_classifier_infinity, the Fréchet distance extrapolated to infinitely "
    "many images (Chong & Forsyth, 2020).",
    **_SECTION,
)
flags.DEFINE_boolean(
    "refresh", False, "Recompute the classifier and the statistics of real images.", **_SECTION
)
flags.DEFINE_string("out", "evaluation", "Directory for metrics.csv and plots.", **_SECTION)


def main() -> None:
    """Evaluates the images and prints the table and the paths of the output files."""
    flag_values = flags.FLAGS
    if bool(flag_values.saved_model) == bool(flag_values.images):
        raise InvalidInput("saved_model", "give either --saved_model or --images")
    if flag_values.images and not flag_values.reference and not flag_values["dataset"].present:
        raise InvalidInput("dataset", "name the data set to compare with, or give --reference")
    out = cli.path(flag_values.out)
    cli.check_output("out", str(out / "metrics.csv"))
    with cli.quiet_import():
        from rumi_tf.experiments import evaluate_images
    evaluate_images.check_output(out)
    report = evaluate_images.evaluate(
        saved_model=_path(flag_values.saved_model),
        images=_path(flag_values.images),
        reference=_path(flag_values.reference),
        given=present_fields(flag_values),
        value_range=flag_values.value_range,
        extrapolate=flag_values.extrapolate,
        refresh=flag_values.refresh,
    )
    print(evaluate_images.as_table(report))
    try:
        for path in evaluate_images.write(report, out):
            print(path)
    except OSError as error:
        raise InvalidInput("out", f"cannot write to {out}: {error.strerror}") from error


def _path(text: str | None) -> Path | None:
    return cli.path(text) if text else None


if __name__ == "__main__":
    cli.run(main, __doc__)
