"""Bad arguments: every metric raises a one-line error with the name and value of the argument."""

import ast
import subprocess
import sys

import numpy as np
import pytest

from rumi_tf import metrics
from tests.conftest import ROOT

GOOD = np.random.default_rng(0).standard_normal((30, 4))
SETS = {
    "frechet_distance": ("features_a", "features_b"),
    "kernel_distance": ("features_a", "features_b"),
    "prd_curve": ("features_generated", "features_reference"),
    "improved_precision_recall": ("features_generated", "features_reference"),
    "density_coverage": ("features_generated", "features_reference"),
    "extrapolated_frechet_distance": ("features_generated", "features_reference"),
    "polynomial_mmd2": ("x", "y"),
}


def with_value(value):
    rows = GOOD.copy()
    rows[3, 1] = value
    return rows


BAD_ROWS = {
    "NaN": (with_value(np.nan), "1 of 30 rows"),
    "infinite": (with_value(np.inf), "1 of 30 rows"),
    "diverged": (with_value(-1e31), r"1e\+31"),
    "one row": (GOOD[:1], "1 rows"),
    "images": (np.ones((5, 8, 8, 3)), r"\(5, 8, 8, 3\)"),
    "no columns": (np.ones((5, 0)), r"\(5, 0\)"),
    "text": (np.full((5, 4), "a"), "<U1"),
    "complex": (GOOD + 1j, "complex128"),
    "ragged": (np.array([None, 3.0]), "object"),
    "other embedding": (np.ones((30, 5)), "5 columns|has 5;"),
}


def check_error(call, value):
    with pytest.raises(ValueError, match=value) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("metric", SETS)
@pytest.mark.parametrize("bad", BAD_ROWS)
@pytest.mark.parametrize("place", [0, 1])
def test_features(metric, bad, place):
    rows, value = BAD_ROWS[bad]
    sets = [GOOD, GOOD]
    sets[place] = rows
    message = check_error(lambda: getattr(metrics, metric)(*sets), value)
    assert SETS[metric][place] in message


def test_only_the_mmd_accepts_one_dimension():
    for metric in SETS:
        if metric != "polynomial_mmd2":
            check_error(lambda m=metric: getattr(metrics, m)(GOOD[:, 0], GOOD), r"\(30,\)")


@pytest.mark.parametrize(
    ("metric", "keywords", "value"),
    [
        ("kernel_distance", {"subsets": 0}, "subsets is 0"),
        ("kernel_distance", {"subset_size": 1}, "subset_size is 1"),
        ("kernel_distance", {"seed": -1}, "seed is -1"),
        ("kernel_distance", {"seed": 0.5}, "seed is 0.5"),
        ("prd_curve", {"num_clusters": 1}, "num_clusters is 1"),
        ("prd_curve", {"num_angles": 2}, "num_angles is 2"),
        ("prd_curve", {"num_runs": 0}, "num_runs is 0"),
        ("prd_curve", {"seed": -1}, "seed is -1"),
        ("improved_precision_recall", {"k": 0}, "k is 0"),
        ("improved_precision_recall", {"k": 30}, "k is 30.* 29"),
        ("improved_precision_recall", {"k": True}, "k is True"),
        ("density_coverage", {"k": 30}, "k is 30.* 29"),
        ("extrapolated_frechet_distance", {"num_points": 1}, "num_points is 1"),
        ("extrapolated_frechet_distance", {"seed": None}, "seed is None"),
        ("polynomial_mmd2", {"degree": 0}, "degree is 0"),
        ("polynomial_mmd2", {"degree": 1.5}, "degree is 1.5"),
        ("polynomial_mmd2", {"gamma": 0.0}, "gamma is 0"),
        ("polynomial_mmd2", {"gamma": np.nan}, "gamma is nan"),
        ("polynomial_mmd2", {"coef0": -1.0}, "coef0 is -1"),
        ("polynomial_mmd2", {"degree": 5000}, "degree 5000"),
    ],
)
def test_numbers(metric, keywords, value):
    check_error(lambda: getattr(metrics, metric)(GOOD, GOOD + 9, **keywords), value)


PROBABILITIES = np.full((20, 4), 0.25)
BAD_PROBABILITIES = {
    "logits": (PROBABILITIES - 1, "-0.75"),
    "every sum": (PROBABILITIES * 0.9, "sum 0.9"),
    "one sum": (np.vstack([PROBABILITIES, [1, 0, 0, 0.1]]), "sum 1.1"),
    "NaN": (np.full((20, 4), np.nan), "NaN"),
    "vector": (np.ones(20), r"\(20,\)"),
    "one class": (np.ones((20, 1)), r"\(20, 1\)"),
    "no samples": (np.ones((0, 4)), r"\(0, 4\)"),
    "text": (np.full((20, 4), "a"), "<U1"),
}


@pytest.mark.parametrize("bad", BAD_PROBABILITIES)
def test_probabilities(bad):
    rows, value = BAD_PROBABILITIES[bad]
    check_error(lambda: metrics.inception_score(rows), value)
    check_error(lambda: metrics.class_histogram(rows), value)
    check_error(lambda: metrics.split_shares(rows, [0], [1]), value)


def test_extrapolation_needs_four_samples():
    check_error(lambda: metrics.extrapolated_frechet_distance(GOOD[:3], GOOD), "3 rows")
    assert np.isfinite(metrics.extrapolated_frechet_distance(GOOD[:4], GOOD))


def test_notes():
    assert metrics.small_sample_note(2049, 2048) is None
    for n in (2, 2048):
        note = metrics.small_sample_note(n, 2048)
        assert f"{n} samples in 2048 dimensions" in note and "\n" not in note
    check_error(lambda: metrics.small_sample_note(0, 5), "n is 0")
    assert metrics.constant_set_note(GOOD) is None
    assert "all 6 rows" in metrics.constant_set_note(np.ones((6, 3)))
    almost = np.ones((6, 3))
    almost[5, 2] += 1e-9
    assert metrics.constant_set_note(almost) is None


def test_metrics_only_use_numerical_libraries_and_do_no_io():
    allowed = {"math", "collections", "typing", "numpy", "scipy", "threadpoolctl", "rumi_tf"}
    files = sorted((ROOT / "rumi_tf" / "metrics").glob("*.py"))
    assert len(files) > 5
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                names = []
            assert {name.split(".")[0] for name in names} <= allowed, path
            called = getattr(getattr(node, "func", None), "id", "")
            assert called not in ("print", "open"), path


def test_import_loads_no_tensorflow():
    code = "import sys, rumi_tf.metrics; sys.exit('tensorflow' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
