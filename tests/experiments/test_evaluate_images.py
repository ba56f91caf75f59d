"""Evaluation of a SavedModel and of image files, with a classifier trained for a few updates."""

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings import classifier
from rumi_tf.evaluation.results import read_rows
from rumi_tf.experiments import evaluate_images
from rumi_tf.export.sampler import load_sampler, to_bytes
from rumi_tf.runs import directories, outputs, resolve
from rumi_tf.training import train
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv
from tests.conftest import copied


@pytest.fixture(autouse=True)
def few_updates(monkeypatch):
    monkeypatch.setattr(classifier, "UPDATES", (60, 60))


@pytest.fixture(scope="module")
def inputs(finished_run, tmp_path_factory):
    root = tmp_path_factory.mktemp("inputs")
    digits = load_images(resolve.resolve(RunConfig(minority_class="5")))
    real = to_bytes(digits.gather(np.arange(len(digits))).numpy())
    np.savez(root / "fives.npz", images=real[digits.labels == 5])
    np.savez(root / "threes.npz", images=real[digits.labels == 3])
    (root / "folder").mkdir()
    for k in np.flatnonzero(digits.labels == 5):
        Image.fromarray(real[k, ..., 0]).save(root / "folder" / f"{k}.png")
    return {"root": root, "saved_model": finished_run.saved_model, "cache": str(root / "cache")}


def evaluate(inputs, saved_model=None, images=None, reference=None, given=None, **keywords):
    given = {"cache_dir": inputs["cache"], **(given or {})}
    path = lambda name: None if name is None else inputs["root"] / name  # noqa: E731
    return evaluate_images.evaluate(
        saved_model=saved_model, images=path(images), reference=path(reference), given=given,
        **keywords,
    )  # fmt: skip


FIVES = {"dataset": "digits", "minority_class": "5"}


def test_a_saved_model_is_evaluated_on_its_training_data(inputs):
    report = evaluate(inputs, saved_model=inputs["saved_model"], given={"eval_samples": 120})
    fid = report.rows[0]
    assert (fid.metric, fid.n_generated, fid.n_reference) == ("fd_classifier", 120, 145)
    assert (fid.dataset, fid.target, fid.objective) == ("digits", "5", "rumi_lsgan")
    metadata = load_sampler(inputs["saved_model"]).metadata
    assert fid.config_hash == metadata["config_hash"] and fid.iteration == 2
    again = evaluate(inputs, saved_model=inputs["saved_model"], given={"eval_samples": 120})
    assert again.evaluation.measurements == report.evaluation.measurements


def test_real_fives_score_better_than_threes_and_are_classified_as_fives(inputs):
    fives = evaluate(inputs, images="fives.npz", given=FIVES).evaluation
    threes = evaluate(inputs, images="threes.npz", given=FIVES).evaluation
    assert abs(fives["fd_classifier"]) < 1e-5 and fives["precision"] == fives["recall"] == 1
    assert threes["fd_classifier"] > 1 and threes["prd_f8"] < fives["prd_f8"]
    assert fives["class_5"] > 0.8 > 0.2 > threes["class_5"]
    assert fives["share_positive_only"] == fives["class_5"]


def test_a_folder_and_an_npz_file_of_the_same_images_agree(inputs):
    npz = evaluate(inputs, images="fives.npz", given=FIVES).evaluation
    folder = evaluate(inputs, images="folder", given=FIVES).evaluation
    np.testing.assert_allclose(npz.shares, folder.shares)
    assert folder["fd_classifier"] == pytest.approx(npz["fd_classifier"], abs=1e-5)


def test_reference_images_replace_those_of_the_data_set(inputs):
    report = evaluate(inputs, images="threes.npz", reference="folder", given={"dataset": "digits"})
    direct = evaluate(inputs, images="threes.npz", given=FIVES)
    assert report.evaluation["fd_classifier"] == pytest.approx(
        direct.evaluation["fd_classifier"], rel=1e-4
    )
    assert report.rows[0].protocol == "images" and report.evaluation.n_reference == 145


def test_eval_samples_draws_a_random_sample_of_the_images(inputs):
    report = evaluate(inputs, images="fives.npz", given={**FIVES, "eval_samples": 40})
    assert report.evaluation.n_generated == 40 and report.evaluation["fd_classifier"] > 1e-3


@pytest.mark.slow
def test_inception_compares_two_sets_of_images_without_a_data_set(inputs):
    keras.utils.set_random_seed(0)
    network = keras.applications.InceptionV3(
        weights=None, include_top=False, pooling="avg", input_shape=(80, 80, 3)
    )
    weights = inputs["root"] / "w.weights.h5"
    network.save_weights(weights)
    given = {"embedding": "inception", "inception_weights": str(weights), "eval_samples": 20}
    report = evaluate(inputs, images="threes.npz", reference="fives.npz", given=given)
    names = [m.metric for m in report.evaluation.measurements]
    assert "inception_score" not in names and not any(n.startswith("class_") for n in names)
    assert "20 samples in 2048 dimensions" in report.rows[0].note
    assert report.rows[0].embedding.startswith("inception-")


def test_written_files_and_printed_table_agree_with_the_rows(inputs, tmp_path):
    report = evaluate(inputs, images="threes.npz", given=FIVES, extrapolate=True)
    written = evaluate_images.write(report, tmp_path / "out")
    assert all(path.stat().st_size for path in written)
    digest = report.rows[0].config_hash
    names = [f"{name}_{digest}.{suffix}" for name in ("prd", "classes")
             for suffix in ("csv", "png", "pdf")]  # fmt: skip
    assert [p.name for p in written] == ["metrics.csv", *names]
    assert read_rows(written[0]) == report.rows
    evaluate_images.write(report, tmp_path / "out")
    assert read_rows(written[0]) == report.rows  # written twice, kept once
    others = [dataclasses.replace(row, seed=9) for row in report.rows]
    evaluate_images.write(dataclasses.replace(report, rows=others), tmp_path / "out")
    assert read_rows(written[0]) == [*report.rows, *others]
    classes = read_csv(tmp_path / "out" / f"classes_{digest}.csv")
    assert [row["class"] for row in classes] == list("0123456789")
    assert sum(float(row["real"]) for row in classes) == pytest.approx(1)
    table = evaluate_images.as_table(report)
    for row in report.rows:
        line = next(x for x in table.splitlines() if x.split()[:1] == [row.metric])
        assert float(line.split()[1]) == pytest.approx(row.value, rel=1e-4, abs=1e-4)
    assert "threes.npz, " in table and "digits 5 " in table and "145 images" in table


def test_a_note_warns_of_data_other_than_the_training_data(inputs, monkeypatch):
    sampler = load_sampler(inputs["saved_model"])
    sampler.metadata["data_fingerprint"] = "another"
    given = {"eval_samples": 20}
    expected = evaluate(inputs, saved_model=inputs["saved_model"], given=given).notes
    monkeypatch.setattr(evaluate_images, "load_sampler", lambda _: sampler)
    notes = evaluate(inputs, saved_model=inputs["saved_model"], given=given).notes
    assert len(set(notes) - set(expected)) == 1


def test_the_image_shape_is_checked_before_a_classifier_is_trained(inputs, monkeypatch):
    monkeypatch.setattr(classifier, "_train", lambda *_: pytest.fail("trained"))
    np.savez(inputs["root"] / "small.npz", images=np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(InvalidInput, match=r"--images: .*8x8 .*28x28 "):
        evaluate(inputs, images="small.npz", given={**FIVES, "cache_dir": inputs["cache"] + "2"})


def test_a_saved_model_of_another_size_is_an_error(inputs):
    """The message names --saved_model, not --network, which an evaluation does not use."""
    with pytest.raises(InvalidInput, match=r"--saved_model: .*28x28 .*32x32 "):
        evaluate(inputs, saved_model=inputs["saved_model"], given={"image_size": 32})


def test_a_saved_model_without_metadata_needs_a_dataset(inputs, monkeypatch):
    sampler = load_sampler(inputs["saved_model"])
    sampler.metadata.clear()
    monkeypatch.setattr(evaluate_images, "load_sampler", lambda _: sampler)
    with pytest.raises(InvalidInput, match="--dataset: "):
        evaluate(inputs, saved_model=inputs["saved_model"])
    report = evaluate(
        inputs, saved_model=inputs["saved_model"], given={**FIVES, "eval_samples": 20}
    )
    row = report.rows[0]
    assert (row.target, row.iteration, row.seed) == ("5", 0, 0)
    assert row.objective == str(inputs["saved_model"])


def test_a_given_split_overrides_that_of_the_saved_model(inputs):
    given = {"split": "even", "eval_samples": 20}
    row = evaluate(inputs, saved_model=inputs["saved_model"], given=given).rows[0]
    even = int(np.sum(load_images(resolve.resolve(RunConfig())).labels % 2 == 0))
    assert (row.split, row.target, row.n_reference) == ("even", "even", even)
    assert row.config_hash == load_sampler(inputs["saved_model"]).metadata["config_hash"]


def test_an_evaluation_agrees_with_that_of_the_run(inputs, tmp_path):
    """Both use the same noise, embedding and reference."""
    settings = {
        "minority_class": "5", "width": 0.05, "batch_size": 8, "iterations": 3,
        "eval_samples": 130, "eval_every": 3, "cache_dir": inputs["cache"],
    }  # fmt: skip
    run = train.train(RunConfig(**settings, runs_dir=str(tmp_path)))
    run_rows = read_rows(run.directory / "metrics.csv")
    report = evaluate(inputs, saved_model=run.saved_model, given={"eval_samples": 130})
    for expected, row in zip(run_rows, report.rows, strict=True):
        for column in ("metric", "embedding", "reference", "config_hash"):
            assert getattr(row, column) == getattr(expected, column)
        assert row.value == pytest.approx(expected.value, rel=1e-4, abs=1e-6), row.metric


def test_eval_every_evaluates_a_finished_run(inputs, finished_run, tmp_path):
    config = dataclasses.replace(copied(finished_run, tmp_path), cache_dir=inputs["cache"])
    directory = directories.run_directory(config)
    with_evaluation = dataclasses.replace(config, eval_every=5, eval_samples=60)
    again = train.train(with_evaluation)
    assert again.reused and again.notes
    rows = read_rows(directory / "metrics.csv")
    assert rows[0].n_generated == 60 and rows[0].iteration == 2
    assert not train.train(with_evaluation).notes
    assert len(read_rows(directory / "metrics.csv")) == len(rows)
    assert [row.metric for row in outputs.last_rows(with_evaluation)] == [r.metric for r in rows]
    assert outputs.last_rows(dataclasses.replace(with_evaluation, eval_samples=61)) == []


def test_a_conditional_model_generates_the_classes_of_the_protocol(inputs, tmp_path, monkeypatch):
    run = train.train(
        RunConfig(minority_class="5", objective="acgan", width=0.05, batch_size=8, iterations=2,
                  runs_dir=str(tmp_path))
    )  # fmt: skip
    sampler, requested = load_sampler(run.saved_model), []
    generate = sampler.generate
    recording = dataclasses.replace(
        sampler,
        generate=lambda noise, labels: requested.append(labels.numpy()) or generate(noise, labels),
    )
    monkeypatch.setattr(evaluate_images, "load_sampler", lambda _: recording)
    evaluate(inputs, saved_model=run.saved_model, given={"eval_samples": 120})
    assert set(np.concatenate(requested)) == {5}
    requested.clear()
    given = {"eval_samples": 120, "protocol": "uac_images", "embedding": "classifier"}
    evaluate(inputs, saved_model=run.saved_model, given=given)
    assert set(np.concatenate(requested)) == set(range(10))


def test_other_tables_are_not_appended_to(tmp_path):
    for text in ("a,b\n1,2\n", "\x00\xff"):
        (tmp_path / "metrics.csv").write_text(text, encoding="latin-1")
        with pytest.raises(InvalidInput, match="--out: "):
            evaluate_images.check_output(tmp_path)
