"""Figure 1 of the UAC-GAN paper: densities on its mixture of Gaussians, per class and overall.

Usage: python -m figures.uac_figure1_mog --num_runs=100 --out=pictures

Takes the flags of reproduce.uac_table1 and trains the missing runs. The upper panels show the first
run of each model, as in the paper; the lower ones show the median over the runs and the band from
the 10% to the 90% quantile. Densities are Gaussian kernel estimates with Scott's bandwidth. Writes
to --out: uac_figure1_mog.png and .pdf, and the curves as uac_figure1_mog.csv.
"""

import numpy as np
from absl import flags

from rumi_tf.experiments import uac_table1
from rumi_tf.utils import cli
from rumi_tf.utils.io import write_csv

GRID = np.linspace(-4.0, 15.0, 191)
POINTS_FOR_SPREAD = 2000  # points of each run used for the quantiles, to save time
QUANTILES = (0.1, 0.5, 0.9)

STYLES = (0, 1, 2, 6)
TOP = 0.6  # upper limit of the axis; the peak of a collapsed class would hide all else


def main() -> None:
    """Trains the missing runs, draws the figure and prints the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    names = uac_table1.check_models(args.models)
    paths = [out / f"uac_figure1_mog.{kind}" for kind in ("png", "pdf", "csv")]
    cli.check_output("out", *paths)
    settings = uac_table1.given_settings(args)
    with cli.quiet_import():
        from rumi_tf import plotting
        from rumi_tf.experiments import gaussians
    configs = [gaussians.config_for(name, **settings) for name in names]
    points = {"data": gaussians.perfect_points(configs[0])}
    for config, runs in zip(configs, uac_table1.train_all(configs), strict=True):
        points[uac_table1.MODELS[config.objective]] = runs.points
    first, spread, rows = {}, {}, []
    for model, samples in points.items():
        single = densities(samples[:1])[0]
        low, middle, high = np.nanquantile(
            densities(samples[:, :, :POINTS_FOR_SPREAD]), QUANTILES, axis=0
        )
        diverged = sum(not np.isfinite(run).all() for run in samples)
        first[f"{model}: run 0"] = [
            plotting.Curve(target, GRID, single[k], STYLES[k])
            for k, target in enumerate(gaussians.TARGETS)
        ]
        total = len(samples)
        count = f"{total - diverged} of {total}" if diverged else f"{total}"
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
    cli.print_paths(paths)


def densities(points: np.ndarray) -> np.ndarray:
    """(R, 3, n) points -> (R, 4, len(GRID)) densities of each class and of all points.

    NaN for a class collapsed to a single point, and for all classes of a diverged run (one with
    values that are not finite).
    """
    from scipy.stats import gaussian_kde

    estimates = np.full((len(points), points.shape[1] + 1, len(GRID)), np.nan)
    for of_run, run in zip(estimates, points, strict=True):
        if not np.isfinite(run).all():
            continue
        for estimate, sample in zip(of_run, (*run, run.ravel()), strict=True):
            if np.ptp(sample) > 0:
                estimate[:] = gaussian_kde(sample)(GRID)
    return estimates


if __name__ == "__main__":
    uac_table1.define_table_flags("figures_out")
    cli.run(main, __doc__)
