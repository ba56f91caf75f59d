"""Evaluation during training: what it writes, and that training does not notice it."""

import dataclasses
import math
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation import evaluator as evaluation
from rumi_tf.evaluation.embeddings import Embedding
from rumi_tf.evaluation.results import read_rows
from rumi_tf.experiments import evaluate_images
from rumi_tf.export.sampler import load_sampler
from rumi_tf.runs import directories, log, resolve
from rumi_tf.training import build, evaluate, train
from rumi_tf.training.callbacks import Evaluate
from rumi_tf.utils.errors import RunDamaged
from rumi_tf.utils.io import read_csv

TINY = {"width": 0.05, "batch_size": 8, "log_every": 2, "sample_every": 3, "checkpoint_every": 2,
        "iterations": 6, "split": "even", "eval_samples": 150, "generator_ema": 0.5}  # fmt: skip


def embed(images):
    rows = tf.reshape(tf.image.resize(images, (4, 4)), (-1, 16))
    bright = tf.sigmoid(rows[:, :10])
    classes = bright / tf.reduce_sum(bright, axis=1, keepdims=True)
    return {"features": rows, "scores": classes, "classes": classes}


SMALL = Embedding("small", "classifier-1", embed, (28, 28, 1), tuple("0123456789"), "classifier-1")


@pytest.fixture(autouse=True)
def small_embedding(monkeypatch):
    monkeypatch.setattr(evaluation, "load_embedding", lambda *_: SMALL)


def config(tmp_path, **values):
    places = {"runs_dir": str(tmp_path / "runs"), "cache_dir": str(tmp_path / "cache")}
    return resolve.resolve(RunConfig(**{**TINY, **places, **values}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was evaluated after every iteration and never killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "load_embedding", lambda *_: SMALL)
        return train.train(config(tmp_path_factory.mktemp("whole"), eval_every=1))


@pytest.fixture(scope="module")
def not_evaluated(tmp_path_factory):
    """Function from a number of iterations to a run of so many, which is trained once."""
    place = tmp_path_factory.mktemp("plain")
    return lambda iterations: train.train(config(place, iterations=iterations))


def without_seconds(rows):
    return [{**row, "seconds": ""} for row in rows]


def test_training_does_not_notice_that_it_is_evaluated(not_evaluated, whole, tmp_path):
    """The test of the lowest FID compares the generators."""
    assert config(tmp_path).name() == whole.directory.name
    plain = not_evaluated(4)
    logs = [read_csv(run.directory / "log.csv") for run in (plain, whole)]
    assert logs[0] == logs[1][:2]
    assert not (plain.directory / "metrics.csv").exists()


def test_rows_every_so_often_and_at_the_end_whatever_was_evaluated_before(tmp_path, whole):
    run = train.train(config(tmp_path, eval_every=4))
    rows = read_rows(run.directory / "metrics.csv")
    assert sorted({row.iteration for row in rows}) == [4, 6]
    by_metric = {(row.iteration, row.metric): row for row in rows}
    assert (4, "precision") not in by_metric and (6, "precision") in by_metric
    for iteration in (4, 6):
        row = by_metric[iteration, "fd_classifier"]
        assert (row.n_generated, row.protocol, row.embedding) == (
            150,
            "rumi_subset",
            "classifier-1",
        )
        assert (row.dataset, row.target, row.objective) == ("digits", "even", "rumi_lsgan")
        assert math.isfinite(row.value) and row.config_hash == config(tmp_path).hash()
    last = [
        [row for row in without_seconds(read_csv(r.directory / "metrics.csv"))
         if row["iteration"] == "6"]
        for r in (run, whole)
    ]  # fmt: skip
    assert last[0] == last[1] and last[0]
    curve = read_csv(run.directory / "prd.csv")
    assert len(curve) == 1001 and set(curve[0]) == {"precision", "recall"}
    assert run.summary["seconds_evaluating"] > 0


@pytest.mark.parametrize(
    "fids, best",
    [((5.0, 3.0, 4.0), 4), pytest.param((5.0, None, 5.0), 2, marks=pytest.mark.exhaustive)],
)
def test_the_generator_of_the_lowest_fid_is_exported_too(
    fids, best, not_evaluated, tmp_path, monkeypatch
):
    made = train.measurer

    def measurer(*arguments):
        measure = made(*arguments)

        def measured(iteration, last):
            (first, *rest), prd = measure(iteration, last)
            assert first.metric == "fd_classifier"
            return [dataclasses.replace(first, value=fids[iteration // 2 - 1]), *rest], prd

        return measured

    monkeypatch.setattr(train, "measurer", measurer)
    settings = config(tmp_path, eval_every=2)
    run = train.train(settings)
    assert log.saved_best_iterations(run.directory) == [best]
    assert run.summary["best_iteration"] == best
    sampler = load_sampler(run.best_saved_model)
    assert sampler.iteration == best and load_sampler(run.saved_model).iteration == 6
    # A run of so many iterations is the same until there.
    shorter = load_sampler(not_evaluated(best).saved_model)
    np.testing.assert_array_equal(sampler.sample(9, seed=3), shorter.sample(9, seed=3))
    assert not np.array_equal(
        sampler.sample(9, seed=3), load_sampler(run.saved_model).sample(9, seed=3)
    )


def test_the_best_generator_is_exported_anew_or_its_loss_is_told(tmp_path, whole):
    settings = config(tmp_path, eval_every=1)
    shutil.copytree(whole.directory, directories.run_directory(settings))
    run = train.train(settings)
    expected = load_sampler(run.best_saved_model).sample(5, seed=0)
    shutil.rmtree(run.best_saved_model)
    with pytest.raises(RunDamaged, match=r"saved_model_best/saved_model\.pb is miss") as caught:
        train.train(settings)
    assert f"delete {run.directory}/summary.json" in str(caught.value)
    (run.directory / "summary.json").unlink()
    assert not train.train(settings).reused
    np.testing.assert_array_equal(load_sampler(run.best_saved_model).sample(5, seed=0), expected)
    (kept,) = log.saved_best_iterations(run.directory)
    os.truncate(log.best_weights_path(run.directory, kept), 3000)
    (run.directory / "summary.json").unlink()
    with pytest.raises(RunDamaged, match=r"is damaged .*; delete it to continue"):
        train.train(settings)


def test_evaluations_by_another_embedding_do_not_compare():
    def row(iteration, value, embedding):
        return {"metric": "fd_classifier", "iteration": str(iteration), "value": value,
                "protocol": "p", "embedding": embedding, "n_generated": "10"}  # fmt: skip

    rows = [row(2, "5.0", "classifier"), row(4, "40.0", "inception"), row(6, "30.0", "inception")]
    assert log.best_iteration(rows) == 6
    assert log.best_iteration([row(2, "", "x"), {"metric": "kid"}]) is None


def test_measuring_the_best_generator_gives_its_row_again(whole):
    rows = read_rows(whole.directory / "metrics.csv")
    distances = [row for row in rows if row.metric == "fd_classifier"]
    best = min(distances, key=lambda row: row.value)
    found = evaluate_images.evaluate(
        saved_model=whole.best_saved_model, images=None, reference=None,
        given={"eval_samples": 150, "cache_dir": str(whole.directory.parent.parent / "cache")},
    )  # fmt: skip
    row = found.rows[0]
    assert (row.iteration, row.config_hash) == (best.iteration, best.config_hash)
    assert row.value == pytest.approx(best.value, rel=1e-4)


def test_every_evaluation_draws_its_own_samples(tmp_path):
    settings = config(tmp_path, eval_every=2)
    images, split = build.prepare(settings)
    model = build.make_model(settings, images.image_shape)
    evaluator = evaluation.Evaluator.for_run(settings, images, split)
    traces = []
    evaluator.embedding = dataclasses.replace(
        SMALL, embed=lambda images: traces.append(images.shape) or embed(images)
    )
    measure = evaluate.measurer(settings, model.sample, evaluator, tf.distribute.get_strategy())
    values = [measure(iteration, False)[0][0].value for iteration in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert len(traces) == 1  # of six batches


@pytest.mark.exhaustive
def test_a_killed_run_ends_with_the_same_rows(tmp_path, monkeypatch, whole):
    class Killed(Exception):
        pass

    settings = config(tmp_path, eval_every=1)
    act = Evaluate.act

    def die(self, iteration, logs):
        act(self, iteration, logs)
        if iteration == 3:  # after the checkpoint of iteration 2
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Evaluate, "act", die)
        train.train(settings)
    resumed = train.train(settings)
    assert "resumed at iteration 2" in resumed.notes
    rows = [without_seconds(read_csv(r.directory / "metrics.csv")) for r in (whole, resumed)]
    assert rows[0] == rows[1]
    curves = [(r.directory / "prd.csv").read_bytes() for r in (whole, resumed)]
    assert curves[0] == curves[1]
