import dataclasses
import re
from xml.etree import ElementTree

import markdown  # of tensorboard
import numpy as np
import pytest

from rumi_tf.config.run import DATASETS, RunConfig
from rumi_tf.evaluation.results import read_rows
from rumi_tf.export.card import DATA_TERMS, model_card
from rumi_tf.training import train


def blocks(card, language):
    return re.findall(rf"```{language}\n(.*?)```", card, re.DOTALL)


@pytest.mark.parametrize("objective", ["lsgan", "acgan"])
def test_cards_show_the_last_evaluation_and_code_that_samples(
    objective, tmp_path, monkeypatch, digits_cache
):
    config = RunConfig(
        objective=objective, minority_class="5", minority_size=40, width=0.05, batch_size=8,
        iterations=2, eval_every=1, eval_samples=50, runs_dir=str(tmp_path),
        cache_dir=digits_cache,
    )  # fmt: skip
    run = train.train(config)
    monkeypatch.chdir(run.directory)
    rows = [r for r in read_rows(run.directory / "metrics.csv") if r.iteration == 2]
    for place in (run.directory, run.saved_model):
        card = (place / "README.md").read_text(encoding="utf-8")
        shown = dict(re.findall(r"^\| (\S+) \| (\S+) \|$", card, re.MULTILINE))
        for row in rows:
            assert row.value is None or float(shown[row.metric]) == pytest.approx(
                row.value, rel=1e-3
            )
        assert "| positives | 40 images (5) |" in card
        for code in blocks(card, "python"):
            namespace: dict = {}
            exec(code.replace("DIR", str(place)), namespace)
            images = np.asarray(namespace["images"])
            assert images.shape == (64, 28, 28, 1) and np.abs(images).max() <= 1
    assert rows


def test_a_later_evaluation_appears_on_the_cards_of_a_finished_run(tmp_path, digits_cache):
    settings = dict(
        objective="lsgan", minority_class="5", width=0.05, batch_size=8, iterations=1,
        runs_dir=str(tmp_path), cache_dir=digits_cache,
    )  # fmt: skip
    run = train.train(RunConfig(**settings))
    paths = [place / "README.md" for place in (run.directory, run.saved_model)]
    assert not any("fd_classifier" in path.read_text() for path in paths)
    for samples in (50, 60):  # other settings of the evaluation
        again = train.train(RunConfig(**settings, eval_every=1, eval_samples=samples))
        assert again.reused
        assert all(f"{samples} generated images" in path.read_text() for path in paths)


def test_the_card_of_the_best_model_keeps_its_metrics(tmp_path, digits_cache):
    config = RunConfig(
        objective="lsgan", minority_class="5", width=0.05, batch_size=8, iterations=2,
        eval_every=1, eval_samples=50, runs_dir=str(tmp_path), cache_dir=digits_cache,
    )  # fmt: skip
    run = train.train(config)
    card = run.best_saved_model / "README.md"
    metrics = card.read_text().split("## Sampling")[0]
    assert "50 generated images" in metrics
    train.train(dataclasses.replace(config, eval_samples=60))
    if run.summary["best_iteration"] == 1:  # only the last iteration is evaluated again
        assert card.read_text().split("## Sampling")[0] == metrics


def test_markup_in_class_names_is_shown_as_text():
    names = ["<b>x & y", "`code`", "a|b", "*star* _under_", "[link](x)"]
    metadata = {
        "image_shape": [32, 32, 3], "class_names": names, "trained_classes": [], "iteration": 7,
        "positive_classes": [0], "negative_classes": [1, 2, 3, 4],
    }  # fmt: skip
    settings = {"objective": "lsgan", "dataset": "folder", "latent_dim": 9}
    counts = {"positive": 3, "negative": 4}
    metrics = {f"class_{name}": 0.2 for name in names}
    card = model_card(metadata, settings, counts, metrics, "An evaluation.")
    page = markdown.markdown(card, extensions=["tables", "fenced_code"])
    cells = ["".join(e.itertext()) for e in ElementTree.fromstring(f"<p>{page}</p>").iter("td")]
    assert {f"class_{name}" for name in names} <= set(cells)
    assert "3 images (<b>x & y)" in cells and f"4 images ({', '.join(names[1:])})" in cells


def test_every_data_set_has_terms():
    assert set(DATA_TERMS) == set(DATASETS)
