"""Damaged files: whoever reads them gets what was written, or says which file is damaged."""

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
from rumi_tf.runs import directories, log, outputs, resolve
from rumi_tf.training import build, callbacks, train
from rumi_tf.utils import environment
from rumi_tf.utils.errors import InvalidInput, RumiError, RunDamaged
from rumi_tf.utils.io import read_csv, seal_of, write_csv
from tests.evaluation.test_features import Pixels, cached, same
from tests.evaluation.test_results import ROW
from tests.faults.damages import damages
from tests.training.test_checkpoints import make, values


def one_line(error: Exception, name: str) -> None:
    text = str(error)
    assert "\n" not in text and name in text and len(text) < 600


def test_checkpoints_are_whole_or_passed_over(tmp_path):
    make(tmp_path / "whole", (10, 20))
    names = [name for name in os.listdir(tmp_path / "whole") if "-20." in name]
    assert len(names) == 2
    for name in names:
        for number, damage in enumerate(damages(tmp_path / "whole" / name, 40)):
            place = tmp_path / f"{name}-{number}"
            shutil.copytree(tmp_path / "whole", place)
            checkpoints, state = make(place)
            passed = checkpoints.restore()
            expected = 10 if passed else 20
            assert passed in ([], ["ckpt-20"]) and values(state) == [expected] * 3, damage
            assert passed or ("cut" not in damage and "directory" not in damage), damage


def test_parts_of_checkpoints_are_removed_and_nothing_else(tmp_path):
    make(tmp_path, (10, 20))
    os.replace(tmp_path / "ckpt-10.index", tmp_path / "ckpt-10.damaged")
    kept = sorted([*os.listdir(tmp_path), "ckpt-notes.txt", "mine.index"])
    for name in ("ckpt-notes.txt", "mine.index", "ckpt-30.data-00000-of-00001"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "ckpt-40_temp").mkdir()
    checkpoints, _ = make(tmp_path)
    checkpoints.remove_parts()
    assert sorted(os.listdir(tmp_path)) == kept


def test_a_sealed_table_is_as_it_was_written_or_named(tmp_path):
    path = tmp_path / "log.csv"
    rows = [{"iteration": str(k), "d_loss": repr(k / 7)} for k in range(20)]
    write_csv(path, rows[:10], sealed=True)
    write_csv(path, rows, sealed=True)
    for damage in damages(path, 200):
        with pytest.raises(ValueError) as caught:
            read_csv(path)
        one_line(caught.value, str(path))
        with pytest.raises(RunDamaged, match="delete it to go on without its rows"):
            log.rows_until(path, 20)
        assert damage
    assert read_csv(path) == rows
    for damage in damages(seal_of(path), 20, directory=False):
        try:
            assert read_csv(path) == rows, damage
        except ValueError as error:
            one_line(error, str(seal_of(path)))
    path.unlink()
    assert read_csv(path) == []
    write_csv(path, rows[:3], sealed=True)
    assert read_csv(path) == rows[:3]


def test_a_table_whose_writer_died_between_the_seal_and_the_table_is_whole(tmp_path, monkeypatch):
    path, replace = tmp_path / "log.csv", os.replace
    write_csv(path, [{"a": "1"}], sealed=True)

    def only_the_seal(source, target):
        if not str(target).endswith(".sha256"):
            raise InterruptedError
        replace(source, target)

    monkeypatch.setattr(os, "replace", only_the_seal)
    with pytest.raises(InterruptedError):
        write_csv(path, [{"a": "1"}, {"a": "2"}], sealed=True)
    monkeypatch.undo()
    assert read_csv(path) == [{"a": "1"}]
    write_csv(path, [{"a": "3"}], sealed=True)
    assert read_csv(path) == [{"a": "3"}]


def test_a_table_without_a_seal_may_be_edited_but_not_be_cut_off(tmp_path):
    path = tmp_path / "metrics.csv"
    append_rows(path, [ROW, ROW], sealed=False)
    path.write_text(path.read_text().replace("rumi_lsgan", "mine"))
    assert [row.objective for row in read_rows(path)] == ["mine", "mine"]
    path.write_bytes(path.read_bytes()[:-40])  # in the middle of quoted words
    for use in (read_rows, lambda path: append_rows(path, [ROW], sealed=False)):
        with pytest.raises(ValueError, match=r"metrics\.csv cannot be read as a CSV file"):
            use(path)


def test_results_of_classifiers_that_are_damaged_are_not_added_to(tmp_path):
    path = tmp_path / "augment_runs.csv"
    path.write_text("not,rows\n1,2\n")
    with pytest.raises(InvalidInput, match="--out: "):
        check_output(path)
    for damage in damages(path, 0):
        if "cut at 0" not in damage:
            with pytest.raises(InvalidInput, match="--out: "):
                check_output(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two iterations, and what loaded its images."""
    config = resolve.resolve(
        RunConfig(
            split="even", objective="lsgan", width=0.05, batch_size=8, iterations=2,
            runs_dir=str(tmp_path_factory.mktemp("runs")),
        )
    )  # fmt: skip
    return config, train.train(config), build.prepare(config)[0]


@pytest.mark.parametrize("name", ["config.json", "data.json"])
def test_what_a_run_is_is_known_or_refused(run, name):
    config, done, images = run
    for damage in damages(done.directory / name, 60):
        try:
            directories.claim(config, done.directory, images)
            found = (done.directory / name).read_bytes()
            # A digit of what is no part of a run's identity, or white space.
            known = json.loads(found)
            assert name == "config.json", damage
            assert RunConfig(**known).identity() == config.identity(), damage
        except (RunDamaged, OSError) as error:
            one_line(error, str(done.directory))
    directories.claim(config, done.directory, images)


def test_a_damaged_summary_is_none(run):
    config, done, _ = run
    for damage in damages(done.directory / "summary.json", 60):
        found = directories.read_summary(done.directory, config.iterations)
        assert found is None or found["iterations"] == 2, damage
        assert found is None or "turned" in damage, damage
    assert directories.read_summary(done.directory, 2) == done.summary
    assert directories.read_summary(done.directory, 3) is None


def test_damaged_environments_are_none(run):
    path = run[1].directory / "environment.json"
    for damage in damages(path, 60):
        assert all(isinstance(start, dict) for start in environment.read_starts(path)), damage
    path.write_text('{"starts": [1, "x"]}')
    assert environment.read_starts(path) == []


def test_a_saved_model_makes_the_same_images_or_is_named(run):
    config, done, _ = run
    expected = load_sampler(done.saved_model).sample(3, 0)
    files = sorted(path for path in done.saved_model.rglob("*") if path.is_file())
    assert {"saved_model.pb", "variables.index", "rumi_tf.json"} <= {p.name for p in files}
    for path in files:
        for damage in damages(path, 15):
            try:
                np.testing.assert_array_equal(load_sampler(done.saved_model).sample(3, 0), expected)
                assert "turned" in damage and path.name == "rumi_tf.json", damage
            except InvalidInput as error:
                one_line(error, str(done.saved_model))
            if "cut" in damage:
                with pytest.raises(RunDamaged, match=r"delete .*summary\.json"):
                    outputs.sampler_of(config)
    np.testing.assert_array_equal(load_sampler(done.saved_model).sample(3, 0), expected)


def test_a_damaged_picture_is_named(run, tmp_path):
    path = run[1].last_grid
    for damage in damages(path, 15):
        try:
            callbacks.TensorBoard(tmp_path).grid(2, path)
            assert "turned" in damage  # a part of the file that is no pixel
        except (RunDamaged, OSError) as error:
            one_line(error, str(path))


def test_damaged_metrics_of_a_run_are_named_before_anything_is_done(run, tmp_path):
    config, done, _ = run
    shutil.copytree(done.directory, tmp_path / done.directory.name)
    path = tmp_path / done.directory.name / "metrics.csv"
    append_rows(path, [ROW, ROW])
    measured = dataclasses.replace(config, runs_dir=str(tmp_path), eval_every=1)
    for damage in damages(path, 10):
        with pytest.raises(RunDamaged) as caught:
            train.train(measured)
        one_line(caught.value, str(path))
        assert "delete it to go on" in str(caught.value), damage


def test_cached_features_are_the_same_or_made_anew(tmp_path):
    pixels = Pixels()
    first = cached(pixels, tmp_path)
    (path,) = tmp_path.glob("reference-*.npz")
    for damage in damages(path, 40, directory=False):
        same(first, cached(pixels, tmp_path))
        assert damage


def test_a_cached_classifier_is_the_same_or_trained_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "UPDATES", (2, 2))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    images = from_memory(pixels, np.arange(40) % 2, ("a", "b"))
    network = classifier.classifier_network(images, 0)
    classifier.load_classifier(images, None, dataset="x", cache_dir=tmp_path)
    (path,) = tmp_path.glob("*.h5")
    whole = classifier._from_cache(network, path)
    weights = network.get_weights()
    for each in (path, path.with_suffix(".json")):
        for damage in damages(each, 30):
            found = classifier._from_cache(network, path)
            assert found in (None, whole), damage
            assert found is None or "turned" in damage, damage
            if found:
                assert all(map(np.array_equal, network.get_weights(), weights)), damage


def test_a_damaged_set_of_runs_is_named(tmp_path):
    config = gaussians.config_for("acgan", num_runs=2, eval_samples=30, runs_dir=str(tmp_path))
    points = gaussians.perfect_points(config)
    rows = gaussians.evaluate(config, points)
    config.directory.mkdir()
    np.savez(config.directory / "points.npz", points=points)
    append_rows(config.directory / "metrics.csv", rows)
    summary = {"seconds": 1.5, "iterations": config.epochs * config.iterations}
    (config.directory / "summary.json").write_text(json.dumps(summary))
    assert gaussians.train(config).rows == rows
    for name in ("points.npz", "metrics.csv"):
        for damage in damages(config.directory / name, 40):
            try:
                np.testing.assert_array_equal(gaussians.train(config).points, points, damage)
                assert "turned" in damage and name == "points.npz", damage
            except RumiError as error:
                one_line(error, str(config.directory))
