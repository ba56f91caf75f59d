"""Figures 2 to 4 are drawn from the saved metrics and curves of runs."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from figures import _cases, _compared
from rumi_tf import metrics
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings import classifier
from rumi_tf.evaluation.embeddings.loading import load_embedding
from rumi_tf.evaluation.evaluator import provenance_of
from rumi_tf.evaluation.protocols import protocol_for
from rumi_tf.evaluation.results import Row, append_rows, with_evaluation_id, write_curve
from rumi_tf.experiments import paper_grid
from rumi_tf.runs import directories, outputs
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv, write_json
from tests.conftest import command
from tests.data.test_celeba import write_tree
from tests.tfds_on_disk import bars, write_tfds

SEEDS = (0, 1, 2)


def curve(top, points=51):
    t = np.linspace(0, 1, points)
    return top * np.sqrt(t), top * np.sqrt(1 - t)


def evaluation_rows(config, iteration, fid, prd=None, **other):
    """The rows of an evaluation."""
    protocol = protocol_for(config)
    row = Row(
        **provenance_of(config), iteration=iteration, reference="x", protocol=protocol.name,
        embedding=f"{protocol.embedding}-1", metric="fd_classifier", value=fid, std=None,
        n_generated=protocol.num_generated, n_reference=100, seconds=1.0,
    )  # fmt: skip
    values = {"kid": 1.0}
    if prd is not None:
        values |= dict(zip(("prd_f8", "prd_f1/8"), metrics.prd_f_scores(*prd), strict=True))
    rows = [row, *(dataclasses.replace(row, metric=m, value=v) for m, v in values.items())]
    return with_evaluation_id([dataclasses.replace(row, **other) for row in rows])


def finish(cell, fids, prd):
    """Writes the files of a finished run: FIDs by iteration, and the PRD curve of the last one."""
    directory = directories.run_directory(cell.config)
    *before, last = fids.items()
    for iteration, fid in before:
        append_rows(directory / "metrics.csv", evaluation_rows(cell.config, iteration, fid))
    append_rows(directory / "metrics.csv", evaluation_rows(cell.config, *last, prd))
    write_curve(directory / "prd.csv", prd)
    write_json(directory / "summary.json", {"iterations": cell.config.iterations})


@pytest.fixture
def case(tmp_path):
    """Even digits of MNIST, three models and seeds, all finished; FID is 100 model + 10^seed."""
    given = {"iterations": 20, "runs_dir": str(tmp_path / "runs")}
    (case,) = _cases.subset_cases(["mnist_even"], SEEDS, given)
    for number, cell in enumerate(case.cells):
        seed = cell.config.seed
        fids = {k: 100.0 * (number // 3 + 1) + 10**seed + 20 - k for k in range(2, 21, 2)}
        finish(cell, fids, curve(0.5 + 0.1 * seed))
    return case


def test_bands_are_mean_and_deviation_over_seeds_against_numpy(case):
    (result,), missing = _cases.find([case], jobs=1)
    assert missing == [] and result.real is None  # nothing was trained, no data was read
    drawn = _compared.comparison(result, published=False)
    assert list(drawn.bands) == ["LSGAN", "ACGAN", "Rumi-LSGAN"]
    for number, band in enumerate(drawn.bands.values(), start=1):
        steps = np.arange(2, 21, 2)
        fids = [100.0 * number + 10**seed + 20 - steps for seed in SEEDS]
        np.testing.assert_array_equal(band.iterations, steps)
        np.testing.assert_allclose(band.mean, np.mean(fids, axis=0))
        np.testing.assert_allclose(band.upper - band.mean, np.std(fids, axis=0, ddof=1))
        np.testing.assert_allclose(band.mean - band.lower, np.std(fids, axis=0, ddof=1))


def test_bands_cover_the_iterations_at_which_all_runs_were_measured():
    band = _compared.band([{5: 1.0, 10: 2.0}, {10: 4.0, 7: 9.0}])
    assert (band.iterations.tolist(), band.mean.tolist()) == ([10], [3.0])
    single = _compared.band([{10: 2.0, 5: 1.0}])
    assert single.lower.tolist() == single.mean.tolist() == single.upper.tolist() == [1.0, 2.0]
    assert _compared.band([{5: 1.0}, {10: 2.0}]) is None and _compared.band([]) is None


def test_curves_are_those_of_the_last_evaluation_and_their_mean(case):
    (result,), _ = _cases.find([case], jobs=1)
    drawn = _compared.comparison(result, published=False)
    assert [len(drawn.runs[label]) for label in drawn.curves] == [3, 3, 3]
    mean = np.mean([curve(0.5 + 0.1 * seed) for seed in SEEDS], axis=0)
    np.testing.assert_allclose(drawn.curves["ACGAN"], mean)
    # The curve of another evaluation is not drawn.
    write_curve(directories.run_directory(case.cells[0].config) / "prd.csv", curve(0.9))
    assert len(_compared.comparison(result, published=False).runs["LSGAN"]) == 2


def test_evaluations_by_another_protocol_are_left_out(case):
    config = case.cells[0].config
    path = directories.run_directory(config) / "metrics.csv"
    before = outputs.evaluations(config)
    for other in ({"embedding": "inception-1"}, {"protocol": "uac_images"}, {"n_generated": 7}):
        append_rows(path, evaluation_rows(config, 20, 1.0, curve(0.9), **other))
    assert outputs.evaluations(config) == before and len(before) == 10
    latest = evaluation_rows(config, 20, 3.0)
    append_rows(path, latest)
    assert outputs.last_rows(config) == latest
    by_inception = dataclasses.replace(config, embedding="inception")
    assert outputs.last_rows(by_inception)[0].value == 1.0


def test_published_curves_are_the_authors_without_iteration_0():
    for dataset, split, points in (
        ("mnist", "even", 58), ("mnist", "overlap", 55), ("fashion_mnist", "overlap", 71),
    ):  # fmt: skip
        bands = _compared.published_bands(dataset, split)
        assert list(bands) == ["LSGAN", "ACGAN", "Rumi-LSGAN"]
        for band in bands.values():
            assert band.iterations.tolist() == list(range(250, 250 * points + 1, 250))
            assert np.all(band.lower <= band.upper)
    assert bands["Rumi-LSGAN"].mean[-1] == 38.208 and bands["Rumi-LSGAN"].upper[-1] == 45.458
    assert _compared.published_bands("cifar10", "even") == {}


def test_panels_show_generated_images_and_conditional_models_get_the_positive_classes(
    case, monkeypatch, tmp_path
):
    class Sampler:
        def __init__(self, directory):
            self.directory, self.conditional = directory, "acgan" in str(directory)

        def sample(self, num, *, label, seed):
            calls.append((self.directory.parent.name.split("-")[2], seed, label))
            return np.zeros((num, 4, 4, 1), np.float32)

    calls, plots = [], []
    monkeypatch.setattr(outputs, "load_sampler", Sampler)
    monkeypatch.setattr(_compared.plotting, "save_panel_rows", lambda *args: plots.append(args))
    (result,), _ = _cases.find([case], jobs=1)
    real = _cases.Real(np.ones((5, 4, 4, 1), np.float32), 12345, (0, 2, 4, 6, 8))
    result = dataclasses.replace(result, real=real, outcomes=result.outcomes[1:])  # LSGAN 0 failed
    paths = _compared.save_samples(tmp_path, "figure2", [result], 5)
    assert calls == [("lsgan", 1, None), ("acgan", 0, real.classes), ("rumi_lsgan", 0, None)]
    _, rows, columns = plots[0]
    assert columns == ["real", "LSGAN", "ACGAN", "Rumi-LSGAN"]
    assert list(rows) == ["MNIST, even digits: 12,345 images"]
    assert all(list(panels) == columns for panels in rows.values())
    csv = read_csv(paths[-1])
    hashes = {row["model"]: row["config_hash"] for row in csv}
    assert hashes["LSGAN"] == case.cells[1].config.hash()
    assert {(row["case"], row["metric"]) for row in csv} >= {("mnist_even", "fd_classifier")}


def test_cases_of_figure_4_are_cells_of_table_1():
    given = {"iterations": 7, "width": 0.5, "seed": 5}
    (case,) = _cases.unbalanced_cases(["cifar10_7"], SEEDS, given)
    assert (case.name, case.title) == ("cifar10_horse", "CIFAR-10, horse")
    table = paper_grid.unbalanced_cells(
        "classes", "cifar10", "horse", paper_grid.MODELS, SEEDS, given
    )
    assert [c.config for c in case.cells] == [c.config for c in table]
    assert len({c.config.name() for c in table}) == 15
    assert len(_cases.unbalanced_cases(["mnist_5", "mnist_5"], SEEDS, given)) == 1
    for bad in ("mnist", "minst_5", "_5", "digits_"):
        with pytest.raises(InvalidInput, match=f"--cases: .*{bad}"):
            _cases.check_unbalanced([bad])


@pytest.mark.parametrize("iterations, every", [(2, 1), (60, 6), (59, 5)])
def test_runs_are_evaluated_ten_times_independent_of_their_identity(iterations, every):
    (case,) = _cases.subset_cases(["mnist_overlap"], [0], {"iterations": iterations})
    assert {cell.config.eval_every for cell in case.cells} == {every}
    (other,) = _cases.subset_cases(
        ["mnist_overlap"], [0], {"iterations": iterations, "eval_every": 9}
    )
    assert [c.config.name() for c in case.cells] == [c.config.name() for c in other.cells]
    with pytest.raises(InvalidInput, match="--eval_every"):
        _cases.subset_cases(["mnist_overlap"], [0], {"eval_every": 0})


def test_cases_are_those_of_the_flagfiles():
    cases = _cases.subset_cases(_cases.SUBSETS, [0], {})
    tasks = [(c.config.dataset, c.config.split, c.config.iterations)
             for case in cases for c in case.cells[:1]]  # fmt: skip
    assert tasks == [
        ("mnist", "even", 29_500), ("mnist", "overlap", 36_200),
        ("fashion_mnist", "overlap", 36_000),
    ]  # fmt: skip


@pytest.fixture
def damaged(tmp_path):
    """A data directory with a damaged Fashion-MNIST."""
    (tmp_path / "data" / "fashion_mnist" / "3.0.1").mkdir(parents=True)
    (tmp_path / "data" / "fashion_mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    return tmp_path / "data"


@pytest.mark.slow
def test_a_case_without_data_is_reported_in_a_line_and_the_others_are_drawn(
    case, damaged, tmp_path, quick_command
):
    out = tmp_path / "out"
    done = quick_command(
        "figures.figure3", "--cases=mnist_even,fashion_overlap", "--iterations=20",
        "--seeds=0,1,2", f"--runs_dir={tmp_path / 'runs'}", f"--data_dir={damaged}",
        f"--out={out}", "--published",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "9 of 9 cells reused"
    assert len(lines) == 2 and lines[1].startswith("fashion_overlap: --data_dir: ")
    names = ["figure3.png", "figure3.pdf", "figure3_frechet.csv", "figure3_prd.csv"]
    assert done.stdout.splitlines() == [str(out / name) for name in names]
    rows = read_csv(out / "figure3_frechet.csv")
    sources = {k: list(g) for k, g in itertools.groupby(rows, lambda row: row["source"])}
    ours = [row for row in sources["measured"] if row["model"] == "ACGAN"]
    assert len(ours) == 10 and {row["embedding"] for row in ours} == {"classifier-1"}
    assert float(ours[-1]["value"]) == pytest.approx(200 + 111 / 3)
    assert float(ours[-1]["upper"]) == pytest.approx(237 + np.std([1, 10, 100], ddof=1))
    theirs = [row for row in sources["published"] if row["model"] == "Rumi-LSGAN"]
    assert len(theirs) == 58 and {row["embedding"] for row in theirs} == {"inception"}
    assert (theirs[-1]["iteration"], float(theirs[-1]["value"])) == ("14500", 21.2)
    curves = read_csv(out / "figure3_prd.csv")
    assert {row["run seed"] for row in curves} == {"mean", "0", "1", "2"}
    last = [row for row in curves if (row["model"], row["run seed"]) == ("LSGAN", "2")]
    np.testing.assert_array_equal([float(row["recall"]) for row in last], curve(0.7)[1])


@pytest.mark.slow
def test_nothing_is_written_without_any_results(damaged, tmp_path, quick_command):
    done = quick_command(
        "figures.figure2", "--cases=fashion_overlap", f"--data_dir={damaged}",
        f"--runs_dir={tmp_path / 'runs'}", f"--out={tmp_path / 'out'}",
    )  # fmt: skip
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert not (tmp_path / "out").exists() and not (tmp_path / "runs").exists()


def quick_classifiers(cells, monkeypatch):
    """Puts classifiers trained for a few updates into the cache that the cells use."""
    monkeypatch.setattr(classifier, "UPDATES", (5, 5))
    for config in {cell.config.image_size: cell.config for cell in cells}.values():
        load_embedding(config, load_images(config), "classifier")


@pytest.mark.exhaustive
@pytest.mark.slow
def test_figures_2_and_3_of_fashion_mnist_from_its_files(tmp_path, monkeypatch):
    data = write_tfds(tmp_path, "fashion_mnist", {"train": bars(100), "test": bars(20)})
    paths = {"data_dir": str(data), "cache_dir": str(tmp_path / "cache")}
    (case,) = _cases.subset_cases(["fashion_overlap"], [0], paths)
    quick_classifiers(case.cells, monkeypatch)
    shared = ("--cases=fashion_overlap", "--smoke", "--jobs=2", f"--data_dir={data}",
              f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={tmp_path / 'cache'}",
              f"--out={tmp_path / 'out'}")  # fmt: skip
    done = command("figures.figure2", *shared)
    assert done.returncode == 0, done.stderr
    samples = read_csv(tmp_path / "out" / "figure2.csv")
    fids = {r["model"]: r for r in samples if r["metric"] == "fd_classifier"}
    assert list(fids) == ["LSGAN", "ACGAN", "Rumi-LSGAN"]
    # Against all images of the six classes.
    assert {(r["target"], r["n_reference"]) for r in fids.values()} == {("overlap", "60")}
    again = command("figures.figure3", *shared, "--published")
    assert again.returncode == 0 and again.stderr.splitlines() == ["3 of 3 cells reused"]
    drawn = [line.rpartition("/")[2] for line in (done.stdout + again.stdout).splitlines()]
    assert sorted(drawn) == sorted(path.name for path in (tmp_path / "out").iterdir())
    points = read_csv(tmp_path / "out" / "figure3_frechet.csv")
    last = {r["model"]: r for r in points if r["source"] == "measured"}
    assert {m: r["value"] for m, r in last.items()} == {m: r["value"] for m, r in fids.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings, sizes",
    [("paper", {64}), ("authors_code", {32, 128})],
)
@pytest.mark.exhaustive
def test_figure_4_of_celeba_from_the_official_files(tmp_path, monkeypatch, settings, sizes):
    data = write_tree(tmp_path / "celeba", count=300)
    paths = {"data_dir": str(data), "cache_dir": str(tmp_path / "cache")}
    (case,) = _cases.unbalanced_cases(["celeba_Female"], [0], paths, settings)
    quick_classifiers(case.cells, monkeypatch)
    done = command(
        "figures.figure4", "--cases=celeba_Female", "--smoke", f"--settings={settings}",
        f"--data_dir={data}", f"--runs_dir={tmp_path / 'runs'}",
        f"--cache_dir={tmp_path / 'cache'}", f"--out={tmp_path / 'out'}", "--jobs=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    fids = [
        r
        for r in read_csv(tmp_path / "out" / "figure4_samples.csv")
        if r["metric"] == "fd_classifier"
    ]
    assert [r["model"] for r in fids] == list(paper_grid.MODELS.values())
    # Three of four images show a woman; all of these are reference images.
    assert {(r["target"], r["n_reference"]) for r in fids} == {("Female", "225")}
    configs = [json.loads(p.read_text()) for p in tmp_path.glob("runs/*/config.json")]
    assert {config["image_size"] for config in configs} == sizes


@pytest.mark.exhaustive
@pytest.mark.slow
def test_figure_4_draws_the_runs_of_table_1(tmp_path):
    shared = ("--flagfile=flags/table1_digits.flags", "--smoke", "--iterations=2", "--width=0.05",
              "--batch_size=8", f"--runs_dir={tmp_path / 'runs'}",
              f"--cache_dir={tmp_path / 'cache'}")  # fmt: skip
    table = command("reproduce.table1", "--datasets=digits", "--classes=5", "--jobs=2",
                    f"--out={tmp_path / 'table'}", *shared)  # fmt: skip
    assert table.returncode == 0, table.stderr
    done = command("figures.figure4", "--cases=digits_5", f"--out={tmp_path / 'out'}", *shared)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["5 of 5 cells reused"]
    written = [tmp_path / "out" / line.rpartition("/")[2] for line in done.stdout.splitlines()]
    assert sorted(written) == sorted((tmp_path / "out").iterdir()) and len(written) == 7
    points = read_csv(tmp_path / "out" / "figure4_curves_frechet.csv")
    assert [(r["model"], r["iteration"]) for r in points] == [
        (model, step) for model in paper_grid.MODELS.values() for step in "12"
    ]
    samples = read_csv(tmp_path / "out" / "figure4_samples.csv")
    cells = read_csv(tmp_path / "table" / "cells.csv")
    assert {r["config_hash"] for r in samples} == {r["config_hash"] for r in cells}
    fids = [
        [r["value"] for r in rows if r["metric"] == "fd_classifier"] for rows in (samples, cells)
    ]
    assert fids[0] == fids[1] and len(fids[0]) == 5
