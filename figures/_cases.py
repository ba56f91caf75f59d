"""The tasks of Figures 2 to 4 of the Rumi-GAN paper: their cells, and the results of those.

Importing this module does not load TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from rumi_tf.config.flags import flagfile_fields
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.paths import FLAGFILES

if TYPE_CHECKING:
    import numpy as np

    from rumi_tf.experiments.sweep import Cell, Outcome

# Section 4.2; the keys are names of files in flags/cases.
SUBSETS = {
    "mnist_even": "MNIST, even digits",
    "mnist_overlap": "MNIST, overlapping classes",
    "fashion_overlap": "Fashion-MNIST, overlapping classes",
}
SUBSET_MODELS = ("lsgan", "acgan", "rumi_lsgan")
# Section 5, as DATASET_CLASS.
UNBALANCED = ("mnist_5", "celeba_Female", "cifar10_horse")
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10",
          "celeba": "CelebA", "digits": "scikit-learn's digits"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A task on which models are compared.

    Attributes:
        name: name in --cases.
        title: title in figures.
        cells: cells of all models and seeds.
        num_images: training images of the class; `None` if all cases have the same number.
    """

    name: str
    title: str
    cells: Sequence["Cell"]
    num_images: int | None = None

    @property
    def heading(self) -> str:
        """The title, with the number of images if cases differ in it."""
        return f"{self.title}: {self.num_images:,} images" if self.num_images else self.title


@dataclasses.dataclass(frozen=True)
class Real:
    """Real images of the positive classes.

    Attributes:
        images: (n, H, W, C) float32 in [-1, 1], a sample.
        count: number of training images.
        classes: labels of the positive classes.
    """

    images: "np.ndarray"
    count: int
    classes: Sequence[int]


@dataclasses.dataclass(frozen=True)
class CaseResults:
    """Results of a case.

    Attributes:
        case: the case.
        outcomes: outcomes of the cells with results, in order; at least one.
        real: real images, if requested.
    """

    case: Case
    outcomes: Sequence["Outcome"]
    real: Real | None


def subset_cases(
    names: Sequence[str], seeds: Sequence[int], given: Mapping[str, Any], settings: str = "paper"
) -> list[Case]:
    """Cases of `SUBSETS`: some classes are positive, some negative.

    Args:
        names: keys of `SUBSETS`.
        seeds: seeds of the runs.
        given: fields of `RunConfig` that override those of the cases.
        settings: one of `rumi_tf.experiments.paper_settings.SETTINGS`.

    Raises:
        InvalidInput: a setting is invalid.
    """

    cases = []
    for name in dict.fromkeys(names):
        task = flagfile_fields(FLAGFILES / "cases" / f"{name}.flags")
        cells = paper_grid.paper_cells(settings, task, {"case": name}, SUBSET_MODELS, seeds, given)
        cases.append(Case(name, SUBSETS[name], cells))
    return cases


def unbalanced_cases(
    names: Sequence[str], seeds: Sequence[int], given: Mapping[str, Any], settings: str = "paper"
) -> list[Case]:
    """Cases of Table 1 and Figure 4: five models that learn an under-represented class.

    Args:
        names: DATASET_CLASS, such as `mnist_5`, for any data set and class of Table 1.
        seeds: seeds of the runs.
        given: fields of `RunConfig` that override those of the cases.
        settings: one of `rumi_tf.experiments.paper_settings.SETTINGS`.

    Raises:
        InvalidInput: a case is unknown, or a setting is invalid.
    """
    cases = {}
    for name in names:
        dataset, minority = dataset_and_class(name)
        cells = paper_grid.unbalanced_cells(
            "cases", dataset, minority, paper_grid.MODELS, seeds, given, settings
        )
        minority = cells[0].config.minority_class
        title = class_title(dataset, minority)
        cases[title] = Case(f"{dataset}_{minority}", title, cells)
    return list(cases.values())


def class_title(dataset: str, minority: str) -> str:
    """Title of a data set and one of its classes."""
    return f"{TITLES[dataset]}, {'digit ' if minority.isdecimal() else ''}{minority}"


def check_unbalanced(names: Sequence[str]) -> None:
    """Raises `InvalidInput` unless `names` are data sets of Table 1, each with a class."""
    for name in names or [""]:
        dataset_and_class(name)


def dataset_and_class(name: str) -> tuple[str, str]:
    """Splits DATASET_CLASS.

    Raises:
        InvalidInput: `name` is not the name of a case.
    """
    dataset, _, minority = name.rpartition("_")
    if dataset not in paper_grid.DATASETS or not minority:
        known = ", ".join((*UNBALANCED, "digits_5"))
        raise InvalidInput("cases", f"{name!r} is not DATASET_CLASS, such as {known}")
    return dataset, minority


def make_figure(
    args: flags.FlagValues,
    names: Sequence[str],
    make_cases: Callable[[Sequence[str], Sequence[int], Mapping[str, Any], str], list[Case]],
    save: Callable[[Path, list["CaseResults"]], list[Path]],
    num: int = 0,
) -> None:
    """Trains or reuses the runs, draws, prints the paths of the files, and reports missing cells.

    Args:
        args: the flags; --cases is already checked.
        names: names of the files that `save` writes to --out.
        make_cases: (case names, seeds, `RunConfig` fields from the flags, settings) -> cases;
            `settings` is one of `rumi_tf.experiments.paper_settings.SETTINGS`.
        save: (directory, results) -> paths of the files written there.
        num: number of real images to draw.
    """
    out = cli.path(args.out)
    cli.check_output("out", *(out / name for name in names))
    seeds = paper_grid.seeds(args.seeds)
    with cli.quiet_import():
        import tensorflow  # noqa: F401 - loaded here to keep its start-up notes off stderr
    settings = getattr(args, "settings", "paper")  # few_images has no --settings
    cases = make_cases(args.cases, seeds, paper_grid.overrides(args.smoke), settings)
    results, missing = find(cases, args.jobs, num)
    if results:
        with cli.writing_to("out", out):
            cli.print_paths(save(out, results))
    paper_grid.warn_mixed_sizes(outcome for result in results for outcome in result.outcomes)
    paper_grid.exit_if_failed(missing)


def find(cases: Sequence[Case], jobs: int, num: int = 0) -> tuple[list[CaseResults], list[str]]:
    """Trains the missing runs of all cases whose data is available.

    Args:
        cases: the cases.
        jobs: number of runs at a time.
        num: number of real images; with 0, no data is read if all runs are finished.

    Returns:
        The results, and a line for each case and cell without one.
    """
    from rumi_tf.experiments import sweep

    real, missing = {}, []
    for case in cases:
        try:
            needed = num or not all(map(sweep.finished, case.cells))
            real[case.name] = _real(case, num) if needed else None
        except InvalidInput as error:
            if error.flag != "data_dir":
                raise
            missing.append(f"{case.name}: {error}")
    outcomes = paper_grid.run([c for case in cases if case.name in real for c in case.cells], jobs)
    missing += sweep.failures(outcomes)
    results = []
    for case in cases:
        members = [o for o in outcomes if o.rows and any(o.cell is cell for cell in case.cells)]
        if members:
            results.append(CaseResults(case, members, real[case.name]))
    return results, missing


def _real(case: Case, num: int) -> Real:
    """Reads the real images, which all cells of a case share."""
    from rumi_tf.training import build

    config = case.cells[0].config
    images, split = build.prepare(config)
    return Real(
        build.real_positives(images, split, num, config.seed),
        len(split.indices["positive"]),
        split.positive_classes,
    )
