"""The mixture of Gaussians: data, resuming, evaluation."""

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.evaluation.results import append_rows
from rumi_tf.experiments import gaussians
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils.errors import InvalidInput, RunDamaged
from tests.conftest import ROOT

TINY = {"samples": 200, "batch_size": 12, "iterations": 3, "d_steps": 2, "epochs": 2,
        "eval_samples": 30, "num_runs": 2}  # fmt: skip


@pytest.mark.parametrize("stratified", [True, False])
def test_an_epoch_uses_every_point_once(stratified):
    config = MixtureConfig(samples=120, batch_size=12, iterations=5, d_steps=6,
                           stratified=stratified)  # fmt: skip
    data = gaussians.draw_classes(120, 3, "mixture/data")
    points, labels = gaussians.epoch_batches(data, config, 3, 0)
    assert points.shape == (5, 6, 12, 1) and labels.shape == (5, 6, 12)
    for k in range(3):
        np.testing.assert_array_equal(np.sort(points[labels == k].ravel()), np.sort(data[k]))
    counts = np.stack([(labels == k).sum(-1) for k in range(3)])
    assert (counts == 4).all() if stratified else counts.std() > 0.5
    again, other = (
        gaussians.epoch_batches(data, config, 3, 0),
        gaussians.epoch_batches(data, config, 3, 1),
    )
    np.testing.assert_array_equal(points, again[0])
    assert (points != other[0]).mean() > 0.8


def test_the_data_have_the_moments_of_the_paper():
    data = gaussians.draw_classes(200_000, 0, "mixture/data").astype(np.float64)
    np.testing.assert_allclose(data.mean(1), [0, 3, 6], atol=0.03)
    np.testing.assert_allclose(data.std(1), [1, 2, 3], atol=0.03)


def test_the_batches_of_a_run_do_not_depend_on_other_runs():
    one, three = (MixtureConfig(**{**TINY, "num_runs": n}, seed=s) for n, s in ((1, 5), (3, 4)))
    draws = [("permutation", "marginal"), ("uniform", "uniform_labels")]
    single, several = (
        gaussians._batches(
            config,
            np.stack([gaussians.draw_classes(200, s, "mixture/data") for s in config.run_seeds]),
            config.run_seeds, 1, draws,
        )
        for config in (one, three)
    )  # fmt: skip
    for name in ("images", "labels", "noise", "fake_labels"):
        expected, runs = getattr(single, name)[0], getattr(several, name)
        np.testing.assert_array_equal(expected, runs[1])
        assert np.any(expected != runs[0]) or name == "labels"
    for key in draws:
        np.testing.assert_array_equal(single.drawn[key][0], several.drawn[key][1])
    permutations = np.sort(single.drawn[draws[0]].numpy(), axis=-1)
    assert (permutations == np.arange(12)).all()


def test_resuming_from_a_checkpoint_changes_nothing(tmp_path):
    """All variables are overwritten by the checkpoint, so one compiled training suffices."""
    config = gaussians.config_for("uacgan", **TINY)
    training = gaussians.make_training(config, jit_compile=False)
    start, middle = (Checkpoints(tmp_path / name, training.state()) for name in ("start", "middle"))
    start.save()
    assert list(gaussians.train_epochs(config, training)) == [1, 2]
    expected = {name: [v.numpy() for v in values] for name, values in training.state().items()}
    start.restore()
    assert list(gaussians.train_epochs(config, training, stop=1)) == [1]
    middle.save()
    for variables in training.state().values():
        for variable in variables:
            variable.assign(tf.zeros_like(variable))
    middle.restore()
    assert list(gaussians.train_epochs(config, training)) == [2]
    assert len(expected["generator"]) == 9 and len(expected["others"]) == 2
    for name, variables in training.state().items():
        for variable, value in zip(variables, expected[name], strict=True):
            np.testing.assert_array_equal(variable, value, err_msg=name)


def test_finished_runs_are_reused(tmp_path):
    config = gaussians.config_for("acgan", **TINY, runs_dir=str(tmp_path))
    calls = []
    first = gaussians.train(config, jit_compile=False, report=lambda *a: calls.append(a))
    again = gaussians.train(config)
    assert (first.reused, again.reused) == (False, True)
    assert [epoch for epoch, _ in calls] == [1, 2] and calls[-1][1] == 0
    np.testing.assert_array_equal(first.points, again.points)
    assert again.rows == first.rows and len(first.rows) == 2 * 4
    assert {row.seed for row in first.rows} == {0, 1} and first.rows[0].iteration == 6


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("points.npz", b"PK"),
        ("metrics.csv", b""),
        ("metrics.csv", None),  # its last row is cut off
        ("summary.json", b'{"iterations": 6}'),
    ],
)
def test_damaged_files_of_finished_runs_are_an_error(tmp_path, name, content):
    config = gaussians.config_for("acgan", **TINY, runs_dir=str(tmp_path))
    directory = config.directory
    directory.mkdir(parents=True)
    points = gaussians.perfect_points(config)
    np.savez(directory / "points.npz", points=points)
    append_rows(directory / "metrics.csv", gaussians.evaluate(config, points))
    (directory / "summary.json").write_text('{"seconds": 1.5, "iterations": 6}')
    assert gaussians.train(config).seconds == 1.5
    lines = (directory / name).read_bytes().splitlines(keepends=True)
    (directory / name).write_bytes(b"".join(lines[:-1]) if content is None else content)
    with pytest.raises(RunDamaged, match=config.directory.name):
        gaussians.train(config)


def test_points_of_other_runs_are_an_error(tmp_path):
    config = gaussians.config_for("acgan", **TINY, runs_dir=str(tmp_path))
    config.directory.mkdir(parents=True)
    points = gaussians.perfect_points(config)
    np.savez(config.directory / "points.npz", points=points[:1])
    append_rows(config.directory / "metrics.csv", gaussians.evaluate(config, points))
    (config.directory / "summary.json").write_text('{"seconds": 1.5, "iterations": 6}')
    with pytest.raises(RunDamaged, match="shape"):
        gaussians.train(config)


def test_perfect_generators_have_the_bias_of_the_resampling():
    """E = (var x^2 + 2 var x) (1/n + 1/N), since n generated points and N data points serve as
    distributions. The published code's check gave 0.000, 0.011, 0.180 and 0.017 for 100 runs.
    """
    config = MixtureConfig(num_runs=60)
    rows = gaussians.evaluate(config, gaussians.perfect_points(config))
    mean, std = np.float64(gaussians.MEANS), np.float64(gaussians.DEVIATIONS)
    square = 4 * mean**2 * std**2 + 2 * std**4
    expected = (square + 2 * std**2) * (1 / 10_000 + 1 / 128_000)
    # Each class is exactly a third of the pooled points, so only variances within classes count.
    expected = [*expected, expected.mean() / 3]
    for target, value in zip(gaussians.TARGETS, expected, strict=True):
        values = np.array([row.value for row in rows if row.target == target])
        assert len(values) == 60
        assert abs(values.mean() - value) < 4 * values.std() / 60**0.5, target
    spread = np.std([row.value for row in rows if row.target == "class_2"])
    assert 0.3 < spread < 1.0


def test_the_mmd_of_shifted_points_is_its_closed_form():
    """2 (E x - E y)^2 + (E x^2 - E y^2)^2."""
    config = MixtureConfig()
    points = gaussians.draw_classes(10_000, 0, "other") + 2.0
    values = gaussians.mmd_by_target(config, points, 0)
    for k, mean in enumerate(gaussians.MEANS):
        expected = 2 * 2.0**2 + ((mean + 2) ** 2 - mean**2) ** 2
        assert values[f"class_{k}"] == pytest.approx(expected, rel=0.15)


def test_a_diverged_run_has_no_value():
    config = MixtureConfig(num_runs=2)
    points = gaussians.perfect_points(config)
    points[1, 0, 5] = np.nan
    rows = gaussians.evaluate(config, points)
    assert [row.value is None for row in rows] == [False] * 4 + [True] * 4
    assert {row.note for row in rows[4:]} == {"diverged"}


def test_settings_that_an_objective_lacks_do_not_change_its_hash():
    base = gaussians.config_for("acgan")
    assert gaussians.config_for("acgan", mine_network="concat", twin_weight=2.0) == base
    assert gaussians.config_for("acgan", classifier_on_fakes=True).hash() != base.hash()
    assert gaussians.config_for("uacgan", mine_network="concat").hash() != base.hash()
    assert gaussians.config_for("acgan", runs_dir="x").hash() == base.hash()


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("batch_size", {"batch_size": 100}), ("iterations", {"iterations": 101}),
        ("iterations", {"samples": 1000}), ("num_runs", {"num_runs": 0}),
        ("network", {"network": "mnist"}), ("objective", {"objective": "lsgan"}),
        ("mine_ema_rate", {"mine_ema_rate": 0.0}),
    ],
)  # fmt: skip
def test_invalid_settings_name_their_flag(flag, values):
    with pytest.raises(InvalidInput, match=f"^--{flag}: "):
        MixtureConfig(**values)


def test_flags_json_and_defaults_agree():
    values = flags.FlagValues()
    define_flags(values, config=MixtureConfig)
    values(["program"])
    assert MixtureConfig.from_flags(values) == MixtureConfig()
    config = MixtureConfig(num_runs=3, stratified=False, network="points_v2", batch_size=256)
    assert MixtureConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_each_flagfile_is_a_variant(name):
    values = flags.FlagValues()
    define_flags(values, config=MixtureConfig)
    values(["program", f"--flagfile={ROOT / 'flags' / 'uac_mixture' / name}.flags"])
    config = MixtureConfig.from_flags(values)
    assert config.network == f"points_{name}"
    assert (config == MixtureConfig()) == (name == "v1")
    steps = config.epochs * config.iterations * config.d_steps
    assert steps == (30_000 if name == "v2" else 20_000)
