"""Measures speed relative to a baseline, and checks the metrics on real images.

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

train: an iteration of Rumi-LSGAN on the MNIST networks, against eager execution, fresh fakes,
float32 and XLA, and against the throughput of matrix products. input: producing batches against
training on them, for digits in memory and for JPEG files of CelebA's size. precision: runs of
flags/demo.flags in mixed_bfloat16 and in float32, with their losses and metrics; on a CPU without
bf16 arithmetic mixed_bfloat16 is slower, not faster. metrics: the Fréchet distance against
scipy.linalg.sqrtm, PRD against a loop over scikit-learn, Inception features against the bare
network; then the metrics of real images of --dataset against other real images. objectives: an
iteration of every objective against one of LSGAN, on the MNIST networks. mixture: runs on the
mixture of Gaussians, all at once against one after another. memory: peak memory of training, of
evaluating 10,000 and 100,000 images, and of training on 300 JPEG files and on as many as CelebA
has. cost: the hours of Table 1 of the Rumi-GAN paper, extrapolated from a few iterations and an
evaluation on each data set's networks. samples: the metrics of generators of known quality when
there are few real images. all: every topic in turn, each in its own process. Writes CSV files to
--out.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import flags

from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import write_csv

_SECTION: dict[str, Any] = {"module_name": "Benchmark"}
flags.DEFINE_enum(
    "dataset", "mnist", ["digits", "mnist", "fashion_mnist", "cifar10"],
    "Data set (topics metrics, samples).", **_SECTION,
)  # fmt: skip
flags.DEFINE_string("data_dir", "", "TFDS directory of the data set.", **_SECTION)
flags.DEFINE_string("cache_dir", "~/.cache/rumi_tf", "Cache of trained classifiers.", **_SECTION)
flags.DEFINE_integer(
    "repetitions", 3, "Repetitions. Tables show the median; of topic samples, the mean.",
    lower_bound=1, **_SECTION,
)  # fmt: skip
flags.DEFINE_string("out", "benchmark", "Output directory.", **_SECTION)
flags.DEFINE_list(
    "objectives", [],
    "Objectives or variants in flags/objectives (topic objectives). Default: all.", **_SECTION,
)  # fmt: skip
flags.DEFINE_float(
    "width", 1.0, "Width of the networks (topics train, input, objectives, cost).", **_SECTION
)
flags.DEFINE_integer(
    "batch_size", 100, "Images per role (topics train, input, objectives).", lower_bound=2,
    **_SECTION,
)  # fmt: skip
flags.DEFINE_integer(
    "iterations", 1200, "Iterations of each run (topic precision).", lower_bound=20, **_SECTION
)
flags.DEFINE_integer("num_runs", 100, "Runs at once (topic mixture).", lower_bound=1, **_SECTION)


def main(topic: str) -> None:
    """Runs the benchmarks of a topic and prints each line as it is measured."""
    out = cli.path(flags.FLAGS.out)
    cli.check_output("out", *(out / name for name in _TABLES[topic]))
    TOPICS[topic](flags.FLAGS, out)


def _train(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import training
    comparisons = training.comparisons(args.width, args.batch_size, args.repetitions)
    _report(comparisons, out / "train.csv")


def _input(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import feeding
    with tempfile.TemporaryDirectory() as directory:
        comparisons = feeding.comparisons(
            Path(directory), args.width, args.batch_size, args.repetitions
        )
        _report(comparisons, out / "input.csv")


def _precision(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import precision
    with tempfile.TemporaryDirectory() as directory:
        curves: list[dict[str, str]] = []
        rows = precision.runs(Path(directory), args.iterations, args.cache_dir, curves)
        _tabulate(rows, out / "precision.csv")
    paths = out / "precision_curves.csv", out / "precision.png"
    if curves:
        precision.save_curves(curves, *paths)
        cli.print_paths(paths)


def _metrics(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import metrics
    config = _real_images(args)
    metrics.check(config)
    _report(metrics.comparisons(args.repetitions), out / "speed.csv")
    _tabulate(metrics.sanity(config), out / "sanity.csv")


def _objectives(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import objectives
        from rumi_tf.experiments import sweep
    names = args.objectives or sweep.objective_names()
    comparisons = objectives.comparisons(names, args.width, args.batch_size, args.repetitions)
    _report(comparisons, out / "objectives.csv")


def _mixture(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import mixture
    _report(mixture.comparisons(args.num_runs, args.repetitions), out / "mixture.csv")


def _memory(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import memory
        from rumi_tf.evaluation.embeddings import cache_directory
    cache_directory(RunConfig(cache_dir=args.cache_dir))
    with tempfile.TemporaryDirectory() as directory:
        _tabulate(memory.peaks(Path(directory), args.cache_dir), out / "memory.csv")


def _cost(args: flags.FlagValues, out: Path) -> None:
    with cli.quiet_import():
        from reproduce._benchmarks import cost
    _tabulate(cost.rows(args.width, args.batch_size, args.repetitions), out / "cost.csv")


def _samples(args: flags.FlagValues, out: Path) -> None:
    _check_repetitions(args)
    with cli.quiet_import():
        from reproduce._benchmarks import samples
    rows = list(samples.table(_real_images(args), args.repetitions))
    write_csv(out / "samples.csv", rows)
    lines = samples.wide(rows)
    print(format_table([list(lines[0]), *(list(line.values()) for line in lines)]))
    print(out / "samples.csv")


def _all(args: flags.FlagValues, out: Path) -> None:
    # Fails before the first topic if a later one could not run.
    _check_repetitions(args)
    with cli.quiet_import():
        from reproduce._benchmarks import metrics, processes
    metrics.check(_real_images(args))
    section = args.flags_by_module_dict()[_SECTION["module_name"]]
    given = [flag.serialize() for flag in section if flag.present]
    with cli.sigterm_as_interrupt():
        paper_grid.exit_if_failed(
            processes.failures([topic for topic in TOPICS if topic != "all"], given)
        )


def _check_repetitions(args: flags.FlagValues) -> None:
    if args.repetitions < 2:
        raise InvalidInput("repetitions", "must be at least 2 to measure a spread")


def _real_images(args: flags.FlagValues) -> RunConfig:
    return RunConfig(
        dataset=args.dataset, data_dir=args.data_dir, cache_dir=args.cache_dir, split="even"
    )


def _report(comparisons: Iterable[Any], path: Path) -> None:
    """Prints each comparison and writes the table as soon as it is measured."""
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
    """Writes each row as soon as it is measured, then prints them as a table."""
    table = []
    for row in rows:
        table.append(row)
        write_csv(path, table)
    print(format_table([list(table[0]), *(list(row.values()) for row in table)]))
    print(path)


_TABLES = {
    "train": ["train.csv"], "input": ["input.csv"],
    "precision": ["precision.csv", "precision_curves.csv", "precision.png"],
    "metrics": ["speed.csv", "sanity.csv"], "objectives": ["objectives.csv"],
    "mixture": ["mixture.csv"], "memory": ["memory.csv"], "cost": ["cost.csv"],
    "samples": ["samples.csv"],
}  # fmt: skip
_TABLES["all"] = [name for names in _TABLES.values() for name in names]
TOPICS = {
    "train": _train, "input": _input, "precision": _precision, "metrics": _metrics,
    "objectives": _objectives, "mixture": _mixture, "memory": _memory, "cost": _cost,
    "samples": _samples, "all": _all,
}  # fmt: skip

if __name__ == "__main__":
    cli.run(main, __doc__, topics=tuple(TOPICS))
