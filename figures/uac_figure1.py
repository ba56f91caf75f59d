"""Samples of the UAC-GAN paper's models, a class per row, and how different those of a class are.

Usage: python -m figures.uac_figure1 --datasets=mnist --data_dir=DIR --out=pictures
       python -m figures.uac_figure1 --datasets=digits --iterations=800 --width=0.2 --batch_size=64

The runs are the cells of reproduce.uac_table2, of the first of --seeds; missing ones are trained.
Diversity within a class is the mean distance between two of its images in the features of the
embedding; for generated images the class is the one that was asked for. Writes to --out:
uac_figure1.png and .pdf, and uac_figure1.csv, the diversity of every class and model beside that
of the real images.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags

from figures._cases import TITLES
from reproduce import uac_table2
from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.console import aligned
from rumi_tf.utils.io import write_csv

METRIC = "intra_class_distance"


def define_own_flags() -> None:
    """Defines the flags of the command."""
    uac_table2.define_table_flags("figures_out", ("mnist",))
    flags.DEFINE_integer(
        "num", 10, "Images of each class.", lower_bound=1, upper_bound=100, module_name="Figure"
    )


def main() -> None:
    """Trains or reuses the runs, draws, and prints what was written."""
    wanted = flags.FLAGS
    out = cli.path(wanted.out)
    paths = [out / f"uac_figure1.{kind}" for kind in ("png", "pdf", "csv")]
    cli.check_output("out", *paths)
    uac_table2.check(wanted)
    wanted.seeds = wanted.seeds[:1]
    with cli.quiet_import():
        from rumi_tf import plotting
        from rumi_tf.experiments import sweep
    panels, labels, lines = {}, {}, []
    missing: list[str] = []
    for dataset in dict.fromkeys(wanted.datasets):
        cells = uac_table2.cells_of(wanted, dataset)
        outcomes = paper_grid.run(cells, wanted.jobs)
        missing += sweep.failures(outcomes)
        done = {o.cell.place["model"]: o for o in outcomes if o.rows}
        if done:
            real, names, distances = _real(cells[0].config, wanted.num)
            title = TITLES[dataset]
            labels[title] = names
            panels[title] = {"real": real} | {
                model: _generated(found.cell.config, len(names), wanted.num)
                for model, found in done.items()
            }
            lines += diversity(dataset, distances, {m: found.rows for m, found in done.items()})
    if panels:
        lines = with_all_columns(lines)
        columns = list(dict.fromkeys(name for row in panels.values() for name in row))
        with cli.writing_to("out", out):
            for path in paths[:2]:
                plotting.save_panel_rows(path, panels, columns, wanted.num, labels)
            write_csv(paths[2], lines)
        print(aligned([list(lines[0]), *(list(line.values()) for line in lines)]))
        cli.show(paths)
    paper_grid.end(missing)


def diversity(
    dataset: str, real: Mapping[str, float], models: Mapping[str, Sequence]
) -> list[dict[str, str]]:
    """Lines of the table: each class, and the mean over the classes, for data and models.

    Args:
        dataset: what to call it.
        real: class -> distance between two real images of it.
        models: name -> rows of results of its run.
    """
    found = {"real": {f"{METRIC}_{name}": value for name, value in real.items()}}
    found["real"][METRIC] = float(np.mean(list(real.values())))
    found |= {name: {row.metric: row.value for row in rows} for name, rows in models.items()}
    lines = []
    for title, metric in (*((name, f"{METRIC}_{name}") for name in real), ("mean", METRIC)):
        values = {name: known.get(metric) for name, known in found.items()}
        shown = {name: "" if v is None else f"{v:.4g}" for name, v in values.items()}
        lines.append({"data set": dataset, "class": title, **shown})
    return lines


def with_all_columns(lines: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The lines with the columns of any of them; a model that one lacks is empty there."""
    columns = dict.fromkeys(name for line in lines for name in line)
    return [{name: line.get(name, "") for name in columns} for line in lines]


def _real(config: RunConfig, num: int) -> tuple[np.ndarray, tuple[str, ...], dict[str, float]]:
    """Real images, a class per row; the classes; and the distance between two images by class."""
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
    shown = np.concatenate([np.resize(row, num) for row in rows])
    named = {images.class_names[k]: distance for k, distance in distances.items()}
    return images.gather(shown).numpy(), images.class_names, named


def _generated(config: RunConfig, num_classes: int, num: int) -> np.ndarray:
    """What a run's generator makes of the same noise in every row."""
    from rumi_tf.runs import outputs

    sampler = outputs.sampler_of(config)
    return np.concatenate([sampler.sample(num, config.seed, k) for k in range(num_classes)])


if __name__ == "__main__":
    define_own_flags()
    cli.run(main, __doc__)
