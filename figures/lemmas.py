"""Draws what small networks learn beside what the paper's lemmas predict.

Usage: python -m figures.lemmas --out=pictures

For each of --settings, a pair of densities with an objective and its parameters, a generator of
points is trained with the library's own training step, in about 15 seconds on a free core. Writes
to --out: lemmas.png and lemmas.pdf; lemmas.csv, the total variation distance between the learnt
and the predicted density of every setting; and lemmas_densities.csv, the curves. docs/theory.md
says what the prediction is.
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
flags.DEFINE_string("out", "figures_out", "Directory for the pictures and the CSVs.", **_SECTION)
flags.DEFINE_list(
    "settings",
    [],
    f"What to train, comma-separated; default: all of {', '.join(SETTINGS)}.",
    **_SECTION,
)
flags.DEFINE_integer(
    "iterations",
    ITERATIONS,
    "Generator updates for each setting. Far fewer do not reach the equilibrium.",
    lower_bound=1,
    upper_bound=10**9,
    **_SECTION,
)
flags.DEFINE_integer(
    "seed", 0, "Seed of weights, noise and data.", lower_bound=0, upper_bound=2**31 - 1, **_SECTION
)
FILES = ("lemmas.png", "lemmas.pdf", "lemmas.csv", "lemmas_densities.csv")


def main() -> None:
    """Trains, draws, and prints what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    names = wanted.settings if wanted["settings"].present else list(SETTINGS)
    paper_grid.check_names("settings", names, SETTINGS)
    names = list(dict.fromkeys(names))
    cli.check_output("out", *(out / name for name in FILES))
    with cli.quiet_import():
        from figures import _toy
        from rumi_tf import plotting
    rows, curves, cases = [], [], []
    for number, name in enumerate(names, 1):
        setting, began = SETTINGS[name], time.monotonic()
        values = {
            "positives": setting.density(setting.positive),
            "negatives": setting.density(setting.negative),
            "predicted": setting.prediction().generator,
            "learnt": _toy.learnt_density(setting, wanted.iterations, wanted.seed),
        }
        distance = setting.total_variation(values["learnt"], values["predicted"])
        print(
            f"{number}/{len(names)} {name}: total variation {distance:.3f} between learnt and "
            f"predicted, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        rows.append(_row(name, setting, values, distance, wanted))
        curves += _cells(name, setting, values)
        cases.append(plotting.Densities(_title(setting, distance), setting.edges, values))
    with cli.writing_to("out", out):
        for file in ("lemmas.png", "lemmas.pdf"):
            plotting.save_densities(out / file, cases)
            print(out / file)
        for file, content in (("lemmas.csv", rows), ("lemmas_densities.csv", curves)):
            write_csv(out / file, content)
            print(out / file)


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
    name: str, setting: Setting, values: dict, distance: float, wanted: flags.FlagValues
) -> dict:
    return {
        "setting": name,
        "objective": setting.objective,
        "parameters": " ".join(f"{k}={v:g}" for k, v in setting.parameters.items()),
        "dimensions": setting.positive.dimension,
        "clamped": setting.prediction().is_clamped,
        "iterations": wanted.iterations,
        "seed": wanted.seed,
        "tv_learnt_predicted": round(distance, 4),
        "tv_learnt_positives": round(
            setting.total_variation(values["learnt"], values["positives"]), 4
        ),
        "tv_predicted_positives": round(
            setting.total_variation(values["predicted"], values["positives"]), 4
        ),
    }


def _cells(name: str, setting: Setting, values: dict) -> list[dict]:
    centres = (setting.edges[1:] + setting.edges[:-1]) / 2
    places = np.stack(np.meshgrid(*[centres] * setting.positive.dimension, indexing="ij"), -1)
    places = places.reshape(-1, setting.positive.dimension)
    flat = {label: density.ravel() for label, density in values.items()}
    return [
        {
            "setting": name,
            "x": round(float(place[0]), 6),
            "y": round(float(place[1]), 6) if len(place) > 1 else "",
            **{label: f"{density[k]:.6g}" for label, density in flat.items()},
        }
        for k, place in enumerate(places)
    ]


if __name__ == "__main__":
    cli.run(main, __doc__)
