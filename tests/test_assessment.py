"""reproduce.evaluate from its paths to its files, with a classifier of a few updates."""

import keras
import numpy as np
import pytest
from PIL import Image

from rumi_tf import assessment, experiment
from rumi_tf.config import RunConfig
from rumi_tf.data.sources import load_images
from rumi_tf.embeddings import classifier
from rumi_tf.errors import InvalidInput
from rumi_tf.files import read_csv
from rumi_tf.results import read_rows
from rumi_tf.sampling import load_sampler, to_bytes


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(classifier, "UPDATES", (60, 60))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("places")
    config = RunConfig(
        minority_class="5", width=0.05, batch_size=8, iterations=2, runs_dir=str(root / "runs")
    )
    run = experiment.train(config)
    digits = load_images(experiment.resolve(config))
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
    return assessment.assess(
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
    written = assessment.write(found, tmp_path / "out")
    assert all(path.stat().st_size for path in written)
    assert {p.name for p in written} == {
        "metrics.csv", "prd.csv", "prd.png", "prd.pdf", "classes.csv", "classes.png",
        "classes.pdf",
    }  # fmt: skip
    assert read_rows(written[0]) == found.rows
    assessment.write(found, tmp_path / "out")
    assert len(read_rows(written[0])) == 2 * len(found.rows)
    classes = read_csv(tmp_path / "out" / "classes.csv")
    assert [row["class"] for row in classes] == list("0123456789")
    assert sum(float(row["real"]) for row in classes) == pytest.approx(1)
    table = assessment.as_table(found)
    for row in found.rows:
        line = next(x for x in table.splitlines() if x.split()[:1] == [row.metric])
        assert float(line.split()[1]) == pytest.approx(row.value, rel=1e-4, abs=1e-4)
    assert "threes.npz, " in table and "real digits, 5, 145 images" in table


def test_other_data_than_trained_on_is_pointed_out(places, monkeypatch):
    sampler = load_sampler(places["saved_model"])
    sampler.metadata["data_fingerprint"] = "another"
    monkeypatch.setattr(assessment, "load_sampler", lambda _: sampler)
    found = assess(places, saved_model=places["saved_model"], given={"eval_samples": 20})
    assert any("not those that the generator was trained on" in note for note in found.notes)


def test_images_that_do_not_fit_are_found_before_a_classifier_is_trained(places, monkeypatch):
    monkeypatch.setattr(classifier, "_train", lambda *_: pytest.fail("trained"))
    with pytest.raises(InvalidInput, match="images are 8x8 pixels in colour, those of the data"):
        np.savez(places["root"] / "small.npz", images=np.zeros((4, 8, 8, 3), np.uint8))
        assess(places, images="small.npz", given={**FIVES, "cache_dir": places["cache"] + "2"})


def test_a_saved_model_without_metadata_needs_the_name_of_a_data_set(places, monkeypatch):
    sampler = load_sampler(places["saved_model"])
    sampler.metadata.clear()
    monkeypatch.setattr(assessment, "load_sampler", lambda _: sampler)
    with pytest.raises(InvalidInput, match="--dataset: the SavedModel does not say"):
        assess(places, saved_model=places["saved_model"])
    found = assess(places, saved_model=places["saved_model"], given={**FIVES, "eval_samples": 20})
    assert found.rows[0].target == "5"
