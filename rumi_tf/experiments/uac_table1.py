"""Models, training and summary of Table 1 of the UAC-GAN paper, on a mixture of three Gaussians.

Importing this module does not load TensorFlow.
"""

import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.evaluation.results import Row
from rumi_tf.experiments import paper_grid
from rumi_tf.utils.io import read_csv
from rumi_tf.utils.paths import PAPER_VALUES

if TYPE_CHECKING:
    from rumi_tf.experiments.gaussians import MixtureRuns

MODELS = {
    "acgan": "AC-GAN", "tacgan": "TAC-GAN", "uacgan": "UAC-GAN", "cgan_pd": "CGAN-PD",
    "perfect": "perfect generator",
}  # fmt: skip
TRAINED = tuple(MODELS)[:-1]
PAPER = PAPER_VALUES / "uac_table1.csv"

_SECTION: dict[str, Any] = {"module_name": "Table"}


def define_table_flags(out: str) -> None:
    """Defines the fields of `MixtureConfig` as flags, --models, and --out with its default."""
    define_flags(omit=("objective",), config=MixtureConfig)
    flags.DEFINE_list(
        "models", list(TRAINED), f"Models to train: any of {', '.join(TRAINED)}.", **_SECTION
    )
    flags.DEFINE_string("out", out, "Output directory.", **_SECTION)


def check_models(names: Sequence[str]) -> list[str]:
    """The models in --models, without duplicates.

    Raises:
        InvalidInput: `names` is empty or has an unknown model.
    """
    paper_grid.check_names("models", names, TRAINED)
    return list(dict.fromkeys(names))


def given_settings(args: flags.FlagValues) -> dict:
    """Fields of `MixtureConfig` from the flags; they hold for every model."""
    fields = dataclasses.asdict(MixtureConfig.from_flags(args, objective=TRAINED[0]))
    del fields["objective"]
    return fields


def train_all(configs: Sequence[MixtureConfig]) -> Iterator["MixtureRuns"]:
    """Trains or reuses the runs of each configuration; reports progress on stderr."""
    from rumi_tf.experiments import gaussians

    start, num_trained = time.monotonic(), 0
    for number, config in enumerate(configs, start=1):
        title = f"[{number}/{len(configs)}] {MODELS[config.objective]}"

        def report(
            epoch: int, left: float, title: str = title, config: MixtureConfig = config
        ) -> None:
            _report(f"{title}: epoch {epoch}/{config.epochs}, left {left:.0f} s")

        runs = gaussians.train(config, report=report)
        num_trained += not runs.reused
        elapsed = time.monotonic() - start
        left = elapsed / num_trained * (len(configs) - number) if num_trained else 0
        _report(
            f"{title}: {config.num_runs} runs, {'reused, ' * runs.reused}trained in "
            f"{runs.seconds:.0f} s, left {left:.0f} s"
        )
        yield runs


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def times(model_runs: Sequence["MixtureRuns"]) -> list[dict[str, str]]:
    """Training time in seconds, per model and in total; interrupted sessions are included."""
    seconds = {MODELS[runs.config.objective]: runs.seconds for runs in model_runs}
    num_runs = str(model_runs[0].config.num_runs)
    return [
        {"model": model, "runs": num_runs, "seconds": f"{total:.0f}"}
        for model, total in {**seconds, "all": sum(seconds.values())}.items()
    ]


def summarise(rows: Sequence[Row]) -> list[dict]:
    """Mean and standard deviation over runs for each target and model, with the paper's values.

    Runs without a value have diverged and are counted separately. `within` is `yes` if our mean
    lies within the published mean ± standard deviation.
    """
    paper = {(line["target"], line["model"]): line for line in read_csv(PAPER)}
    targets, models = (dict.fromkeys(getattr(row, key) for row in rows)
                       for key in ("target", "objective"))  # fmt: skip
    table = []
    for target in targets:
        for model in models:
            cell = [r for r in rows if (r.target, r.objective) == (target, model)]
            values = [row.value for row in cell if row.value is not None]
            line = {
                "target": target, "model": MODELS[model], "runs": len(values),
                "diverged": len(cell) - len(values),
                "mean": statistics.fmean(values) if values else math.nan,
                "std": statistics.stdev(values) if len(values) > 1 else math.nan,
                "median": statistics.median(values) if values else math.nan,
                "paper_mean": "", "paper_std": "", "difference": "", "within": "",
                "config_hash": cell[0].config_hash,
            }  # fmt: skip
            published = paper.get((target, MODELS[model]))
            if published and values:
                mean, std = float(published["mmd_mean"]), float(published["mmd_std"])
                difference = line["mean"] - mean
                line |= {"paper_mean": mean, "paper_std": std, "difference": difference,
                         "within": "yes" if abs(difference) <= std else "no"}  # fmt: skip
            table.append(line)
    return table


def as_text(line: dict) -> dict[str, str]:
    """A line of the table as formatted text; missing values are empty."""
    mean = "" if math.isnan(line["mean"]) else f"{line['mean']:.3f}"
    deviation = "" if math.isnan(line["std"]) else f" ± {line['std']:.3f}"
    median = "" if math.isnan(line["median"]) else f"{line['median']:.3f}"
    paper = f"{line['paper_mean']:.3f} ± {line['paper_std']:.3f}" if line["within"] else ""
    runs = str(line["runs"]) + (f" ({line['diverged']} diverged)" if line["diverged"] else "")
    return {
        "target": line["target"], "model": line["model"], "runs": runs,
        "MMD²": mean + deviation, "median": median,
        "paper": paper, "difference": f"{line['difference']:+.3f}" if paper else "",
        "within ± std": line["within"],
    }  # fmt: skip


def agreement(table: Sequence[dict]) -> str:
    """The number of cells that agree with the paper, as a sentence."""
    compared = [line["within"] for line in table if line["within"]]
    return f"{compared.count('yes')} of {len(compared)} cells lie within the published ± std."
