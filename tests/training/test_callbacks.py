import re

import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.metrics.diversity import diversity
from rumi_tf.runs import directories, resolve
from rumi_tf.runs.log import rows_until
from rumi_tf.training import build, train
from rumi_tf.training.callbacks import Callbacks, Progress, SaveCheckpoint
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils.errors import InvalidInput, TrainingDiverged
from rumi_tf.utils.io import read_csv, write_csv

TINY = {"width": 0.05, "batch_size": 8, "log_every": 2, "sample_every": 3, "checkpoint_every": 2}


def config(tmp_path, **values):
    values = {"split": "even", "iterations": 5, "runs_dir": str(tmp_path), **TINY, **values}
    return resolve.resolve(RunConfig(**values))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train.train(config(tmp_path_factory.mktemp("runs")))


def test_diversity_of_known_images():
    images = np.zeros((2, 3, 3, 1))
    assert diversity(images) == 0
    images[1, 0] = 2  # a third of the pixels differ, by a standard deviation of 1
    assert diversity(images) == pytest.approx(1 / 3)


def test_rows_until_drops_what_comes_after(tmp_path):
    write_csv(tmp_path / "log.csv", [{"iteration": k} for k in (2, 4, 6)])
    assert [r["iteration"] for r in rows_until(tmp_path / "log.csv", 4)] == ["2", "4"]


def test_log_has_a_row_per_interval_and_one_for_the_rest(run):
    rows = read_csv(run.directory / "log.csv")
    assert [int(row["iteration"]) for row in rows] == [2, 4, 5]
    for row in rows:
        assert 0 < float(row["sample_std"]) < 1 and 0.1 < float(row["real_std"]) < 1
    grids = sorted(p.name for p in (run.directory / "samples").iterdir())
    assert grids == ["iteration_000003.png", "iteration_000005.png"]


def test_tensorboard_has_the_scalars_of_the_log_and_the_grids(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.directory / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    rows = read_csv(run.directory / "log.csv")
    points = events.Tensors("d_loss")
    assert [e.step for e in points] == [2, 4, 5]
    for point, row in zip(points, rows, strict=True):
        value = float(tf.make_ndarray(point.tensor_proto))
        assert value == pytest.approx(float(row["d_loss"]), rel=1e-6)
    assert [e.step for e in events.Tensors("samples")] == [3, 5]


def test_tensorboard_of_a_resumed_run_has_every_point_once(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Killed(Exception):
        pass

    act = SaveCheckpoint.act

    def die_after_the_second(self, iteration, logs):
        act(self, iteration, logs)
        if iteration == 4:
            raise Killed

    settings = config(tmp_path, iterations=9, log_every=3)
    monkeypatch.setattr(SaveCheckpoint, "act", die_after_the_second)
    with pytest.raises(Killed):
        train.train(settings)
    monkeypatch.undo()
    run = train.train(settings)
    assert "resumed at iteration 4" in run.notes
    events = EventAccumulator(str(run.directory / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    assert [e.step for e in events.Tensors("d_loss")] == [3, 6, 9]
    assert [e.step for e in events.Tensors("samples")] == [3, 6, 9]


def test_several_steps_per_execution_are_the_same_run(tmp_path):
    periods = {"iterations": 6, "log_every": 3, "sample_every": 6, "checkpoint_every": 3}
    runs = [
        train.train(config(tmp_path / str(k), **periods, steps_per_execution=k)) for k in (1, 3)
    ]
    one, several = (run.directory for run in runs)
    assert one.name == several.name
    for name in ("log.csv", "samples/iteration_000006.png"):
        assert (one / name).read_bytes() == (several / name).read_bytes()
    assert [run.summary["iterations_timed"] for run in runs] == [5, 3]


@pytest.mark.parametrize("name", ["iterations", "log_every", "sample_every", "checkpoint_every"])
def test_steps_per_execution_divide_what_happens_between_them(tmp_path, name):
    values = {**dict.fromkeys(("iterations", *TINY), 4), "width": 0.05, name: 6}
    with pytest.raises(InvalidInput, match=f"--steps_per_execution: is 4, .* --{name}=6"):
        config(tmp_path, **values, steps_per_execution=4)
    with pytest.raises(InvalidInput, match="must be 1 with --strategy=mirrored"):
        config(tmp_path, **values, steps_per_execution=2, strategy="mirrored")


def test_nan_between_two_looks_is_found_at_the_next_one(tmp_path):
    """The means that are logged keep it."""
    settings = config(tmp_path, iterations=12, label_c=1e30, checkpoint_every=8, sample_every=8)
    with pytest.raises(TrainingDiverged, match=r"^g_loss .* by iteration 2; .* none;"):
        train.train(settings)
    directory = directories.run_directory(settings)
    assert not read_csv(directory / "log.csv") and not (directory / "summary.json").exists()


def test_nothing_is_read_from_the_device_between_what_is_due(tmp_path, monkeypatch):
    from tensorflow.python.framework import ops

    reads, of_callbacks = [], []
    to_host, count = ops._EagerTensorBase._numpy, Callbacks.on_train_batch_end
    monkeypatch.setattr(
        ops._EagerTensorBase, "_numpy", lambda self: reads.append(1) or to_host(self)
    )

    def counted(self, batch, logs=None):
        before = len(reads)
        count(self, batch, logs)
        of_callbacks.append(len(reads) - before)

    monkeypatch.setattr(Callbacks, "on_train_batch_end", counted)
    monkeypatch.setattr(Progress, "LINES", 1)
    periods = {"iterations": 9, "log_every": 4, "sample_every": 8, "checkpoint_every": 8}
    train.train(config(tmp_path, **periods))
    due = [iteration in (4, 8, 9) for iteration in range(1, 10)]
    assert [read > 0 for read in of_callbacks] == due


def test_progress_shows_the_diversity_of_the_last_log_row(tmp_path, capfd):
    run = train.train(config(tmp_path, iterations=4, log_every=2))
    rows = read_csv(run.directory / "log.csv")
    ratios = [float(row["sample_std"]) / float(row["real_std"]) for row in rows]
    lines = [line for line in capfd.readouterr().err.splitlines() if ": iteration " in line]
    shown = [re.findall(r"diversity (\S+)", line) for line in lines]
    # The line of iteration k precedes the row of iteration k; the first has no measured time.
    assert shown == [[], [f"{ratios[0]:.2f}"], [f"{ratios[0]:.2f}"]]


def test_bad_weights_are_never_saved(tmp_path):
    """The loss of an iteration is from before its update: the weights can be worse."""
    settings = config(tmp_path)
    images, _ = build.prepare(settings)
    model = build.make_model(settings, images.image_shape)
    checkpoints = Checkpoints(tmp_path / "c", model.state())
    model.generator.trainable_variables[0].assign(
        np.full(model.generator.trainable_variables[0].shape, np.nan)
    )
    save = SaveCheckpoint(1, 1, checkpoints)
    with pytest.raises(TrainingDiverged, match="a weight became NaN"):
        save.act(1, {})
    assert checkpoints.latest() is None
