"""Damaged files are detected: readers return what was written or name the damaged file."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import from_memory
from rumi_tf.evaluation.embeddings import classifier
from rumi_tf.evaluation.results import append_rows, read_rows
from rumi_tf.experiments import gaussians
from rumi_tf.experiments.augment import check_output
from rumi_tf.export.sampler import load_sampler
from rumi_tf.runs import directories, log, outputs
from rumi_tf.training import build, callbacks, train
from rumi_tf.utils import environment
from rumi_tf.utils.errors import InvalidInput, RumiError, RunDamaged
from rumi_tf.utils.io import write_csv
from tests.conftest import copied
from tests.evaluation.test_features import Pixels, cached, same
from tests.evaluation.test_results import ROW
from tests.faults.damages import damages
from tests.training.test_checkpoints import make, values


def assert_one_line(error: Exception, name: str) -> None:
    message = str(error)
    assert "\n" not in message and name in message and len(message) < 600


def test_damaged_checkpoints_are_skipped(tmp_path):
    make(tmp_path / "original", (10, 20))
    names = [name for name in os.listdir(tmp_path / "original") if "-20." in name]
    assert len(names) == 2
    for name in names:
        for number, damage in enumerate(damages(tmp_path / "original" / name, 40)):
            directory = tmp_path / f"{name}-{number}"
            shutil.copytree(tmp_path / "original", directory)
            checkpoints, state = make(directory)
            skipped = checkpoints.restore()
            expected = 10 if skipped else 20
            assert skipped in ([], ["ckpt-20"]) and values(state) == [expected] * 3, damage
            assert skipped or "flipped" in damage, damage


def test_only_unfinished_checkpoints_are_removed(tmp_path):
    make(tmp_path, (10, 20))
    os.replace(tmp_path / "ckpt-10.index", tmp_path / "ckpt-10.damaged")
    expected = sorted([*os.listdir(tmp_path), "ckpt-notes.txt", "mine.index"])
    for name in ("ckpt-notes.txt", "mine.index", "ckpt-30.data-00000-of-00001"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "ckpt-40_temp").mkdir()
    checkpoints, _ = make(tmp_path)
    checkpoints.remove_parts()
    assert sorted(os.listdir(tmp_path)) == expected


def test_edited_table_is_read_and_truncated_table_is_rejected(tmp_path):
    path = tmp_path / "metrics.csv"
    append_rows(path, [ROW, ROW])
    path.write_text(path.read_text().replace("rumi_lsgan", "edited"))
    assert [row.objective for row in read_rows(path)] == ["edited", "edited"]
    path.write_bytes(path.read_bytes()[:-40])  # inside of quotes
    for use in (read_rows, lambda path: append_rows(path, [ROW])):
        with pytest.raises(ValueError, match=r"metrics\.csv"):
            use(path)


def test_damaged_log_is_named(tmp_path):
    path = tmp_path / "log.csv"
    write_csv(path, [{"iteration": k, "d_loss": k / 7} for k in range(20)])
    for content in (path.read_text()[:-5].rpartition(",")[0], "iteration\nmany\n", "d_loss\n1\n"):
        path.write_text(content)
        with pytest.raises(RunDamaged) as caught:
            log.rows_until(path, 20)
        assert_one_line(caught.value, str(path))


def test_damaged_results_of_classifiers_are_rejected(tmp_path):
    path = tmp_path / "augment_runs.csv"
    path.write_text("not,rows\n1,2\n")
    with pytest.raises(InvalidInput, match="--out: "):
        check_output(path)
    for damage in damages(path, 0):
        if "cut at 0" not in damage:
            with pytest.raises(InvalidInput, match="--out: "):
                check_output(path)


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """Config, result and images of a copy of a finished run of two iterations."""
    config = copied(finished_run, tmp_path_factory.mktemp("runs"))
    return config, train.train(config), build.prepare(config)[0]


@pytest.mark.parametrize("name", ["config.json", "data.json"])
def test_damaged_identity_of_a_run_is_detected(run, name):
    config, result, images = run
    for damage in damages(result.directory / name, 60):
        try:
            directories.check_identity(config, result.directory, images)
            # White space changed, or a field that is not part of the identity.
            stored = json.loads((result.directory / name).read_bytes())
            assert name == "config.json", damage
            assert RunConfig(**stored).identity() == config.identity(), damage
        except (RunDamaged, OSError) as error:
            assert_one_line(error, str(result.directory))
    directories.check_identity(config, result.directory, images)


def test_damaged_summary_counts_as_missing(run):
    config, result, _ = run
    for damage in damages(result.directory / "summary.json", 60):
        summary = directories.read_summary(result.directory, config.iterations)
        assert summary is None or summary["iterations"] == 2, damage
        assert summary is None or "flipped" in damage, damage
    assert directories.read_summary(result.directory, 2) == result.summary
    assert directories.read_summary(result.directory, 3) is None


def test_damaged_environments_count_as_missing(run):
    path = run[1].directory / "environment.json"
    for damage in damages(path, 60):
        assert all(isinstance(start, dict) for start in environment.read_starts(path)), damage
    path.write_text('{"starts": [1, "x"]}')
    assert environment.read_starts(path) == []


def test_damaged_saved_model_gives_the_same_images_or_is_named(run):
    config, result, _ = run
    expected = load_sampler(result.saved_model).sample(3, seed=0)
    contents = result.saved_model.rglob("*")
    files = sorted(p for p in contents if p.is_file() and p.name != "README.md")  # for people
    assert {"saved_model.pb", "variables.index", "rumi_tf.json"} <= {p.name for p in files}
    for path in files:
        for damage in damages(path, 15):
            try:
                images = load_sampler(result.saved_model).sample(3, seed=0)
                np.testing.assert_array_equal(images, expected)
                assert "flipped" in damage and path.name == "rumi_tf.json", damage
            except InvalidInput as error:
                assert_one_line(error, str(result.saved_model))
            if "cut" in damage:
                with pytest.raises(RunDamaged, match=r"delete .*summary\.json"):
                    outputs.sampler_of(config)
    np.testing.assert_array_equal(load_sampler(result.saved_model).sample(3, seed=0), expected)


def test_damaged_sample_grid_is_named(run, tmp_path):
    path = run[1].last_grid
    for damage in damages(path, 15):
        try:
            callbacks.TensorBoard(tmp_path).grid(2, path)
            assert "flipped" in damage  # in a part of the file without pixels
        except (RunDamaged, OSError) as error:
            assert_one_line(error, str(path))


def test_damaged_metrics_of_a_run_are_named_before_training(run, tmp_path):
    config, result, _ = run
    shutil.copytree(result.directory, tmp_path / result.directory.name)
    path = tmp_path / result.directory.name / "metrics.csv"
    append_rows(path, [ROW, ROW])
    evaluated = dataclasses.replace(config, runs_dir=str(tmp_path), eval_every=1)
    for damage in damages(path, 0):
        if "cut at 0" in damage:  # an empty file has no rows
            continue
        with pytest.raises(RunDamaged) as caught:
            train.train(evaluated)
        assert_one_line(caught.value, str(path))


def test_damaged_cached_features_are_computed_again(tmp_path):
    pixels = Pixels()
    expected = cached(pixels, tmp_path)
    (path,) = tmp_path.glob("reference-*.npz")
    for _ in damages(path, 40, directory=False):
        same(expected, cached(pixels, tmp_path))


def test_damaged_cached_classifier_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "UPDATES", (2, 2))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    images = from_memory(pixels, np.arange(40) % 2, ("a", "b"))
    network = classifier.classifier_network(images, 0)
    classifier.load_classifier(images, None, dataset="x", cache_dir=tmp_path)
    (path,) = tmp_path.glob("*.h5")
    accuracy = classifier._from_cache(network, path)
    weights = network.get_weights()
    for each in (path, path.with_suffix(".json")):
        for damage in damages(each, 30):
            cached_accuracy = classifier._from_cache(network, path)
            assert cached_accuracy in (None, accuracy), damage
            assert cached_accuracy is None or "flipped" in damage, damage
            if cached_accuracy:
                assert all(map(np.array_equal, network.get_weights(), weights)), damage


def test_damaged_results_of_gaussian_runs_are_named(tmp_path):
    config = gaussians.config_for("acgan", num_runs=2, eval_samples=30, runs_dir=str(tmp_path))
    points = gaussians.perfect_points(config)
    rows = gaussians.evaluate(config, points)
    config.directory.mkdir()
    np.savez(config.directory / "points.npz", points=points)
    append_rows(config.directory / "metrics.csv", rows)
    summary = {"seconds": 1.5, "iterations": config.epochs * config.iterations}
    (config.directory / "summary.json").write_text(json.dumps(summary))
    assert gaussians.train(config).rows == rows
    for name, flips in (("points.npz", 40), ("metrics.csv", 0)):
        for damage in damages(config.directory / name, flips):
            try:
                np.testing.assert_array_equal(gaussians.train(config).points, points, damage)
                assert "flipped" in damage, damage
            except RumiError as error:
                assert_one_line(error, str(config.directory))
