"""Draws the densities that small networks learn next to those that the paper's lemmas predict.

Usage: python -m figures.lemmas --out=pictures

A setting is a pair of densities with an objective and its parameters. For each of --settings, a
generator of points is trained with the library's training step, in about 15 seconds on an idle
core. Writes to --out: lemmas.png and lemmas.pdf; lemmas.csv, the total variation distance between
the learnt and the predicted density of each setting; and lemmas_densities.csv, the curves. See
docs/theory.md for the predictions.
"""

import time
from typing import Any

import numpy as np
from absl import flags

from figures._mixtures import ITERATIONS, SETTINGS, Setting
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.io import write_csv

_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_string("out", "figures_out", "Output directory.", **_SECTION)
flags.DEFINE_list(
    "settings",
    [],
    f"Settings to train, comma-separated; default: all of {', '.join(SETTINGS)}.",
    **_SECTION,
)
flags.DEFINE_integer(
    "iterations",
    ITERATIONS,
    "Generator updates for each setting. With far fewer, training does not converge.",
    lower_bound=1,
    upper_bound=10**9,
    **_SECTION,
)
flags.DEFINE_integer(
    "seed", 0, "Seed of weights, noise and data.", lower_bound=0, upper_bound=2**31 - 1, **_SECTION
)
FILES = ("lemmas.png", "lemmas.pdf", "lemmas.csv", "lemmas_densities.csv")


def main() -> None:
    """Trains the generators, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    names = args.settings if args["settings"].present else list(SETTINGS)
    paper_grid.check_names("settings", names, SETTINGS)
    names = list(dict.fromkeys(names))
    cli.check_output("out", *(out / name for name in FILES))
    with cli.quiet_import():
        from figures import _toy
        from rumi_tf import plotting
    rows, curves, cases = [], [], []
    for number, name in enumerate(names, 1):
        setting, start = SETTINGS[name], time.monotonic()
        values = {
            "positives": setting.density(setting.positive),
            "negatives": setting.density(setting.negative),
            "predicted": setting.prediction().generator,
            "learnt": _toy.learnt_density(setting, args.iterations, args.seed),
        }
        distance = setting.total_variation(values["learnt"], values["predicted"])
        print(
            f"{number}/{len(names)} {name}: total variation {distance:.3f} between learnt and "
            f"predicted, {time.monotonic() - start:.0f} s",
            flush=True,
        )
        rows.append(_row(name, setting, values, distance, args))
        curves += _curve_rows(name, setting, values)
        cases.append(plotting.Densities(_title(setting, distance), setting.edges, values))
    with cli.writing_to("out", out):
        for file in FILES[:2]:
            plotting.save_densities(out / file, cases)
        for file, content in zip(FILES[2:], (rows, curves), strict=True):
            write_csv(out / file, content)
    cli.print_paths(out / file for file in FILES)


SYMBOLS = {
    "alpha_pos": "α⁺",
    "alpha_neg": "α⁻",
    "beta_pos": "β⁺",
    "beta_neg": "β⁻",
    "label_a": "a",
    "label_b_pos": "b⁺",
    "label_b_neg": "b⁻",
    "label_c": "c",
}


def _title(setting: Setting, distance: float) -> str:
    values = ", ".join(f"{SYMBOLS.get(k, k)}={v:g}" for k, v in setting.parameters.items())
    return f"{setting.objective}: {setting.title}, TV {distance:.3f}\n{values}"


def _row(
    name: str, setting: Setting, values: dict, distance: float, args: flags.FlagValues
) -> dict:
    return {
        "setting": name,
        "objective": setting.objective,
        "parameters": " ".join(f"{k}={v:g}" for k, v in setting.parameters.items()),
        "dimensions": setting.positive.dimension,
        "clamped": setting.prediction().is_clamped,
        "iterations": args.iterations,
        "seed": args.seed,
        "tv_learnt_predicted": round(distance, 4),
        "tv_learnt_positives": round(
            setting.total_variation(values["learnt"], values["positives"]), 4
        ),
        "tv_predicted_positives": round(
            setting.total_variation(values["predicted"], values["positives"]), 4
        ),
    }


def _curve_rows(name: str, setting: Setting, values: dict) -> list[dict]:
    centres = (setting.edges[1:] + setting.edges[:-1]) / 2
    points = np.stack(np.meshgrid(*[centres] * setting.positive.dimension, indexing="ij"), -1)
    points = points.reshape(-1, setting.positive.dimension)
    flat = {label: density.ravel() for label, density in values.items()}
    return [
        {
            "setting": name,
            "x": round(float(point[0]), 6),
            "y": round(float(point[1]), 6) if len(point) > 1 else "",
            **{label: f"{density[k]:.6g}" for label, density in flat.items()},
        }
        for k, point in enumerate(points)
    ]


if __name__ == "__main__":
    cli.run(main, __doc__)
