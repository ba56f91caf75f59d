"""The tasks of Figures 2 to 4 of the Rumi-GAN paper: their cells, and what there is of each.

Importing it is light; TensorFlow is loaded when the first cell is made.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from rumi_tf.config.flags import FLAGFILES, flagfile_fields
from rumi_tf.experiments import paper_grid
from rumi_tf.utils import cli
from rumi_tf.utils.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

    from rumi_tf.experiments.sweep import Cell, Outcome

# Names of files in flags/cases; Section 4.2.
SUBSETS = {
    "mnist_even": "MNIST, even digits",
    "mnist_overlap": "MNIST, overlapping classes",
    "fashion_overlap": "Fashion-MNIST, overlapping classes",
}
SUBSET_MODELS = ("lsgan", "acgan", "rumi_lsgan")
# DATASET_CLASS; Section 5.
UNBALANCED = ("mnist_5", "celeba_Female", "cifar10_horse")
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10",
          "celeba": "CelebA", "digits": "scikit-learn's digits"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A task on which models are compared.

    Attributes:
        name: as in --cases.
        title: in words.
        cells: of every model and seed.
        num_images: training images of the class; `None` if all cases have the same number.
    """

    name: str
    title: str
    cells: Sequence["Cell"]
    num_images: int | None = None

    @property
    def heading(self) -> str:
        """The title, with the number of images if cases differ by it."""
        return f"{self.title}: {self.num_images:,} images" if self.num_images else self.title


@dataclasses.dataclass(frozen=True)
class Real:
    """Images that are to be learnt.

    Attributes:
        images: (n, H, W, C) float32 in [-1, 1], some of them.
        count: how many there are for training.
        classes: their labels.
    """

    images: "np.ndarray"
    count: int
    classes: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Found:
    """What there is of a case.

    Attributes:
        case: the case.
        outcomes: of the cells that have results, in their order; at least one.
        real: the data, if images were asked for.
    """

    case: Case
    outcomes: Sequence["Outcome"]
    real: Real | None


def subset_cases(
    names: Sequence[str], seeds: Sequence[int], chosen: Mapping[str, Any], settings: str = "paper"
) -> list[Case]:
    """Cases of `SUBSETS`: some classes are positive, some negative.

    Args:
        names: keys of `SUBSETS`.
        seeds: of the runs.
        chosen: fields of `RunConfig` that take the place of the cases' own.
        settings: one of `rumi_tf.experiments.paper_settings.SETTINGS`.

    Raises:
        InvalidInput: a setting is not admissible.
    """

    found = []
    for name in dict.fromkeys(names):
        task = flagfile_fields(FLAGFILES / "cases" / f"{name}.flags")
        cells = paper_grid.papers_cells(
            settings, task, {"case": name}, SUBSET_MODELS, seeds, chosen
        )
        found.append(Case(name, SUBSETS[name], cells))
    return found


def unbalanced_cases(
    names: Sequence[str], seeds: Sequence[int], chosen: Mapping[str, Any], settings: str = "paper"
) -> list[Case]:
    """Cases of Table 1 and Figure 4: five models that learn an under-represented class.

    Args:
        names: DATASET_CLASS, such as `mnist_5`; any cell of Table 1.
        seeds: of the runs.
        chosen: fields of `RunConfig` that take the place of the cases' own.
        settings: one of `rumi_tf.experiments.paper_settings.SETTINGS`.

    Raises:
        InvalidInput: there is no such case, or a setting is not admissible.
    """
    found = {}
    for name in names:
        dataset, minority = dataset_and_class(name)
        cells = paper_grid.unbalanced_cells(
            "cases", dataset, minority, paper_grid.MODELS, seeds, chosen, settings
        )
        minority = cells[0].config.minority_class
        title = class_title(dataset, minority)
        found[title] = Case(f"{dataset}_{minority}", title, cells)
    return list(found.values())


def class_title(dataset: str, minority: str) -> str:
    """A data set and one of its classes in words."""
    return f"{TITLES[dataset]}, {'digit ' if minority.isdecimal() else ''}{minority}"


def check_unbalanced(names: Sequence[str]) -> None:
    """Raises `InvalidInput` unless `names` are data sets of Table 1, each with a class."""
    for name in names or [""]:
        dataset_and_class(name)


def dataset_and_class(name: str) -> tuple[str, str]:
    """Data set and class of DATASET_CLASS.

    Raises:
        InvalidInput: it is not the name of a case.
    """
    dataset, _, minority = name.rpartition("_")
    if dataset not in paper_grid.DATASETS or not minority:
        known = ", ".join((*UNBALANCED, "digits_5"))
        raise InvalidInput("cases", f"{name!r} is not DATASET_CLASS, such as {known}")
    return dataset, minority


def make_figure(
    wanted: flags.FlagValues,
    names: Sequence[str],
    make_cases: Callable[[Sequence[str], Sequence[int], Mapping[str, Any], str], list[Case]],
    save: Callable[[Path, list["Found"]], list[Path]],
    num: int = 0,
) -> None:
    """What the commands of the figures do once they have checked --cases.

    Trains or reuses the runs, draws, prints what was written, and tells what is missing.

    Args:
        wanted: the flags.
        names: of the files that are going to be written to --out.
        make_cases: (case names, seeds, `RunConfig` fields from the flags, settings) -> cases;
            `settings` is one of `rumi_tf.experiments.paper_settings.SETTINGS`.
        save: directory and cases -> the files it has written there.
        num: real images that it needs.
    """
    out = cli.path(wanted.out)
    cli.check_output("out", *(out / name for name in names))
    seeds = paper_grid.seeds(wanted.seeds)
    with cli.quiet_import():
        import tensorflow  # noqa: F401 - here, so that its notes stay off stderr
    settings = getattr(wanted, "settings", "paper")  # not every figure offers a choice
    cases = make_cases(wanted.cases, seeds, paper_grid.given(wanted.smoke), settings)
    found, missing = find(cases, wanted.jobs, num)
    if found:
        with cli.writing_to("out", out):
            cli.show(save(out, found))
    paper_grid.warn_mixed_sizes(outcome for case in found for outcome in case.outcomes)
    paper_grid.end(missing)


def find(cases: Sequence[Case], jobs: int, num: int = 0) -> tuple[list[Found], list[str]]:
    """Trains what is missing of the cases whose data is there.

    Args:
        cases: what is wanted.
        jobs: runs at a time.
        num: real images that are wanted; with 0, no data is read for runs that are finished.

    Returns:
        What there is to draw, and a line for each case and cell that is missing.
    """
    from rumi_tf.experiments import sweep

    ready, lines = {}, []
    for case in cases:
        try:
            needed = num or not all(map(sweep.finished, case.cells))
            ready[case.name] = _real(case, num) if needed else None
        except InvalidInput as error:
            if error.flag != "data_dir":
                raise
            lines.append(f"{case.name}: {error}")
    outcomes = paper_grid.run([c for case in cases if case.name in ready for c in case.cells], jobs)
    lines += sweep.failures(outcomes)
    found = []
    for case in cases:
        its_own = [o for o in outcomes if o.rows and any(o.cell is cell for cell in case.cells)]
        if its_own:
            found.append(Found(case, its_own, ready[case.name]))
    return found, lines


def _real(case: Case, num: int) -> Real:
    """Reads the data, which all cells of a case share."""
    from rumi_tf.training import build

    config = case.cells[0].config
    images, split = build.prepare(config)
    return Real(
        build.real_positives(images, split, num, config.seed),
        len(split.indices["positive"]),
        split.positive_classes,
    )
