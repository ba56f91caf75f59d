"""The example objective of CONTRIBUTING.md trains."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.runs import resolve
from rumi_tf.training import build
from tests import pages
from tests.conftest import ROOT


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The class of the page, imported from a file and registered."""
    (code,) = pages.fenced((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")
    path = tmp_path / "example.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(OBJECTIVES, "hinge", module.HingeGAN)
    return module.HingeGAN


def test_losses_match_the_docstring(example):
    scores = {"real": np.array([2.0, 0.5, -1.0]), "fake": np.array([-3.0, 0.0, 1.0])}
    terms = example().terms()
    losses = {role: float(terms[role]({"score": tf.constant(s)})) for role, s in scores.items()}
    assert losses == pytest.approx({"real": (0 + 0.5 + 2) / 3, "fake": (0 + 1 + 2) / 3})


def test_example_trains_by_its_name(example):
    config = resolve.resolve(RunConfig(objective="hinge", width=0.05, batch_size=8, iterations=2))
    images, split = build.prepare(config)
    model = build.make_model(config, images.image_shape)
    before = [v.numpy() for v in model.generator.trainable_variables]
    for batches in build.make_batches(config, model, images, split, 0):
        model.train_step(batches)
    for old, new in zip(before, model.generator.trainable_variables, strict=True):
        assert np.isfinite(new.numpy()).all() and not np.array_equal(old, new)
