"""Theorem 1 of the UAC-GAN paper: TAC-GAN's degenerate solution, and UAC-GAN's solution.

Usage: python -m figures.uac_theorem1 --out=pictures

On the paper's mixture of Gaussians, C is the true posterior of the label, and Cmi is C raised to
the power --sharpness: a twin that is slightly less or more certain. With both fixed, gradient
descent on G's loss finds a distribution of the label for each point, which is drawn with the
resulting densities of the classes. Writes to --out: uac_theorem1.png and .pdf, and
uac_theorem1.csv.
"""

from typing import Any

import numpy as np
from absl import flags

from figures import _theorem1
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv

GRID = np.linspace(-4.0, 15.0, 761)

_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_float(
    "sharpness", 0.9, "Cmi is C raised to this power; above 0, below 10, not 1.", **_SECTION
)
flags.DEFINE_string("out", "figures_out", "Output directory.", **_SECTION)


def main() -> None:
    """Minimises the losses, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    if not (0 < args.sharpness < 10 and abs(args.sharpness - 1) >= 0.01):
        raise InvalidInput(
            "sharpness", f"is {args.sharpness:g}, must be above 0, below 10 and not 1"
        )
    paths = [out / f"uac_theorem1.{kind}" for kind in ("png", "pdf", "csv")]
    cli.check_output("out", *paths)
    from rumi_tf import plotting

    joint = _theorem1.joint_density(GRID)
    marginal = joint.sum(axis=0)
    classifier = joint / marginal
    logs = np.log(classifier)
    twin = _theorem1.tempered(logs, args.sharpness)
    solutions = {
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
    for name, solution in solutions.items():
        distance = _theorem1.total_variation(solution, predicted[name], marginal)
        if name != "data":
            print(f"{name}: total variation {distance:.4f} between solution and prediction")
        induced = solution * marginal
        shares = induced.sum(axis=1) * (GRID[1] - GRID[0])
        induced = induced / np.maximum(shares, 1e-12)[:, None]
        labels = [f"class_{k}" for k in range(len(joint))]
        posterior[f"{name}: Q(y|x)"] = [
            plotting.Curve(label, GRID, solution[k], k) for k, label in enumerate(labels)
        ]
        classes[f"{name}: Q(x|y)"] = [
            plotting.Curve(label, GRID, induced[k], k) for k, label in enumerate(labels)
        ]
        rows += [
            {
                "model": name, "class": label, "x": round(float(x), 4),
                "posterior": f"{solution[k, i]:.6g}", "predicted": f"{predicted[name][k, i]:.6g}",
                "density": f"{induced[k, i]:.6g}",
            }
            for k, label in enumerate(labels)
            for i, x in enumerate(GRID)
        ]  # fmt: skip
    with cli.writing_to("out", out):
        for path in paths[:2]:
            plotting.save_curves(path, {**posterior, **classes}, 3, "x", ["probability", "density"])
        write_csv(paths[2], rows)
    cli.print_paths(paths)


if __name__ == "__main__":
    cli.run(main, __doc__)
