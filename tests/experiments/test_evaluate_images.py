"""reproduce.evaluate from its paths to its files, with a classifier of a few updates."""

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
from rumi_tf.runs import outputs, resolve
from rumi_tf.training import train
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(classifier, "UPDATES", (60, 60))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("places")
    config = RunConfig(
        minority_class="5", width=0.05, batch_size=8, iterations=2, runs_dir=str(root / "runs")
    )
    run = train.train(config)
    digits = load_images(resolve.resolve(config))
    real = to_bytes(digits.gather(np.arange(len(digits))).numpy())
    np.savez(root / "fives.npz", images=real[digits.labels == 5])
    np.savez(root / "threes.npz", images=real[digits.labels == 3])
    (root / "folder").mkdir()
    for k in np.flatnonzero(digits.labels == 5):
        Image.fromarray(real[k, ..., 0]).save(root / "folder" / f"{k}.png")
    return {"root": root, "saved_model": run.saved_model, "cache": str(root / "cache")}


def assess(places, saved_model=None, images=None, reference=None, **keywords):
    given = {"cache_dir": places["cache"], **keywords.pop("given", {})}
    path = lambda name: None if name is None else places["root"] / name  # noqa: E731
    return evaluate_images.assess(
        saved_model=saved_model, images=path(images), reference=path(reference), given=given,
        **keywords,
    )  # fmt: skip


FIVES = {"dataset": "digits", "minority_class": "5"}


def test_a_saved_model_knows_what_it_was_trained_on(places):
    found = assess(places, saved_model=places["saved_model"], given={"eval_samples": 120})
    fid = found.rows[0]
    assert (fid.metric, fid.n_generated, fid.n_reference) == ("fid", 120, 145)
    assert (fid.dataset, fid.target, fid.objective) == ("digits", "5", "rumi_lsgan")
    metadata = load_sampler(places["saved_model"]).metadata
    assert fid.config_hash == metadata["config_hash"] and fid.iteration == 2
    again = assess(places, saved_model=places["saved_model"], given={"eval_samples": 120})
    assert again.evaluation.measurements == found.evaluation.measurements


def test_real_fives_are_nearer_to_fives_than_threes_and_are_counted_as_fives(places):
    fives = assess(places, images="fives.npz", given=FIVES).evaluation
    threes = assess(places, images="threes.npz", given=FIVES).evaluation
    assert abs(fives["fid"]) < 1e-5 and fives["precision"] == fives["recall"] == 1
    assert threes["fid"] > 1 and threes["prd_f8"] < fives["prd_f8"]
    assert fives["class_5"] > 0.8 > 0.2 > threes["class_5"]
    assert fives["share_positive_only"] == fives["class_5"]


def test_a_folder_of_files_is_the_same_as_the_npz_file(places):
    npz = assess(places, images="fives.npz", given=FIVES).evaluation
    folder = assess(places, images="folder", given=FIVES).evaluation
    np.testing.assert_allclose(npz.shares, folder.shares)
    assert folder["fid"] == pytest.approx(npz["fid"], abs=1e-5)


def test_against_a_second_set_of_images(places):
    found = assess(places, images="threes.npz", reference="folder", given={"dataset": "digits"})
    direct = assess(places, images="threes.npz", given=FIVES)
    assert found.evaluation["fid"] == pytest.approx(direct.evaluation["fid"], rel=1e-4)
    assert found.rows[0].protocol == "images" and found.evaluation.n_reference == 145


def test_so_many_of_the_images_at_random(places):
    found = assess(places, images="fives.npz", given={**FIVES, "eval_samples": 40})
    assert found.evaluation.n_generated == 40 and found.evaluation["fid"] > 1e-3


@pytest.mark.slow
def test_two_sets_of_images_without_a_data_set_by_inception(places):
    keras.utils.set_random_seed(0)
    network = keras.applications.InceptionV3(
        weights=None, include_top=False, pooling="avg", input_shape=(80, 80, 3)
    )
    weights = places["root"] / "w.weights.h5"
    network.save_weights(weights)
    given = {"embedding": "inception", "inception_weights": str(weights), "eval_samples": 20}
    found = assess(places, images="threes.npz", reference="fives.npz", given=given)
    names = [m.metric for m in found.evaluation.measurements]
    assert "inception_score" not in names and not any(n.startswith("class_") for n in names)
    assert "20 samples in 2048 dimensions" in found.rows[0].note
    assert found.rows[0].embedding.startswith("inception-")


def test_what_is_written_and_shown(places, tmp_path):
    found = assess(places, images="threes.npz", given=FIVES, extrapolate=True)
    written = evaluate_images.write(found, tmp_path / "out")
    assert all(path.stat().st_size for path in written)
    mark = found.rows[0].config_hash
    kinds = [f"{what}_{mark}.{kind}" for what in ("prd", "classes")
             for kind in ("csv", "png", "pdf")]  # fmt: skip
    assert [p.name for p in written] == ["metrics.csv", *kinds]
    assert read_rows(written[0]) == found.rows
    evaluate_images.write(found, tmp_path / "out")
    assert read_rows(written[0]) == found.rows  # the same once more
    others = [dataclasses.replace(row, seed=9) for row in found.rows]
    evaluate_images.write(dataclasses.replace(found, rows=others), tmp_path / "out")
    assert read_rows(written[0]) == [*found.rows, *others]
    classes = read_csv(tmp_path / "out" / f"classes_{mark}.csv")
    assert [row["class"] for row in classes] == list("0123456789")
    assert sum(float(row["real"]) for row in classes) == pytest.approx(1)
    table = evaluate_images.as_table(found)
    for row in found.rows:
        line = next(x for x in table.splitlines() if x.split()[:1] == [row.metric])
        assert float(line.split()[1]) == pytest.approx(row.value, rel=1e-4, abs=1e-4)
    assert "threes.npz, " in table and "digits 5 " in table and "145 images" in table


def test_other_data_than_trained_on_is_pointed_out(places, monkeypatch):
    sampler = load_sampler(places["saved_model"])
    sampler.metadata["data_fingerprint"] = "another"
    monkeypatch.setattr(evaluate_images, "load_sampler", lambda _: sampler)
    found = assess(places, saved_model=places["saved_model"], given={"eval_samples": 20})
    assert any("not of the data that the generator was trained on" in note for note in found.notes)


def test_images_that_do_not_fit_are_found_before_a_classifier_is_trained(places, monkeypatch):
    monkeypatch.setattr(classifier, "_train", lambda *_: pytest.fail("trained"))
    with pytest.raises(InvalidInput, match="images are 8x8 pixels in grey, those of the data"):
        np.savez(places["root"] / "small.npz", images=np.zeros((4, 8, 8, 3), np.uint8))
        assess(places, images="small.npz", given={**FIVES, "cache_dir": places["cache"] + "2"})


def test_a_saved_model_of_another_size_is_what_does_not_fit(places):
    """Not its network, which is not what measures."""
    with pytest.raises(InvalidInput, match=r"--saved_model: images are 28x28 .* set 32x32 pixels"):
        assess(places, saved_model=places["saved_model"], given={"image_size": 32})


def test_a_saved_model_without_metadata_needs_the_name_of_a_data_set(places, monkeypatch):
    sampler = load_sampler(places["saved_model"])
    sampler.metadata.clear()
    monkeypatch.setattr(evaluate_images, "load_sampler", lambda _: sampler)
    with pytest.raises(InvalidInput, match="--dataset: it is not known what to compare"):
        assess(places, saved_model=places["saved_model"])
    found = assess(places, saved_model=places["saved_model"], given={**FIVES, "eval_samples": 20})
    row = found.rows[0]
    assert (row.target, row.iteration, row.seed) == ("5", 0, 0)
    assert row.objective == str(places["saved_model"])


def test_another_split_takes_the_place_of_the_trained_one(places):
    given = {"split": "even", "eval_samples": 20}
    row = assess(places, saved_model=places["saved_model"], given=given).rows[0]
    even = int(np.sum(load_images(resolve.resolve(RunConfig())).labels % 2 == 0))
    assert (row.split, row.target, row.n_reference) == ("even", "even", even)
    assert row.config_hash == load_sampler(places["saved_model"]).metadata["config_hash"]


def test_the_commands_values_are_those_of_the_run_itself(places, tmp_path):
    """The same noise, embedding and reference: nothing depends on who measures."""
    settings = {
        "minority_class": "5", "width": 0.05, "batch_size": 8, "iterations": 3,
        "eval_samples": 130, "eval_every": 3, "cache_dir": places["cache"],
    }  # fmt: skip
    run = train.train(RunConfig(**settings, runs_dir=str(tmp_path)))
    own = read_rows(run.directory / "metrics.csv")
    found = assess(places, saved_model=run.saved_model, given={"eval_samples": 130})
    for ours, theirs in zip(own, found.rows, strict=True):
        assert (ours.metric, ours.embedding, ours.reference) == (
            theirs.metric, theirs.embedding, theirs.reference,
        )  # fmt: skip
        assert ours.value == pytest.approx(theirs.value, rel=1e-4, abs=1e-6), ours.metric
        assert ours.config_hash == theirs.config_hash


def test_a_finished_run_is_evaluated_when_it_is_asked_for(places, tmp_path):
    settings = {
        "minority_class": "5", "width": 0.05, "batch_size": 8, "iterations": 2,
        "runs_dir": str(tmp_path), "cache_dir": places["cache"],
    }  # fmt: skip
    run = train.train(RunConfig(**settings))
    assert not (run.directory / "metrics.csv").exists()
    wanted = RunConfig(**settings, eval_every=5, eval_samples=60)
    again = train.train(wanted)
    assert again.reused and again.notes
    rows = read_rows(run.directory / "metrics.csv")
    assert rows[0].n_generated == 60 and rows[0].iteration == 2
    assert not train.train(wanted).notes and len(read_rows(run.directory / "metrics.csv")) == len(
        rows
    )
    assert [row.metric for row in outputs.last_rows(resolve.resolve(wanted))] == [
        r.metric for r in rows
    ]
    other = resolve.resolve(RunConfig(**settings, eval_every=5, eval_samples=61))
    assert outputs.last_rows(other) == []


def test_a_conditional_model_is_asked_for_the_wanted_class(places, tmp_path, monkeypatch):
    run = train.train(
        RunConfig(minority_class="5", objective="acgan", width=0.05, batch_size=8, iterations=2,
                  runs_dir=str(tmp_path))
    )  # fmt: skip
    sampler, asked = load_sampler(run.saved_model), []
    generate = sampler.generate
    watched = dataclasses.replace(
        sampler,
        generate=lambda noise, labels: asked.append(labels.numpy()) or generate(noise, labels),
    )
    monkeypatch.setattr(evaluate_images, "load_sampler", lambda _: watched)
    assess(places, saved_model=run.saved_model, given={"eval_samples": 120})
    assert set(np.concatenate(asked)) == {5}
    asked.clear()
    given = {"eval_samples": 120, "protocol": "uac_images", "embedding": "classifier"}
    assess(places, saved_model=run.saved_model, given=given)
    assert set(np.concatenate(asked)) == set(range(10))


def test_a_table_of_something_else_is_not_appended_to(tmp_path):
    for text in ("a,b\n1,2\n", "\x00\xff"):
        (tmp_path / "metrics.csv").write_text(text, encoding="latin-1")
        with pytest.raises(InvalidInput, match="--out: "):
            evaluate_images.check_output(tmp_path)
