"""Table 1 of the UAC-GAN paper: squared MMD on a mixture of three Gaussians, over many runs.

Usage: python -m reproduce.uac_table1 --num_runs=100
       python -m reproduce.uac_table1 --flagfile=flags/uac_mixture/v3.flags --models=acgan

All runs of a model are trained at once. Finished ones under --runs_dir are reused, an interrupted
set goes on from its last epoch. Writes to --out: runs.csv, a row per run and target with its
provenance; uac_table1.csv and uac_table1.md, mean and deviation over the runs beside the paper's,
and what perfect generators would have; times.csv, the seconds that training each model took.
"""

import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.evaluation.results import Row
from rumi_tf.utils import cli
from rumi_tf.utils.console import aligned, markdown
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv, write_csv, write_text

if TYPE_CHECKING:
    from rumi_tf.experiments.gaussians import MixtureRuns

MODELS = {
    "acgan": "AC-GAN", "tacgan": "TAC-GAN", "uacgan": "UAC-GAN", "cgan_pd": "CGAN-PD",
    "perfect": "perfect generator",
}  # fmt: skip
TRAINED = tuple(MODELS)[:-1]
FILES = ("runs.csv", "uac_table1.csv", "uac_table1.md", "times.csv")
PAPER = Path(__file__).resolve().parent / "paper_values" / "uac_table1.csv"

_SECTION: dict[str, Any] = {"module_name": "Table"}


def define_table_flags(out: str) -> None:
    """Defines the flags of the runs, of the models, and of --out with its default."""
    define_flags(omit=("objective",), config=MixtureConfig)
    flags.DEFINE_list("models", list(TRAINED), f"Of {', '.join(TRAINED)}.", **_SECTION)
    flags.DEFINE_string("out", out, "Directory for what is written.", **_SECTION)


def check_models(names: Sequence[str]) -> list[str]:
    """The models that --models names, each once.

    Raises:
        InvalidInput: one does not exist.
    """
    for name in names or [""]:
        if name not in TRAINED:
            raise InvalidInput("models", f"{name!r} is not one of {', '.join(TRAINED)}")
    return list(dict.fromkeys(names))


def given_settings(wanted: flags.FlagValues) -> dict:
    """What the flags say of the runs of every model."""
    given = dataclasses.asdict(MixtureConfig.from_flags(wanted, objective=TRAINED[0]))
    del given["objective"]
    return given


def trained(configs: Sequence[MixtureConfig]) -> Iterator["MixtureRuns"]:
    """The runs of every configuration, trained or reused, with lines on stderr."""
    from rumi_tf.experiments import gaussians

    began, done = time.monotonic(), 0
    for number, config in enumerate(configs, start=1):
        title = f"[{number}/{len(configs)}] {MODELS[config.objective]}"

        def tell(
            epoch: int, left: float, title: str = title, config: MixtureConfig = config
        ) -> None:
            _tell(f"{title}: epoch {epoch}/{config.epochs}, left {left:.0f} s")

        runs = gaussians.train(config, tell=tell)
        done += not runs.reused
        spent = time.monotonic() - began
        left = spent / done * (len(configs) - number) if done else 0
        _tell(
            f"{title}: {config.num_runs} runs, {'reused, ' * runs.reused}trained in "
            f"{runs.seconds:.0f} s, left {left:.0f} s"
        )
        yield runs


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Trains what is missing, prints the table and what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    names = check_models(wanted.models)
    cli.check_output("out", *(out / name for name in FILES))
    given = given_settings(wanted)
    with cli.quiet_import():
        from rumi_tf.experiments import gaussians
    configs = [gaussians.config_for(name, **given) for name in names]
    done = list(trained(configs))
    rows = [row for runs in done for row in runs.rows]
    rows += [
        dataclasses.replace(row, objective="perfect", iteration=0, config_hash="")
        for row in gaussians.evaluate(configs[0], gaussians.perfect_points(configs[0]))
    ]
    table = summarise(rows)
    shown, spent = [as_text(line) for line in table], times(done)
    with cli.writing_to("out", out):
        write_csv(out / "runs.csv", [dataclasses.asdict(row) for row in rows])
        write_csv(out / "uac_table1.csv", table)
        write_text(out / "uac_table1.md", markdown(shown) + "\n" + verdict(table) + "\n")
        write_csv(out / "times.csv", spent)
    for lines in (shown, spent):
        print(aligned([list(lines[0]), *(list(line.values()) for line in lines)]))
    print(verdict(table))
    cli.show(out / name for name in FILES)


def times(done: Sequence["MixtureRuns"]) -> list[dict[str, str]]:
    """Seconds that training took, over all starts, of every model and of all."""
    seconds = {MODELS[runs.config.objective]: runs.seconds for runs in done}
    return [
        {"model": model, "runs": str(done[0].config.num_runs), "seconds": f"{spent:.0f}"}
        for model, spent in {**seconds, "all": sum(seconds.values())}.items()
    ]


def summarise(rows: Sequence[Row]) -> list[dict]:
    """Mean and deviation over the runs of every target and model, beside the paper's.

    Runs without a value, which diverged, are counted apart. `within` says whether our mean lies
    within the published mean ± deviation.
    """
    paper = {(line["target"], line["model"]): line for line in read_csv(PAPER)}
    targets, models = (dict.fromkeys(getattr(row, key) for row in rows)
                       for key in ("target", "objective"))  # fmt: skip
    table = []
    for target in targets:
        for model in models:
            own = [r for r in rows if (r.target, r.objective) == (target, model)]
            values = [row.value for row in own if row.value is not None]
            line = {
                "target": target, "model": MODELS[model], "runs": len(values),
                "diverged": len(own) - len(values),
                "mean": statistics.fmean(values) if values else math.nan,
                "std": statistics.stdev(values) if len(values) > 1 else math.nan,
                "median": statistics.median(values) if values else math.nan,
                "paper_mean": "", "paper_std": "", "difference": "", "within": "",
                "config_hash": own[0].config_hash,
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
    """A line of the table for people; what there is not is empty."""
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


def verdict(table: Sequence[dict]) -> str:
    """How many cells agree with the paper, as a sentence."""
    compared = [line["within"] for line in table if line["within"]]
    return f"{compared.count('yes')} of {len(compared)} cells lie within the published ± std."


if __name__ == "__main__":
    define_table_flags("uac_table1")
    cli.run(main, __doc__)
