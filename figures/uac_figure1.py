"""Samples of the UAC-GAN paper's models, one class per row, and their diversity within classes.

Usage: python -m figures.uac_figure1 --datasets=mnist --data_dir=DIR --out=pictures
       python -m figures.uac_figure1 --datasets=digits --iterations=800 --width=0.2 --batch_size=64

The runs are the cells of reproduce.uac_table2 with the first of --seeds; missing ones are trained.
The diversity of a class is the mean distance between two of its images in the embedding's features;
the class of a generated image is the label it was generated for. Writes to --out: uac_figure1.png
and .pdf, and uac_figure1.csv, the diversity of every class and model next to that of real images.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags

from figures._cases import TITLES
from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid, uac_table2
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table
from rumi_tf.utils.io import write_csv

METRIC = "intra_class_distance"


def main() -> None:
    """Trains the missing runs, draws the figure, and prints the table and the paths."""
    args = flags.FLAGS
    out = cli.path(args.out)
    paths = [out / f"uac_figure1.{kind}" for kind in ("png", "pdf", "csv")]
    cli.check_output("out", *paths)
    uac_table2.check(args)
    args.seeds = args.seeds[:1]
    with cli.quiet_import():
        from rumi_tf import plotting
        from rumi_tf.experiments import sweep
    panels, labels, lines = {}, {}, []
    missing: list[str] = []
    for dataset in dict.fromkeys(args.datasets):
        cells = uac_table2.cells_of(args, dataset)
        outcomes = paper_grid.run(cells, args.jobs)
        missing += sweep.failures(outcomes)
        done = {o.cell.place["model"]: o for o in outcomes if o.rows}
        if done:
            real, names, distances = _real(cells[0].config, args.num)
            title = TITLES[dataset]
            labels[title] = names
            panels[title] = {"real": real} | {
                model: _generated(outcome.cell.config, len(names), args.num)
                for model, outcome in done.items()
            }
            lines += diversity(dataset, distances, {m: o.rows for m, o in done.items()})
    if panels:
        lines = with_all_columns(lines)
        columns = list(dict.fromkeys(name for row in panels.values() for name in row))
        with cli.writing_to("out", out):
            for path in paths[:2]:
                plotting.save_panel_rows(path, panels, columns, args.num, labels)
            write_csv(paths[2], lines)
        print(format_table([list(lines[0]), *(list(line.values()) for line in lines)]))
        cli.print_paths(paths)
    paper_grid.exit_if_failed(missing)


def diversity(
    dataset: str, real: Mapping[str, float], models: Mapping[str, Sequence]
) -> list[dict[str, str]]:
    """Lines of the table: each class and the mean over classes, for real images and models.

    Args:
        dataset: name of the data set.
        real: class -> mean distance between two of its real images.
        models: model -> rows of results of its run.
    """
    values = {"real": {f"{METRIC}_{name}": value for name, value in real.items()}}
    values["real"][METRIC] = float(np.mean(list(real.values())))
    values |= {name: {row.metric: row.value for row in rows} for name, rows in models.items()}
    lines = []
    for title, metric in (*((name, f"{METRIC}_{name}") for name in real), ("mean", METRIC)):
        columns = {name: metrics.get(metric) for name, metrics in values.items()}
        texts = {name: "" if v is None else f"{v:.4g}" for name, v in columns.items()}
        lines.append({"data set": dataset, "class": title, **texts})
    return lines


def with_all_columns(lines: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The lines with the union of their columns; missing values are empty."""
    columns = dict.fromkeys(name for line in lines for name in line)
    return [{name: line.get(name, "") for name in columns} for line in lines]


def _real(config: RunConfig, num: int) -> tuple[np.ndarray, tuple[str, ...], dict[str, float]]:
    """Real images, `num` per class in order; the class names; and the mean distance by class."""
    from rumi_tf import metrics
    from rumi_tf.evaluation.evaluator import Evaluator
    from rumi_tf.training import build

    images, split = build.prepare(config)
    evaluator = Evaluator.for_run(config, images, split)
    order = evaluator.protocol.reference_indices(images.labels, split)
    labels = images.labels[order]
    kept = evaluator.reference.kept
    distances = metrics.intra_class_distances(kept, labels[: len(kept)])
    rows = [order[labels == k][:num] for k in range(len(images.class_names))]
    indices = np.concatenate([np.resize(row, num) for row in rows])
    by_name = {images.class_names[k]: distance for k, distance in distances.items()}
    return images.gather(indices).numpy(), images.class_names, by_name


def _generated(config: RunConfig, num_classes: int, num: int) -> np.ndarray:
    """Generated images, `num` per class in order, from the same noise for each class."""
    from rumi_tf.runs import outputs

    sampler = outputs.sampler_of(config)
    return np.concatenate(
        [sampler.sample(num, label=k, seed=config.seed) for k in range(num_classes)]
    )


if __name__ == "__main__":
    uac_table2.define_table_flags("figures_out", ("mnist",))
    flags.DEFINE_integer(
        "num", 10, "Images of each class.", lower_bound=1, upper_bound=100, module_name="Figure"
    )
    cli.run(main, __doc__)
