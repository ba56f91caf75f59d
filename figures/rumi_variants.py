"""Compares Rumi-SGAN, Rumi-LSGAN and Rumi-WGAN-GP, and shows the effect of the negatives' weight.

Usage: python -m figures.rumi_variants --flagfile=flags/figures/rumi_variants_digits.flags

Takes the flags of reproduce.train, which apply to all runs, and trains missing runs. Writes to
--out: samples of the three objectives next to real images (rumi_variants_samples), and the shares
of the classes that Rumi-SGAN generates for every alpha- in --alphas, next to the prediction of
Lemma 3.1 (rumi_variants_classes); each as PNG, PDF and CSV.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from rumi_tf.config.flags import define_flags, given_flags
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv

OBJECTIVES = ("rumi_sgan", "rumi_lsgan", "rumi_wgan_gp")
define_flags(omit=("objective", "alpha_pos", "alpha_neg"))
_SECTION: dict[str, Any] = {"module_name": "Figure"}
flags.DEFINE_list(
    "alphas", ["-0.5", "-0.2", "0", "1"],
    "Weights alpha- of the negatives of Rumi-SGAN, at least --alpha - 1.", **_SECTION,
)  # fmt: skip
flags.DEFINE_float(
    "alpha", 0.5, "Weight alpha+ of the positives of Rumi-SGAN, in (0, 1].", **_SECTION
)
flags.DEFINE_integer(
    "num", 36, "Images in each panel.", lower_bound=1, upper_bound=10_000, **_SECTION
)
paper_grid.define_run_flags("Figure", "figures_out")


def main() -> None:
    """Trains the missing runs, draws the figures and prints the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    cli.check_output("out", *_paths(out, "samples"), *_paths(out, "classes"))
    alphas = _alphas(args.alphas, args.alpha)
    with cli.quiet_import():
        from rumi_tf.experiments import sweep
        from rumi_tf.training import build
    given = given_flags()
    given.setdefault("eval_every", given.get("iterations", 10_000))
    compared = [sweep.Cell(sweep.objective_config(n, given), {"run": n}) for n in OBJECTIVES]
    weighted = [
        sweep.Cell(
            sweep.objective_config(
                "rumi_sgan", {**given, "alpha_pos": args.alpha, "alpha_neg": alpha}
            ),
            {"run": f"rumi_sgan, alpha- = {alpha:g}"},
        )
        for alpha in alphas
    ]
    build.prepare(compared[0].config)  # fails early if the data cannot be used
    outcomes = paper_grid.run(compared + weighted, args.jobs)
    paper_grid.exit_if_failed(sweep.failures(outcomes))
    with cli.writing_to("out", out):
        paths = _samples(outcomes[: len(OBJECTIVES)], out, args.num)
        paths += _classes(outcomes[len(OBJECTIVES) :], alphas, args.alpha, out)
    cli.print_paths(paths)


def _alphas(words: list[str], alpha: float) -> list[float]:
    """The values of --alphas in increasing order, checked against --alpha."""
    if not 0 < alpha <= 1:
        raise InvalidInput("alpha", f"is {alpha:g}, must be greater than 0 and at most 1")
    try:
        alphas = sorted({float(word) for word in words})
    except ValueError:
        alphas = []
    if not alphas or not np.isfinite(alphas).all():
        raise InvalidInput("alphas", f"{','.join(words)!r} must be numbers separated by commas")
    if alphas[0] < alpha - 1 - 1e-9:
        raise InvalidInput(
            "alphas", f"{alphas[0]:g} is below --alpha - 1 = {alpha - 1:g} (Lemma 3.1)"
        )
    return alphas


def _paths(out: Path, name: str) -> list[Path]:
    return [out / f"rumi_variants_{name}.{kind}" for kind in ("png", "pdf", "csv")]


def _samples(outcomes: Sequence[Any], out: Path, num: int) -> list[Path]:
    """Writes panels of samples and the metrics of each run."""
    from figures._compared import generate
    from rumi_tf import plotting
    from rumi_tf.training import build

    config = outcomes[0].cell.config
    images, split = build.prepare(config)
    panels = {"real": build.real_positives(images, split, num, config.seed)}
    rows = []
    for outcome in outcomes:
        config = outcome.cell.config
        panels[config.objective] = generate(config, split.positive_classes, num)
        rows += [dataclasses.asdict(row) for row in outcome.rows]
    paths = _paths(out, "samples")
    for path in paths[:2]:
        plotting.save_panels(path, panels)
    write_csv(paths[2], rows)
    return paths


def _classes(
    outcomes: Sequence[Any], alphas: list[float], alpha_pos: float, out: Path
) -> list[Path]:
    """Writes the shares of the classes in generated images, learnt and predicted."""
    from figures._mixtures import predicted_shares
    from rumi_tf import plotting
    from rumi_tf.training import build

    images, split = build.prepare(outcomes[0].cell.config)
    shares, rows = {}, []
    for outcome, alpha in zip(outcomes, alphas, strict=True):
        predicted = predicted_shares(images.labels, split.indices, alpha_pos, alpha)
        learnt = np.array([outcome.value(f"class_{name}") for name in images.class_names])
        distance = 0.5 * np.abs(predicted - learnt).sum()
        title = f"α⁺ = {alpha_pos:g}, α⁻ = {alpha:g}; total variation {distance:.3f}"
        shares[title] = {"predicted by Lemma 3.1": predicted, "learnt": learnt}
        for name, p, q in zip(images.class_names, predicted, learnt, strict=True):
            rows.append(
                {"alpha_pos": alpha_pos, "alpha_neg": alpha, "class": name, "predicted": p,
                 "learnt": q}
            )  # fmt: skip
    paths = _paths(out, "classes")
    for path in paths[:2]:
        plotting.save_share_panels(path, images.class_names, shares)
    write_csv(paths[2], rows)
    return paths


if __name__ == "__main__":
    cli.run(main, __doc__)
