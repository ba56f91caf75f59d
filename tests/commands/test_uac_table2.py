"""Table 2 and the samples of UAC-GAN: cells, and summaries of known rows."""

import dataclasses

import numpy as np
import pytest

from figures import uac_figure1
from rumi_tf.evaluation.results import Row
from rumi_tf.experiments import paper_grid, sweep, uac_table2
from rumi_tf.utils.io import read_csv
from tests.conftest import command


class Args:
    """Values of the flags that select cells."""

    models, seeds, smoke = ["acgan", "uacgan"], ["0", "3"], False


@pytest.fixture(autouse=True)
def no_flags(monkeypatch):
    monkeypatch.setattr(paper_grid, "overrides", lambda smoke: {"runs_dir": "runs"})


@pytest.mark.parametrize("dataset, batches", [("mnist", 235), ("cifar10", 196)])
def test_cells_use_the_published_settings_on_all_images(dataset, batches):
    cells = uac_table2.cells_of(Args, dataset)
    assert [cell.title for cell in cells] == [
        f"{dataset} {model} {seed}" for model in ("AC-GAN", "UAC-GAN") for seed in (0, 3)
    ]
    for cell in cells:
        config, epochs = cell.config, 100 if cell.config.objective == "uacgan" else 200
        assert (config.split, config.protocol, config.embedding) == (
            "all", "uac_images", "classifier",
        )  # fmt: skip
        assert (config.network, config.image_size, config.batch_size) == ("uac_resnet", 32, 256)
        assert (config.d_steps, config.learning_rate, config.beta_2) == (1, 2e-4, 0.999)
        assert config.iterations == batches * epochs
        assert config.classifier_on_fakes is (config.objective != "uacgan")
    assert len({cell.config.hash() for cell in cells}) == len(cells)


def outcome(model, seed, embedding="inception_299-8f", changed=None, **values):
    objective = {title: name for name, title in uac_table2.MODELS.items()}[model]
    (cell,) = uac_table2.cells_of_model(objective, "mnist", [seed], {})
    config = dataclasses.replace(cell.config, **(changed or {}))
    rows = [
        Row(
            dataset="mnist", split="all", target="all", objective="x", config_hash="x", seed=seed,
            iteration=config.iterations, reference="", protocol="uac_images", embedding=embedding,
            metric=metric, value=value, std=None, n_generated=10_240, n_reference=1, seconds=0.0,
        )
        for metric, value in values.items()
    ]  # fmt: skip
    place = {"data set": "mnist", "model": model, "run seed": str(seed)}
    return sweep.Outcome(sweep.Cell(config, place), "done", rows)


def test_mean_and_deviation_over_seeds_next_to_the_papers_values():
    table = uac_table2.summarise(
        [
            outcome("AC-GAN", 0, fid=4.0, inception_score=2.0, intra_class_distance=5.0),
            outcome("AC-GAN", 1, fid=8.0, inception_score=None, intra_class_distance=6.0),
            outcome("CGAN-PD", 0, fid=1.0),
            sweep.Outcome(sweep.Cell(None, {}), "failed", reason="x"),
        ]
    )
    assert [line["model"] for line in table] == ["AC-GAN", "CGAN-PD"]
    one, two = table
    assert one["fid"] == f"6 ± {np.std([4, 8], ddof=1):.2g}" and one["inception_score"] == "2"
    assert (one["paper's fid"], one["paper's inception_score"]) == ("4.17", "2.52")
    assert (one["embedding"], one["iterations"], one["seeds"]) == ("inception_299", "47000", "2")
    assert (two["fid"], two["inception_score"], two["paper's fid"]) == ("1", "", "")
    assert one["difference in fid"] == "+1.83" and two["difference in fid"] == ""


@pytest.mark.parametrize(
    "model, changed, difference",
    [
        ("AC-GAN", {}, "+1.83"),
        ("AC-GAN", {"embedding": "classifier-8f"}, "other embedding"),
        ("UAC-GAN", {}, "+2.32"),
        *(
            ("AC-GAN", {"changed": {name: value}}, "other settings")
            for name, value in {
                "width": 0.5,
                "iterations": 235 * 100,
                "learning_rate": 0.1,
                "d_steps": 5,
                "adversarial_loss": "hinge",
                "classifier_on_fakes": False,
                "latent_dim": 2,
            }.items()
        ),
    ],
)
def test_a_difference_is_shown_only_for_the_papers_settings(model, changed, difference):
    runs = [outcome(model, k, fid=fid, **changed) for k, fid in enumerate((5.0, 7.0))]
    (line,) = uac_table2.summarise(runs)
    assert line["difference in fid"] == difference
    reason = difference if difference.startswith("other") else ""
    assert line["difference in inception_score"] == reason


def test_published_values_cover_every_data_set_and_model_of_the_paper():
    values = {(line["dataset"], line["model"]) for line in read_csv(uac_table2.PAPER)}
    models = ("AC-GAN", "TAC-GAN", "UAC-GAN")
    assert values == {(data, model) for data in ("mnist", "cifar10") for model in models}


def test_diversity_of_every_class_next_to_that_of_real_images():
    run = outcome("UAC-GAN", 0, intra_class_distance=3.0, intra_class_distance_cat=2.0, fid=1.0)
    lines = uac_figure1.diversity("pets", {"cat": 4.0, "dog": 6.0}, {"UAC-GAN": run.rows})
    assert lines == [
        {"data set": "pets", "class": "cat", "real": "4", "UAC-GAN": "2"},
        {"data set": "pets", "class": "dog", "real": "6", "UAC-GAN": ""},
        {"data set": "pets", "class": "mean", "real": "5", "UAC-GAN": "3"},
    ]


@pytest.mark.parametrize("incomplete", [0, 1])
def test_a_model_without_a_run_on_a_data_set_is_empty_there(incomplete):
    models = [["AC-GAN", "TAC-GAN"], ["AC-GAN", "TAC-GAN"]]
    del models[incomplete][1]
    lines = [{"data set": str(k), **dict.fromkeys(names, "1")} for k, names in enumerate(models)]
    full = uac_figure1.with_all_columns(lines)
    assert [set(line) for line in full] == [{"data set", "AC-GAN", "TAC-GAN"}] * 2
    assert [line["TAC-GAN"] for line in full] == ["" if k == incomplete else "1" for k in range(2)]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_table_and_the_figure_share_their_runs(tmp_path):
    """The table trains a cell and the figure draws it."""
    words = ("--datasets=digits", "--smoke", "--models=uacgan", f"--out={tmp_path}",
             f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={tmp_path / 'cache'}")  # fmt: skip
    done = command("reproduce.uac_table2", *words)
    assert done.returncode == 0, done.stderr
    table = read_csv(tmp_path / "uac_table2.csv")
    assert [line["model"] for line in table] == ["UAC-GAN"]
    done = command("figures.uac_figure1", *words, "--num=3")
    assert done.returncode == 0 and "1 of 1 cells reused" in done.stderr, done.stderr
    lines = read_csv(tmp_path / "uac_figure1.csv")
    assert [line["class"] for line in lines] == [*"0123456789", "mean"]
    measured = float(table[0]["intra_class_distance"])
    assert float(lines[-1]["UAC-GAN"]) == pytest.approx(measured, rel=1e-3)
    by_class = [float(line["UAC-GAN"]) for line in lines[:-1]]
    assert measured == pytest.approx(np.mean(by_class), rel=1e-3)
    assert min(float(line["real"]) for line in lines) > 1  # real digits differ
