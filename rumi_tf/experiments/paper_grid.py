"""Cells of the Rumi-GAN paper's table and figures, and what the commands that run cells share.

Importing it is light; TensorFlow is loaded when the first cell is made.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from rumi_tf.config.flags import given_flags
from rumi_tf.data.class_names import class_index
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
# What a grid decides for each cell, and its commands therefore have no flags for.
DECIDED = ("dataset", "split", "minority_class", "positive_classes", "negative_classes",
           "attribute", "objective", "seed")  # fmt: skip


# ----- flags --------------------------------------------------------------------------------------


def define_run_flags(section: str, out: str) -> None:
    """Defines --jobs and --out.

    Args:
        section: heading they are listed under.
        out: default of --out.
    """
    flags.DEFINE_integer(
        "jobs", 1, "Runs at a time; they share the processor's cores.", lower_bound=1,
        module_name=section,
    )  # fmt: skip
    flags.DEFINE_string("out", out, "Directory for what is written.", module_name=section)


def define_grid_flags(section: str, out: str) -> None:
    """Defines --jobs, --out, --seeds and --smoke; see `define_run_flags`."""
    define_run_flags(section, out)
    flags.DEFINE_list(
        "seeds", ["0"], "Seeds of the runs; the spread that is shown is over them.",
        module_name=section,
    )  # fmt: skip
    flags.DEFINE_boolean(
        "smoke", False, "A few tiny iterations per run, to try it out; flags take the place of its "
        "settings. The classifier that "
        "measures is trained as ever, once: on two cores about 2 minutes for MNIST, 20 for "
        "CIFAR-10.",
        module_name=section,
    )  # fmt: skip


def check_names(flag: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Raises `InvalidInput` unless there are names, all of them known."""
    for name in names or [""]:
        if name not in known:
            raise InvalidInput(flag, f"{name!r} is not one of {', '.join(known)}")


def seeds(words: Sequence[str]) -> list[int]:
    """The numbers that --seeds names, each once.

    Raises:
        InvalidInput: one is not a number.
    """
    # Python refuses to make numbers of thousands of digits.
    if not words or not all(s.isdecimal() and len(s) <= 10 and int(s) < 2**31 for s in words):
        raise InvalidInput("seeds", "needs numbers from 0, separated by commas")
    return list(dict.fromkeys(map(int, words)))


def given(smoke: bool) -> dict[str, Any]:
    """The fields of `RunConfig` that were given on the command line, or by --smoke."""

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
    """A cell for each model and seed on one task, evaluated `evaluations` times unless flags say.

    How often is no part of what a run is, so that one which was evaluated otherwise is reused.

    Args:
        task: fields of `RunConfig`: which images, and how many iterations.
        place: where the task stands in the table or figure.
        models: keys of `titles`.
        numbers: the seeds.
        chosen: fields of `RunConfig` that take the place of the task's.
        titles: what the models are called.
        evaluations: how often by default, the last one at the end.

    Returns:
        `rumi_tf.experiments.sweep.Cell`, with `model` and `run seed` added to their places.

    Raises:
        InvalidInput: the runs would not be evaluated.
    """
    from rumi_tf.experiments import sweep

    numbers = list(numbers)
    fields = {**task, **chosen}
    fields.setdefault("eval_every", max(1, fields["iterations"] // evaluations))
    if not fields["eval_every"]:
        raise InvalidInput("eval_every", "must be at least 1: results are what is compared here")
    return [
        sweep.Cell(
            sweep.objective_config(model, {**fields, "seed": seed}),
            {**place, "model": titles[model], "run seed": str(seed)},
        )
        for model in models
        for seed in numbers
    ]


def papers_cells(
    settings: str,
    task: Mapping[str, Any],
    place: Mapping[str, str],
    models: Iterable[str],
    numbers: Iterable[int],
    chosen: Mapping[str, Any],
) -> list:
    """The cells of `MODELS` on one task, by the paper's text or by its published code.

    Args:
        settings: one of `rumi_tf.experiments.paper_settings.SETTINGS`.
        task, place, models, numbers, chosen: see `cells`.
    """
    numbers = list(numbers)
    found = []
    for model in models:
        objective, fields = hyperparameters(settings, task["dataset"], model)
        titles = {objective: MODELS[model]}
        found += cells({**fields, **task}, place, [objective], numbers, chosen, titles)
    return found


def class_names(dataset: str) -> tuple[str, ...]:
    """The classes of a data set that may be under-represented."""
    from rumi_tf.data import celeba, loaders

    if dataset == "celeba":
        return celeba.class_names("Male")
    return loaders.CLASS_NAMES.get(dataset, loaders.CLASS_NAMES["mnist"])


def unbalanced_cells(
    flag: str,
    dataset: str,
    minority: str,
    models: Iterable[str],
    numbers: Iterable[int],
    chosen: Mapping[str, Any],
    settings: str = "paper",
) -> list:
    """The cells of one under-represented class, Section 5; see `papers_cells`.

    Raises:
        InvalidInput: naming `flag`: there is no such class.
    """
    task = unbalanced_task(flag, dataset, minority)
    place = {"data set": dataset, "class": task["minority_class"]}
    return papers_cells(settings, task, place, models, numbers, chosen)


def unbalanced_task(flag: str, dataset: str, minority: str) -> dict[str, Any]:
    """Fields of `RunConfig` for learning one under-represented class, Section 5.

    Args:
        flag: that names the class.
        dataset: one of `DATASETS`.
        minority: name or index of the class.

    Raises:
        InvalidInput: naming `flag`: there is no such class.
    """
    names = class_names(dataset)
    return {
        "dataset": dataset, "split": "unbalanced",
        "minority_class": names[class_index(flag, minority, names)],
        "iterations": ITERATIONS.get(dataset, 10_000),
    }  # fmt: skip


def is_published(found: Any, published: Any) -> bool:
    """Whether an outcome is of a paper's settings and measured by its protocol.

    The seed, the place of the data and the embedding may be others.

    Args:
        found: a `rumi_tf.experiments.sweep.Outcome` with results.
        published: the `RunConfig` of the paper's run.
    """
    from rumi_tf.evaluation.protocols import protocol_for

    ours, theirs = (
        {k: v for k, v in each.identity().items() if k not in ("seed", "data_dir")}
        for each in (found.cell.config, published)
    )
    row, protocol = found.rows[0], protocol_for(published)
    measured = (row.protocol, row.n_generated) == (protocol.name, protocol.num_generated)
    return measured and ours == theirs


# ----- running ------------------------------------------------------------------------------------


def run(wanted: Sequence, jobs: int) -> list:
    """Outcomes of the cells, trained where they are missing; a line on stderr for each."""
    from rumi_tf.experiments import sweep

    return sweep.run(wanted, jobs, lambda line: print(printable(line), file=sys.stderr, flush=True))


def tell_unlike(outcomes: Iterable) -> None:
    """Says on stderr where images of several sizes are compared, as in the published code."""
    sizes: dict[str, set[int]] = {}
    for found in outcomes:
        if found.rows:
            config = found.cell.config
            sizes.setdefault(config.dataset, set()).add(config.image_size)
    for dataset, several in sizes.items():
        if len(several) > 1:
            each = " and ".join(map(str, sorted(several)))
            print(
                f"{dataset}: images of {each} pixels, each size with a classifier and real images "
                "of its own, so the numbers do not compare; give all one --image_size",
                file=sys.stderr,
            )


def by_model(outcomes: Iterable) -> dict[tuple[str, str], list]:
    """(data set, model) -> those outcomes of its cells that have results, in their order."""
    groups: dict[tuple[str, str], list] = {}
    for found in outcomes:
        if found.rows:
            place = found.cell.place
            groups.setdefault((place["data set"], place["model"]), []).append(found)
    return groups


def end(lines: Iterable[str]) -> None:
    """Prints what is missing on stderr and ends the process with code 1, if anything is."""
    lines = list(lines)
    if lines:
        print("\n".join(lines), file=sys.stderr)
        sys.exit(1)
