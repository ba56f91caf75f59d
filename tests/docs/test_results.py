"""Committed results are described completely."""

import csv
import json

import pytest

from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.config.run import RunConfig
from rumi_tf.objectives import OBJECTIVES
from tests.conftest import ROOT

RESULTS = ROOT / "reproduce" / "results"
CONFIGS = {path.stem: path for path in (RESULTS / "configs").glob("*.json")}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.csv")), ids=lambda p: p.stem)
def test_every_run_has_its_config(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # Classifiers that were trained without generated images belong to no run.
    runs = {row.get("config_hash", "") for row in rows if row.get("objective") in OBJECTIVES}
    assert runs - {""} <= set(CONFIGS)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_config_has_the_hash_of_its_name(name):
    text = CONFIGS[name].read_text(encoding="utf-8")
    kind = MixtureConfig if "num_runs" in json.loads(text) else RunConfig
    assert kind.from_json(text).hash() == name
