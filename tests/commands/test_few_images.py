"""The figure of few images: its runs and tables."""

import numpy as np
import pytest

from figures import _cases
from figures import _few_images as few_images
from rumi_tf.config import recipes
from rumi_tf.experiments import paper_grid
from rumi_tf.utils.io import read_csv
from tests.commands.test_paper_figures import curve, finish

SEEDS = (0, 1)


def cases(root, **given):
    given = {"iterations": 20, "eval_every": 10, "runs_dir": str(root / "runs"), **given}
    return few_images.cases_of(["mnist_5", "mnist_5"], SEEDS, given, [20, 50], few_images.MODELS)


def test_models_differ_only_by_their_remedies(tmp_path):
    size_cases = cases(tmp_path)
    assert [case.name for case in size_cases] == ["mnist_5_20", "mnist_5_50"]
    recipe = recipes.settings("few_images", "mnist")
    for case, size in zip(size_cases, (20, 50), strict=True):
        assert len({cell.config.hash() for cell in case.cells}) == len(few_images.MODELS) * 2
        for cell in case.cells:
            config, model = cell.config, cell.place["model"]
            assert config.minority_size == size
            assert (config.objective == "rumi_lsgan") == model.startswith("Rumi")
            assert config.d_augment == (recipe["d_augment"] if "DiffAugment" in model else ())
            expected = recipe["generator_ema"] if "EMA" in model else 0.0
            assert config.generator_ema == expected
        # The models without remedies are those of Table 1.
        plain = {c.config for c in case.cells if c.place["model"] in ("LSGAN", "Rumi-LSGAN")}
        given = {"iterations": 20, "minority_size": size, "runs_dir": str(tmp_path / "runs")}
        table_cells = paper_grid.unbalanced_cells(
            "cases", "mnist", "5", ["lsgan", "rumi_lsgan"], SEEDS, {**given, "eval_every": 10}
        )
        assert plain == {cell.config for cell in table_cells}


@pytest.fixture
def rows(tmp_path):
    """Rows of two cases. The last FID is 100 size + 10 model + 4 seed, the first 1,000 higher."""
    size_cases = cases(tmp_path)
    for case, size in zip(size_cases, (20, 50), strict=True):
        for number, cell in enumerate(case.cells):
            last = 100.0 * size + 10 * (number // 2) + 4 * cell.config.seed
            finish(cell, {10: last + 1000, 20: last}, curve(0.5))
    results, missing = _cases.find(size_cases, jobs=1)
    assert not missing
    return [row for result in results for row in few_images.seed_means(result)]


def test_rows_are_mean_and_deviation_over_seeds(rows):
    fids = [row for row in rows if row["metric"] == "fd_classifier"]
    assert [row["iteration"] for row in fids] == [10, 20] * 10
    expected = [
        100 * size + 10 * model + 2 + first
        for size in (20, 50) for model in range(5) for first in (1000, 0)
    ]  # fmt: skip
    assert [row["mean"] for row in fids] == expected
    assert all(row["std"] == pytest.approx(np.std([0, 4], ddof=1)) for row in fids)
    assert {row["seeds"] for row in rows} == {2}


def test_tables_have_a_row_for_every_case_and_model(rows):
    fids = few_images.distance_by_iteration(rows)
    assert [(row["10"], row["20"]) for row in fids[:2]] == [
        ("3000", "2000"), ("3010", "2010"),
    ]  # fmt: skip
    last = few_images.at_the_end(rows)
    assert [row["model"] for row in last] == list(few_images.LABELS) * 2
    assert last[0]["FD"] == "2000 ± 2.8" and "recall" not in last[0]
    assert last[0]["seeds"] == "2"


def test_only_iterations_with_all_seeds_are_included(tmp_path):
    case = cases(tmp_path)[0]
    first, second = case.cells[:2]  # two seeds of LSGAN
    finish(first, {10: 1.0, 15: 2.0, 20: 3.0}, curve(0.5))
    finish(second, {5: 9.0, 10: 5.0, 20: 7.0}, curve(0.5))
    lsgan = _cases.Case(case.name, case.title, case.cells[:2])
    (result,), _ = _cases.find([lsgan], jobs=1)
    fids = [row for row in few_images.seed_means(result) if row["metric"] == "fd_classifier"]
    assert [(row["iteration"], row["mean"]) for row in fids] == [(10, 3.0), (20, 5.0)]


@pytest.mark.slow
def test_the_command_trains_draws_and_reuses(tmp_path, digits_cache, quick_command):
    words = (
        "figures.few_images", "--smoke", "--minority_sizes=20", "--width=0.05",
        "--models=rumi_lsgan_few_images", f"--runs_dir={tmp_path / 'runs'}",
        f"--cache_dir={digits_cache}", f"--out={tmp_path / 'out'}",
    )  # fmt: skip
    done = quick_command(*words)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / "out" / name).is_file() for name in done.stdout.split()[-9:])
    samples = read_csv(tmp_path / "out" / "few_images_samples.csv")
    assert {row["model"] for row in samples} == {"Rumi-LSGAN + DiffAugment + EMA"}
    again = quick_command(*words)
    assert again.stderr.splitlines() == ["1 of 1 cells reused"]
    assert again.stdout == done.stdout
