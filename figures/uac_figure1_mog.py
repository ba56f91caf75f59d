"""Figure 1 of the UAC-GAN paper, its mixture of Gaussians: densities by class and of all.

Usage: python -m figures.uac_figure1_mog --num_runs=100 --out=pictures

Takes the flags of reproduce.uac_table1, trains the runs that are missing, and reuses those that
are there. The upper panels show the first run of every model, as the paper does; the lower ones
the median over the runs, between the 10% and the 90% quantile. Densities are Gaussian kernel
estimates with Scott's bandwidth. Writes to --out: uac_figure1_mog.png and .pdf, and the curves,
uac_figure1_mog.csv.
"""

import numpy as np
from absl import flags

from reproduce.uac_table1 import (
    MODELS,
    check_models,
    define_table_flags,
    given_settings,
    trained,
)
from rumi_tf.utils import cli
from rumi_tf.utils.io import write_csv

GRID = np.linspace(-4.0, 15.0, 191)
# Of a run's points for the spread; a kernel estimate takes the square of the time that it saves.
POINTS_FOR_SPREAD = 2000
QUANTILES = (0.1, 0.5, 0.9)

STYLES = (0, 1, 2, 6)
TOP = 0.6  # a collapsed class would make a peak beside which nothing else is seen


def main() -> None:
    """Trains or reuses the runs, draws, and prints what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    names = check_models(wanted.models)
    paths = [out / f"uac_figure1_mog.{kind}" for kind in ("png", "pdf", "csv")]
    cli.check_output("out", *paths)
    given = given_settings(wanted)
    with cli.quiet_import():
        from rumi_tf import plotting
        from rumi_tf.experiments import gaussians
    configs = [gaussians.config_for(name, **given) for name in names]
    points = {"data": gaussians.perfect_points(configs[0])}
    for config, runs in zip(configs, trained(configs), strict=True):
        points[MODELS[config.objective]] = runs.points
    first, spread, rows = {}, {}, []
    for model, made in points.items():
        single = densities(made[:1])[0]
        low, middle, high = np.nanquantile(
            densities(made[:, :, :POINTS_FOR_SPREAD]), QUANTILES, axis=0
        )
        diverged = sum(not np.isfinite(run).all() for run in made)
        first[f"{model}: run 0"] = [
            plotting.Curve(target, GRID, single[k], STYLES[k])
            for k, target in enumerate(gaussians.TARGETS)
        ]
        count = f"{len(made) - diverged} of {len(made)}" if diverged else f"{len(made)}"
        spread[f"{model}: {count} runs"] = [
            plotting.Curve(target, GRID, middle[k], STYLES[k], (low[k], high[k]))
            for k, target in enumerate(gaussians.TARGETS)
        ]
        rows += [
            {
                "model": model, "target": target, "x": round(float(x), 3),
                **{name: f"{curve[k, i]:.5g}" for name, curve in
                   (("first", single), ("low", low), ("median", middle), ("high", high))},
            }
            for k, target in enumerate(gaussians.TARGETS)
            for i, x in enumerate(GRID)
        ]  # fmt: skip
    with cli.writing_to("out", out):
        for path in paths[:2]:
            plotting.save_curves(path, {**first, **spread}, len(points), "x", ["density"], TOP)
        write_csv(paths[2], rows)
    cli.show(paths)


def densities(points: np.ndarray) -> np.ndarray:
    """(R, 3, n) points -> (R, 4, len(GRID)) densities of the classes and of all together.

    Not a number for a class that is a single point, and for all of a run that has values that are
    not finite, which counts as diverged.
    """
    from scipy.stats import gaussian_kde

    found = np.full((len(points), points.shape[1] + 1, len(GRID)), np.nan)
    for of_run, made in zip(found, points, strict=True):
        if not np.isfinite(made).all():
            continue
        for place, sample in zip(of_run, (*made, made.ravel()), strict=True):
            if np.ptp(sample) > 0:
                place[:] = gaussian_kde(sample)(GRID)
    return found


if __name__ == "__main__":
    define_table_flags("figures_out")
    cli.run(main, __doc__)
