"""The examples of docs/python.md, whose assertions check their results."""

import re

import pytest

import rumi_tf
from rumi_tf.evaluation.embeddings import classifier
from tests.conftest import ROOT
from tests.pages import FENCE

PAGE = ROOT / "docs" / "python.md"
SMALL = {"iterations": "2", "width": "0.05", "batch_size": "4"}


def examples():
    """The page's code on its lines of the page, with small settings."""
    text = PAGE.read_text(encoding="utf-8")
    for block in FENCE.finditer(text):
        language, code = block.groups()
        if language == "python":
            code = re.sub(
                r"\b(iterations|width|batch_size)(=|\": )\d[\d.]*",
                lambda match: match[1] + match[2] + SMALL[match[1]],
                code,
            )
            yield "\n" * text.count("\n", 0, block.start(2)) + code


def test_the_page_shows_everything_that_the_package_offers():
    code = "".join(examples())
    for name in rumi_tf.__all__:
        assert f"rumi_tf.{name}" in code, name
    for name, value in SMALL.items():
        assert re.search(rf'\b{name}(=|": ){value}\b', code), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classifier, "UPDATES", (5, 5))
    namespace = {}
    for code in examples():
        exec(compile(code, str(PAGE), "exec"), namespace)
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "cache"}
