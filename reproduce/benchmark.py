"""Measures speed as ratios within one run, and checks metrics on real images.

Usage: python -m reproduce.benchmark train
       python -m reproduce.benchmark input
       python -m reproduce.benchmark precision
       python -m reproduce.benchmark metrics --data_dir=DIR
       python -m reproduce.benchmark objectives
       python -m reproduce.benchmark mixture --num_runs=100
       python -m reproduce.benchmark memory
       python -m reproduce.benchmark cost
       python -m reproduce.benchmark samples --dataset=digits
       python -m reproduce.benchmark all --data_dir=DIR

train: an iteration of Rumi-LSGAN on the MNIST networks, against itself run eagerly, with fresh
fakes, in float32 and by XLA, against PyTorch if that is installed, and against the rate of products
of matrices. input: batches alone against the iteration, of digits in memory and of JPEG files of
CelebA's size. precision: runs of flags/demo.flags in mixed_bfloat16 and in float32, their losses
and what is measured of their images; on a CPU without bf16 arithmetic mixed_bfloat16 is slower, not
faster. metrics: the Fréchet distance against scipy.linalg.sqrtm, PRD against a loop over scikit-
learn, Inception features against the bare network; then what the metrics say of real images of
--dataset against other real images. objectives: an iteration of every objective against one of
LSGAN, on the MNIST networks. mixture: runs on the mixture of Gaussians, all at once against one
after another. memory: the peak of training, of evaluating 10,000 and 100,000 images, and of
training on 300 JPEG files and on as many as CelebA has. cost: the hours of Table 1 of the Rumi-GAN
paper, extrapolated from a few iterations and an evaluation on each data set's networks. samples:
what the metrics say of generators of known quality when there are few real images. all: every topic
in turn, each as a process of its own. Tables are written to --out as CSV files.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import aligned
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv

_SECTION: dict[str, Any] = {"module_name": "Benchmark"}
flags.DEFINE_enum(
    "dataset", "mnist", ["digits", "mnist", "fashion_mnist", "cifar10"],
    "Real images for the sanity table.", **_SECTION,
)  # fmt: skip
flags.DEFINE_string("data_dir", "", "TFDS directory of the data set.", **_SECTION)
flags.DEFINE_string(
    "cache_dir", "~/.cache/rumi_tf", "Directory that keeps trained classifiers.", **_SECTION
)
flags.DEFINE_integer(
    "repetitions",
    3,
    "Of which the median counts; of topic samples the mean.",
    lower_bound=1,
    **_SECTION,
)
flags.DEFINE_string("out", "benchmark", "Directory for the tables.", **_SECTION)
flags.DEFINE_list(
    "objectives", [], "Names of files in flags/objectives (topic objectives). Default: all.",
    **_SECTION,
)  # fmt: skip
flags.DEFINE_float(
    "width", 1.0, "Width of the networks (topics train, input, objectives, cost).", **_SECTION
)
flags.DEFINE_integer(
    "batch_size", 100, "Images per role (topics train, input, objectives).", lower_bound=2,
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "iterations", 1200, "Of each run (topic precision).", lower_bound=20, **_SECTION
)
flags.DEFINE_integer("num_runs", 100, "Runs at once (topic mixture).", lower_bound=1, **_SECTION)


def main(topic: str) -> None:
    """Measures, and prints every line when it is there."""
    out = cli.path(flags.FLAGS.out)
    cli.check_output("out", *(out / name for name in _TABLES[topic]))
    _TOPICS[topic](flags.FLAGS, out)


def _train(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import training
    found = training.comparisons(wanted.width, wanted.batch_size, wanted.repetitions)
    _tell(found, out / "train.csv")
    if training.pytorch is None:
        print("PyTorch is not installed: there is no line for it")


def _input(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import feeding
    with tempfile.TemporaryDirectory() as place:
        found = feeding.comparisons(
            Path(place), wanted.width, wanted.batch_size, wanted.repetitions
        )
        _tell(found, out / "input.csv")


def _precision(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import precision
    with tempfile.TemporaryDirectory() as place:
        curves: list[dict[str, str]] = []
        rows = precision.runs(Path(place), wanted.iterations, wanted.cache_dir, curves)
        _tabulate(rows, out / "precision.csv")
    paths = out / "precision_curves.csv", out / "precision.png"
    if curves:
        precision.save_curves(curves, *paths)
        cli.show(paths)


def _metrics(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import metrics
    config = _real_images(wanted)
    metrics.check(config)
    _tell(metrics.comparisons(wanted.repetitions), out / "speed.csv")
    _tabulate(metrics.sanity(config), out / "sanity.csv")


def _objectives(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import objectives
        from rumi_tf.experiments import sweep
    names = wanted.objectives or sweep.objective_names()
    found = objectives.comparisons(names, wanted.width, wanted.batch_size, wanted.repetitions)
    _tell(found, out / "objectives.csv")


def _mixture(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import mixture
    _tell(mixture.comparisons(wanted.num_runs, wanted.repetitions), out / "mixture.csv")


def _memory(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import memory
        from rumi_tf.evaluation.embeddings import cache_directory
    cache_directory(RunConfig(cache_dir=wanted.cache_dir))
    with tempfile.TemporaryDirectory() as place:
        _tabulate(memory.peaks(Path(place), wanted.cache_dir), out / "memory.csv")


def _cost(wanted: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import cost
    _tabulate(cost.rows(wanted.width, wanted.batch_size, wanted.repetitions), out / "cost.csv")


def _samples(wanted: flags.FlagValues, out: Path) -> None:
    _check_repetitions(wanted)
    with cli.quiet_import():
        from reproduce._benchmarks import samples
    rows = list(samples.table(_real_images(wanted), wanted.repetitions))
    write_csv(out / "samples.csv", rows)
    lines = samples.wide(rows)
    print(aligned([list(lines[0]), *(list(line.values()) for line in lines)]))
    print(out / "samples.csv")


def _all(wanted: flags.FlagValues, out: Path) -> None:
    # What would stop a topic is told before the first one takes its time.
    _check_repetitions(wanted)
    with cli.quiet_import():
        from reproduce._benchmarks import metrics, processes
    metrics.check(_real_images(wanted))
    own = wanted.flags_by_module_dict()[_SECTION["module_name"]]
    given = [flag.serialize() for flag in own if flag.present]
    with cli.terminable():
        paper_grid.end(processes.failures([topic for topic in _TOPICS if topic != "all"], given))


def _check_repetitions(wanted: flags.FlagValues) -> None:
    if wanted.repetitions < 2:
        raise InvalidInput("repetitions", "must be at least 2: a spread is what is measured")


def _real_images(wanted: flags.FlagValues) -> RunConfig:
    return RunConfig(
        dataset=wanted.dataset, data_dir=wanted.data_dir, cache_dir=wanted.cache_dir, split="even"
    )


def _tell(comparisons: Iterable[Any], path: Path) -> None:
    """Prints and writes every line as soon as it is there."""
    rows = []
    for comparison in comparisons:
        rows.append(comparison.row())
        write_csv(path, rows)
        print(
            f"{comparison.what}\n  {comparison.ours_seconds:8.3f} s  {comparison.ours}\n"
            f"  {comparison.other_seconds:8.3f} s  {comparison.other}\n"
            f"  ratio {comparison.ratio:.3f} ({comparison.limit})  {comparison.agreement}",
            flush=True,
        )
    print(path)


def _tabulate(rows: Iterable[Mapping[str, str]], path: Path) -> None:
    """Writes every row as soon as it is there, and prints them all as a table."""
    found = []
    for row in rows:
        found.append(row)
        write_csv(path, found)
    print(aligned([list(found[0]), *(list(row.values()) for row in found)]))
    print(path)


_TABLES = {
    "train": ["train.csv"], "input": ["input.csv"],
    "precision": ["precision.csv", "precision_curves.csv", "precision.png"],
    "metrics": ["speed.csv", "sanity.csv"], "objectives": ["objectives.csv"],
    "mixture": ["mixture.csv"], "memory": ["memory.csv"], "cost": ["cost.csv"],
    "samples": ["samples.csv"],
}  # fmt: skip
_TABLES["all"] = [name for names in _TABLES.values() for name in names]
_TOPICS = {
    "train": _train, "input": _input, "precision": _precision, "metrics": _metrics,
    "objectives": _objectives, "mixture": _mixture, "memory": _memory, "cost": _cost,
    "samples": _samples, "all": _all,
}  # fmt: skip

if __name__ == "__main__":
    cli.run(main, __doc__, topics=tuple(_TOPICS))
