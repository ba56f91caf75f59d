"""The example of CONTRIBUTING.md is an objective that trains."""

import importlib.util
import re

import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.runs import resolve
from rumi_tf.training import build
from tests.conftest import ROOT


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The class, imported from a file with the text of the page, and registered."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(OBJECTIVES, "hinge", module.HingeGAN)
    body = code[code.index("class ") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 10
    return module.HingeGAN


def test_its_losses_are_those_of_its_docstring(example):
    scores = {"real": np.array([2.0, 0.5, -1.0]), "fake": np.array([-3.0, 0.0, 1.0])}
    terms = example().terms()
    found = {role: float(terms[role]({"score": tf.constant(s)})) for role, s in scores.items()}
    assert found == pytest.approx({"real": (0 + 0.5 + 2) / 3, "fake": (0 + 1 + 2) / 3})


def test_it_trains_by_its_name(example):
    config = resolve.resolve(RunConfig(objective="hinge", width=0.05, batch_size=8, iterations=2))
    images, split = build.prepare(config)
    model = build.make_model(config, images.image_shape)
    before = [v.numpy() for v in model.generator.trainable_variables]
    for batches in build.make_batches(config, model, images, split, 0):
        model.train_step(batches)
    for old, new in zip(before, model.generator.trainable_variables, strict=True):
        assert np.isfinite(new.numpy()).all() and not np.array_equal(old, new)
