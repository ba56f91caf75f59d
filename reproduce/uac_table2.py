"""Table 2 of the UAC-GAN paper: Inception score and FID of conditional models of images.

Usage: python -m reproduce.uac_table2 --datasets=mnist --data_dir=DIR --seeds=0,1,2
       python -m reproduce.uac_table2 --datasets=digits --iterations=800 --width=0.2 --batch_size=64
       python -m reproduce.uac_table2 --embedding=inception_299

A cell is a data set, a model and a seed: one run of reproduce.train under --runs_dir on all images
with their classes, with the networks and settings of flags/uac_authors_code.flags. Takes the flags
of reproduce.train, which apply to all cells. 10,240 images are compared with all training images,
in the classifier's features by default and in the paper's with --embedding=inception_299. Finished
cells are reused and interrupted ones resumed. Writes to --out: cells.csv, a row per cell and metric
with its provenance; uac_table2.csv and uac_table2.md, mean and standard deviation over the seeds
next to the paper's values, with the difference if embedding, networks and budget are the paper's.
"""

import dataclasses

from absl import flags

from rumi_tf.experiments import paper_grid, uac_table2
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table, markdown, without_empty_columns
from rumi_tf.utils.io import write_csv, write_text

FILES = ("cells.csv", "uac_table2.csv", "uac_table2.md")


def main() -> None:
    """Trains the missing cells, then prints the table and the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    cli.check_output("out", *(out / name for name in FILES))
    uac_table2.check(args)
    with cli.quiet_import():
        from rumi_tf.experiments import sweep
    cells = [
        cell
        for dataset in dict.fromkeys(args.datasets)
        for cell in uac_table2.cells_of(args, dataset)
    ]
    outcomes = paper_grid.run(cells, args.jobs)
    rows = [{**o.cell.place, **dataclasses.asdict(row)} for o in outcomes for row in o.rows]
    table = without_empty_columns(uac_table2.summarise(outcomes))
    paths = [out / name for name in FILES]
    with cli.writing_to("out", out):
        write_csv(paths[0], rows)
        write_csv(paths[1], table)
        write_text(paths[2], markdown(table) if table else "")
    if table:
        print(format_table([list(table[0]), *(list(line.values()) for line in table)]))
    cli.print_paths(paths)
    paper_grid.exit_if_failed(sweep.failures(outcomes))


if __name__ == "__main__":
    uac_table2.define_table_flags("uac_table2", ("mnist", "cifar10"))
    cli.run(main, __doc__)
