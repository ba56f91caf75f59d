"""Cells of the Rumi-GAN paper's table and figures, and helpers of the commands that train them.

Importing this module does not load TensorFlow; making a cell does.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from rumi_tf.config.flags import given_flags
from rumi_tf.data.class_names import class_index, class_names
from rumi_tf.experiments.paper_settings import hyperparameters
from rumi_tf.utils.console import printable
from rumi_tf.utils.errors import InvalidInput

MODELS = {
    "lsgan": "LSGAN", "acgan": "ACGAN", "tacgan": "TAC-GAN", "cgan_pd": "CGAN-PD",
    "rumi_lsgan": "Rumi-LSGAN",
}  # fmt: skip
DATASETS = ("mnist", "cifar10", "celeba", "fashion_mnist", "digits")
# Generator updates of a run with an under-represented class, Section 5.
ITERATIONS = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 50_000, "celeba": 50_000}
SMOKE = {
    "iterations": 2, "width": 0.05, "batch_size": 8, "eval_samples": 50, "checkpoint_every": 2,
    "sample_every": 2,
}  # fmt: skip
# Fields that a grid sets for each cell; its commands have no flags for them.
CELL_FIELDS = ("dataset", "split", "minority_class", "positive_classes", "negative_classes",
           "attribute", "objective", "seed")  # fmt: skip


# ----- flags --------------------------------------------------------------------------------------


def define_run_flags(section: str, out: str) -> None:
    """Defines --jobs and --out.

    Args:
        section: heading in --help.
        out: default of --out.
    """
    flags.DEFINE_integer(
        "jobs", 1, "Number of runs at a time, which share the processor's cores.", lower_bound=1,
        module_name=section,
    )  # fmt: skip
    flags.DEFINE_string("out", out, "Output directory.", module_name=section)


def define_grid_flags(section: str, out: str) -> None:
    """Defines --jobs, --out, --seeds and --smoke; see `define_run_flags`."""
    define_run_flags(section, out)
    flags.DEFINE_list(
        "seeds", ["0"], "Seeds of the runs. The spread is over seeds.",
        module_name=section,
    )  # fmt: skip
    flags.DEFINE_boolean(
        "smoke", False, "Train tiny networks for two iterations, as a test. Other flags override "
        "its settings. The classifier of the metrics is trained once in full: about 2 minutes for "
        "MNIST and 20 for CIFAR-10 on two cores.",
        module_name=section,
    )  # fmt: skip


def check_names(flag: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Raises `InvalidInput` if `names` is empty or has an unknown name."""
    for name in names or [""]:
        if name not in known:
            raise InvalidInput(flag, f"{name!r} is not one of {', '.join(known)}")


def seeds(words: Sequence[str]) -> list[int]:
    """Numbers in --seeds, without duplicates.

    Raises:
        InvalidInput: not a list of numbers.
    """
    # Python cannot convert thousands of digits.
    if not words or not all(s.isdecimal() and len(s) <= 10 and int(s) < 2**31 for s in words):
        raise InvalidInput("seeds", "must be non-negative integers separated by commas")
    return list(dict.fromkeys(map(int, words)))


def overrides(smoke: bool) -> dict[str, Any]:
    """Fields of `RunConfig` that the command line or --smoke sets."""
    return {**(SMOKE if smoke else {}), **given_flags()}


# ----- cells --------------------------------------------------------------------------------------


def cells(
    task: Mapping[str, Any],
    place: Mapping[str, str],
    models: Iterable[str],
    numbers: Iterable[int],
    chosen: Mapping[str, Any],
    titles: Mapping[str, str] = MODELS,
    evaluations: int = 10,
) -> list:
    """A cell for each model and seed on one task.

    The number of evaluations is not part of a run's identity.

    Args:
        task: fields of `RunConfig` for the data and the number of iterations.
        place: position of the task in the table or figure.
        models: keys of `titles`.
        numbers: seeds.
        chosen: fields of `RunConfig` that override the task's.
        titles: names of the models.
        evaluations: default number of evaluations, the last one at the end.

    Returns:
        List of `rumi_tf.experiments.sweep.Cell`, with `model` and `run seed` in their places.

    Raises:
        InvalidInput: --eval_every is 0.
    """
    from rumi_tf.experiments import sweep

    numbers = list(numbers)
    fields = {**task, **chosen}
    fields.setdefault("eval_every", max(1, fields["iterations"] // evaluations))
    if not fields["eval_every"]:
        raise InvalidInput("eval_every", "must be at least 1, since evaluations are compared")
    return [
        sweep.Cell(
            sweep.objective_config(model, {**fields, "seed": seed}),
            {**place, "model": titles[model], "run seed": str(seed)},
        )
        for model in models
        for seed in numbers
    ]


def paper_cells(
    settings: str,
    task: Mapping[str, Any],
    place: Mapping[str, str],
    models: Iterable[str],
    numbers: Iterable[int],
    chosen: Mapping[str, Any],
) -> list:
    """Cells of `MODELS` on one task, with the settings of the paper or of its published code.

    Args:
        settings: one of `rumi_tf.experiments.paper_settings.SETTINGS`.
        task, place, models, numbers, chosen: see `cells`.
    """
    numbers = list(numbers)
    result = []
    for model in models:
        objective, fields = hyperparameters(settings, task["dataset"], model)
        titles = {objective: MODELS[model]}
        result += cells({**fields, **task}, place, [objective], numbers, chosen, titles)
    return result


def unbalanced_cells(
    flag: str,
    dataset: str,
    minority: str,
    models: Iterable[str],
    numbers: Iterable[int],
    chosen: Mapping[str, Any],
    settings: str = "paper",
) -> list:
    """Cells of one under-represented class (Section 5); see `paper_cells`.

    Raises:
        InvalidInput: unknown class, reported for `flag`.
    """
    task = unbalanced_task(flag, dataset, minority)
    place = {"data set": dataset, "class": task["minority_class"]}
    return paper_cells(settings, task, place, models, numbers, chosen)


def unbalanced_task(flag: str, dataset: str, minority: str) -> dict[str, Any]:
    """Fields of `RunConfig` for one under-represented class (Section 5).

    Args:
        flag: name of the flag with the class.
        dataset: one of `DATASETS`.
        minority: name or index of the class.

    Raises:
        InvalidInput: unknown class, reported for `flag`.
    """
    names = class_names(dataset)
    return {
        "dataset": dataset, "split": "unbalanced",
        "minority_class": names[class_index(flag, minority, names)],
        "iterations": ITERATIONS.get(dataset, 10_000),
    }  # fmt: skip


def is_published(outcome: Any, published: Any) -> bool:
    """Whether an outcome has the settings and the protocol of a paper's run.

    The seed, the data directory and the embedding may differ.

    Args:
        outcome: a `rumi_tf.experiments.sweep.Outcome` with rows.
        published: `RunConfig` of the paper's run.
    """
    from rumi_tf.evaluation.protocols import protocol_for

    ours, theirs = (
        {k: v for k, v in each.identity().items() if k != "seed"}
        for each in (outcome.cell.config, published)
    )
    row, protocol = outcome.rows[0], protocol_for(published)
    same_protocol = (row.protocol, row.n_generated) == (protocol.name, protocol.num_generated)
    return same_protocol and ours == theirs


# ----- running ------------------------------------------------------------------------------------


def run(cells: Sequence, jobs: int) -> list:
    """Trains unfinished cells and returns all outcomes; prints a line per cell on stderr."""
    from rumi_tf.experiments import sweep

    return sweep.run(cells, jobs, lambda line: print(printable(line), file=sys.stderr, flush=True))


def warn_mixed_sizes(outcomes: Iterable) -> None:
    """Warns on stderr if images of several sizes are compared, as in the published code."""
    sizes: dict[str, set[int]] = {}
    for outcome in outcomes:
        if outcome.rows:
            config = outcome.cell.config
            sizes.setdefault(config.dataset, set()).add(config.image_size)
    for dataset, several in sizes.items():
        if len(several) > 1:
            each = " and ".join(map(str, sorted(several)))
            print(
                f"{dataset}: images have {each} pixels. Each size has its own classifier and real "
                "images, so their metrics are not comparable; use one --image_size.",
                file=sys.stderr,
            )


def by_model(outcomes: Iterable) -> dict[tuple[str, str], list]:
    """(data set, model) -> outcomes of its cells that have rows, in order."""
    groups: dict[tuple[str, str], list] = {}
    for outcome in outcomes:
        if outcome.rows:
            place = outcome.cell.place
            groups.setdefault((place["data set"], place["model"]), []).append(outcome)
    return groups


def exit_if_failed(lines: Iterable[str]) -> None:
    """Prints failures on stderr and exits with code 1, if there are any."""
    lines = list(lines)
    if lines:
        print("\n".join(lines), file=sys.stderr)
        sys.exit(1)
