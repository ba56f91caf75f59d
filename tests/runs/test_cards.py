import re

import numpy as np
import pytest

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import read_rows
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
        assert "| positives | 40 images of 5 |" in card
        for code in blocks(card, "python"):
            namespace: dict = {}
            exec(code.replace("DIR", str(place)), namespace)
            images = np.asarray(namespace["images"])
            assert images.shape == (64, 28, 28, 1) and np.abs(images).max() <= 1
    assert rows and (run.best_saved_model / "README.md").exists()


def test_a_later_evaluation_appears_on_the_cards_of_a_finished_run(tmp_path, digits_cache):
    settings = dict(
        objective="lsgan", minority_class="5", width=0.05, batch_size=8, iterations=1,
        runs_dir=str(tmp_path), cache_dir=digits_cache,
    )  # fmt: skip
    run = train.train(RunConfig(**settings))
    paths = [place / "README.md" for place in (run.directory, run.saved_model)]
    assert not any("fd_classifier" in path.read_text() for path in paths)
    again = train.train(RunConfig(**settings, eval_every=1, eval_samples=50))
    assert again.reused
    assert all("fd_classifier" in path.read_text() for path in paths)
