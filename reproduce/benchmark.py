"""Measures speed as ratios within one run, and checks metrics on real images.

Usage: python -m reproduce.benchmark metrics --data_dir=DIR

metrics: the Fréchet distance against scipy.linalg.sqrtm, PRD against a loop over scikit-learn,
Inception features against the bare network; then what the metrics say of real images of --dataset
against other real images. Both tables are written to --out as CSV files.
"""

from pathlib import Path

from absl import flags

from reproduce import _cli
from rumi_tf.config import RunConfig
from rumi_tf.files import write_csv
from rumi_tf.tables import aligned

_SECTION = {"module_name": "Benchmark"}
flags.DEFINE_enum(
    "dataset", "mnist", ["digits", "mnist", "fashion_mnist", "cifar10"],
    "Real images for the sanity table.", **_SECTION,
)  # fmt: skip
flags.DEFINE_string("data_dir", "", "TFDS directory of the data set.", **_SECTION)
flags.DEFINE_string(
    "cache_dir", "~/.cache/rumi_tf", "Directory that keeps trained classifiers.", **_SECTION
)
flags.DEFINE_integer("repetitions", 3, "Of which the shortest counts.", lower_bound=1, **_SECTION)
flags.DEFINE_string("out", "benchmark", "Directory for the tables.", **_SECTION)


def main(topic: str) -> None:
    """Measures, and prints every line when it is there."""
    wanted = flags.FLAGS
    out = Path(wanted.out).expanduser()
    _cli.check_output("out", str(out / "speed.csv"))
    config = RunConfig(
        dataset=wanted.dataset, data_dir=wanted.data_dir, cache_dir=wanted.cache_dir, split="even"
    )
    with _cli.quiet_import():
        from reproduce._benchmarks import metrics
    _TOPICS[topic](metrics, config, wanted.repetitions, out)


def _metrics(module, config: RunConfig, repetitions: int, out: Path) -> None:
    rows = []
    for comparison in module.comparisons(repetitions):
        rows.append(comparison.row())
        write_csv(out / "speed.csv", rows)
        print(
            f"{comparison.what}\n  {comparison.ours_seconds:8.2f} s  {comparison.ours}\n"
            f"  {comparison.other_seconds:8.2f} s  {comparison.other}\n"
            f"  ratio {comparison.ratio:.3f} ({comparison.limit})  {comparison.agreement}",
            flush=True,
        )
    table = module.sanity(config)
    write_csv(out / "sanity.csv", table)
    print(aligned([list(table[0]), *(list(row.values()) for row in table)]))
    print(out / "speed.csv")
    print(out / "sanity.csv")


_TOPICS = {"metrics": _metrics}

if __name__ == "__main__":
    _cli.run(main, __doc__, topics=tuple(_TOPICS))
