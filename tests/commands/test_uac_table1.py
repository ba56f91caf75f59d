"""Table 1 of UAC-GAN: summaries of known rows."""

import numpy as np
import pytest

from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.evaluation.results import Row
from rumi_tf.experiments import uac_table1
from rumi_tf.experiments.gaussians import MixtureRuns
from rumi_tf.utils.io import read_csv


def rows(objective, **by_target):
    return [
        Row(
            dataset="mixture", split="classes", target=target, objective=objective,
            config_hash="x", seed=seed, iteration=1, reference="", protocol="uac_mixture",
            embedding="none", metric="mmd2", value=value, std=None, n_generated=1, n_reference=1,
            seconds=0.0,
        )
        for target, values in by_target.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip


def test_mean_and_deviation_next_to_the_papers_values():
    values = [460.0, 530.0, 600.0]
    table = uac_table1.summarise(
        rows("acgan", class_0=[0.2, 0.4, 0.5], class_2=values)
        + rows("perfect", class_0=[0.0, 0.1], class_2=[-0.1, 0.3])
    )
    assert [(line["target"], line["model"]) for line in table] == [
        ("class_0", "AC-GAN"), ("class_0", "perfect generator"),
        ("class_2", "AC-GAN"), ("class_2", "perfect generator"),
    ]  # fmt: skip
    biased = table[2]
    assert (biased["mean"], biased["std"]) == (530.0, pytest.approx(np.std(values, ddof=1)))
    assert biased["difference"] == pytest.approx(530.0 - 527.801)
    assert [line["within"] for line in table] == ["no", "", "yes", ""]
    assert uac_table1.agreement(table).startswith("1 of 2 ")
    shown = uac_table1.as_text(biased)
    assert shown["MMD²"] == "530.000 ± 70.000" and shown["paper"] == "527.801 ± 65.174"
    assert shown["difference"] == "+2.199" and uac_table1.as_text(table[3])["paper"] == ""


def test_training_times_per_model_and_in_total():
    model_runs = [
        MixtureRuns(MixtureConfig(objective=name, num_runs=7), [], np.zeros(0), seconds, False)
        for name, seconds in (("acgan", 90.4), ("uacgan", 160.2))
    ]
    assert uac_table1.times(model_runs) == [
        {"model": "AC-GAN", "runs": "7", "seconds": "90"},
        {"model": "UAC-GAN", "runs": "7", "seconds": "160"},
        {"model": "all", "runs": "7", "seconds": "251"},
    ]


def test_diverged_runs_are_counted_and_excluded():
    (line,) = uac_table1.summarise(rows("tacgan", marginal=[None, 1.0, 3.0]))
    assert (line["runs"], line["diverged"], line["mean"]) == (2, 1, 2.0)
    assert uac_table1.as_text(line)["runs"] == "2 (1 diverged)"


def test_a_single_run_has_no_deviation_and_a_diverged_run_no_mean():
    one, none = uac_table1.summarise(rows("uacgan", class_1=[1.0], marginal=[None]))
    assert one["mean"] == 1.0 and np.isnan(one["std"]) and np.isnan(none["mean"])
    shown = [uac_table1.as_text(line) for line in (one, none)]
    assert [line["MMD²"] for line in shown] == ["1.000", ""] and none["within"] == ""
    assert (shown[1]["median"], shown[1]["difference"]) == ("", "")
    assert shown[1]["runs"] == "0 (1 diverged)"


def test_published_values_cover_every_target_and_model_of_the_paper():
    values = {(line["target"], line["model"]) for line in read_csv(uac_table1.PAPER)}
    targets = ("class_0", "class_1", "class_2", "marginal")
    models = [uac_table1.MODELS[name] for name in ("acgan", "tacgan", "uacgan")]
    assert values == {(target, model) for target in targets for model in models}
