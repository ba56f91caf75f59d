"""Theorem 1 of the UAC-GAN paper: the degenerate solution of TAC-GAN, and what UAC-GAN has instead.

Usage: python -m figures.uac_theorem1 --out=pictures

On the paper's mixture of Gaussians C is the true posterior of the label and Cmi the same raised to
the power --sharpness: a twin that is a little less sure, or surer. For both fixed, the label that
G's losses would give to each point is sought by gradient descent, and drawn with the densities of
the classes that follow from it. Writes to --out: uac_theorem1.png and .pdf, and uac_theorem1.csv.
"""

from typing import Any

import numpy as np
from absl import flags

from figures import _theorem1
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv

GRID = np.linspace(-4.0, 15.0, 761)


def define_own_flags() -> None:
    """Defines the flags of the command."""
    section: dict[str, Any] = {"module_name": "Figure"}
    flags.DEFINE_float("sharpness", 0.9, "Power that makes Cmi of C; above 0, not 1.", **section)
    flags.DEFINE_string("out", "figures_out", "Directory for what is written.", **section)


def main() -> None:
    """Searches, draws, and prints what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    if not (0 < wanted.sharpness < 10 and abs(wanted.sharpness - 1) >= 0.01):
        raise InvalidInput("sharpness", f"is {wanted.sharpness:g}; above 0, below 10 and not 1")
    paths = [out / f"uac_theorem1.{kind}" for kind in ("png", "pdf", "csv")]
    cli.check_output("out", *paths)
    from rumi_tf import plotting

    joint = _theorem1.joint_density(GRID)
    marginal = joint.sum(axis=0)
    classifier = joint / marginal
    logs = np.log(classifier)
    twin = _theorem1.tempered(logs, wanted.sharpness)
    found = {
        "data": classifier,
        "TAC-GAN": _theorem1.search(logs, twin),
        "UAC-GAN": _theorem1.search(logs, None),
    }
    predicted = {
        "data": classifier,
        "TAC-GAN": _theorem1.tac_minimum(logs, twin),
        "UAC-GAN": classifier,
    }
    posterior, classes, rows = {}, {}, []
    for name, chosen in found.items():
        distance = _theorem1.total_variation(chosen, predicted[name], marginal)
        if name != "data":
            print(f"{name}: total variation {distance:.4f} between what was found and predicted")
        induced = chosen * marginal
        shares = induced.sum(axis=1) * (GRID[1] - GRID[0])
        induced = induced / np.maximum(shares, 1e-12)[:, None]
        labels = [f"class_{k}" for k in range(len(joint))]
        posterior[f"{name}: Q(y|x)"] = [
            plotting.Curve(label, GRID, chosen[k], k) for k, label in enumerate(labels)
        ]
        classes[f"{name}: Q(x|y)"] = [
            plotting.Curve(label, GRID, induced[k], k) for k, label in enumerate(labels)
        ]
        rows += [
            {
                "model": name, "class": label, "x": round(float(x), 4),
                "posterior": f"{chosen[k, i]:.6g}", "predicted": f"{predicted[name][k, i]:.6g}",
                "density": f"{induced[k, i]:.6g}",
            }
            for k, label in enumerate(labels)
            for i, x in enumerate(GRID)
        ]  # fmt: skip
    with cli.writing_to("out", out):
        for path in paths[:2]:
            plotting.save_curves(path, {**posterior, **classes}, 3, "x", ["probability", "density"])
        write_csv(paths[2], rows)
    cli.show(paths)


if __name__ == "__main__":
    define_own_flags()
    cli.run(main, __doc__)
