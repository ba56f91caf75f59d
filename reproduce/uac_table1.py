"""Table 1 of the UAC-GAN paper: squared MMD on a mixture of three Gaussians, over many runs.

Usage: python -m reproduce.uac_table1 --num_runs=100
       python -m reproduce.uac_table1 --flagfile=flags/uac_mixture/v3.flags --models=acgan

All runs of a model are trained at once. Finished runs under --runs_dir are reused; interrupted ones
resume at their last epoch. Writes to --out: runs.csv, a row per run and target with its provenance;
uac_table1.csv and uac_table1.md, mean and standard deviation over the runs next to the paper's
values and those of a perfect generator; times.csv, the training time of each model in seconds.
"""

import dataclasses

from absl import flags

from rumi_tf.experiments import uac_table1
from rumi_tf.utils import cli
from rumi_tf.utils.console import format_table, markdown
from rumi_tf.utils.io import write_csv, write_text

FILES = ("runs.csv", "uac_table1.csv", "uac_table1.md", "times.csv")


def main() -> None:
    """Trains the missing runs, then prints the tables and the paths of the files."""
    args = flags.FLAGS
    out = cli.path(args.out)
    names = uac_table1.check_models(args.models)
    cli.check_output("out", *(out / name for name in FILES))
    settings = uac_table1.given_settings(args)
    with cli.quiet_import():
        from rumi_tf.experiments import gaussians
    configs = [gaussians.config_for(name, **settings) for name in names]
    model_runs = list(uac_table1.train_all(configs))
    rows = [row for runs in model_runs for row in runs.rows]
    rows += [
        dataclasses.replace(row, objective="perfect", iteration=0, config_hash="")
        for row in gaussians.evaluate(configs[0], gaussians.perfect_points(configs[0]))
    ]
    table = uac_table1.summarise(rows)
    formatted = [uac_table1.as_text(line) for line in table]
    times, agreement = uac_table1.times(model_runs), uac_table1.agreement(table)
    with cli.writing_to("out", out):
        write_csv(out / "runs.csv", [dataclasses.asdict(row) for row in rows])
        write_csv(out / "uac_table1.csv", table)
        write_text(out / "uac_table1.md", f"{markdown(formatted)}\n{agreement}\n")
        write_csv(out / "times.csv", times)
    for lines in (formatted, times):
        print(format_table([list(lines[0]), *(list(line.values()) for line in lines)]))
    print(agreement)
    cli.print_paths(out / name for name in FILES)


if __name__ == "__main__":
    uac_table1.define_table_flags("uac_table1")
    cli.run(main, __doc__)
