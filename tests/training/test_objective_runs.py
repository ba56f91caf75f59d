"""Every objective and flagfile: trains, resumes bit for bit, exports and samples."""

import functools
import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from PIL import Image

from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.export.sampler import load_sampler
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.training import callbacks, train
from rumi_tf.training.model import AdversarialModel
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
FLAGS = {name: f"--objective={name}" for name in OBJECTIVES} | {
    path.stem: f"--flagfile={path}" for path in sorted((ROOT / "flags/objectives").glob("*.flags"))
}
TINY = ("--dataset=digits", "--minority_class=5", "--width=0.05", "--batch_size=6",
        "--iterations=2", "--checkpoint_every=1", "--log_every=2")  # fmt: skip


def configured(*arguments) -> RunConfig:
    values = flags.FlagValues()
    define_flags(values)
    flags.DEFINE_string("flagfile", "", "", flag_values=values)
    values(["program", *values.read_flags_from_files(list(arguments))])
    return RunConfig.from_flags(values)


@pytest.fixture
def eager(monkeypatch):
    """Trains without a graph, which would take longer to make than two iterations take."""
    compile_ = AdversarialModel.compile

    @functools.wraps(compile_)
    def compiled(self, *args, **kwargs):
        compile_(self, *args, **kwargs)
        self.run_eagerly = True

    def grid(path, images, title):  # pictures, which other tests are about, take as long again
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(path)

    monkeypatch.setattr(AdversarialModel, "compile", compiled)
    monkeypatch.setattr(callbacks, "save_grid", grid)


def final_state(run) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(run.directory / "checkpoints" / "ckpt-2"))
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    return {n: reader.get_tensor(n) for n in names if "save_counter" not in n}


def test_flagfiles_are_named_by_their_objectives():
    for name, flag in FLAGS.items():
        assert name.startswith(configured(flag).objective)


# With a penalty, with labels, and with most players; the others differ from these in their losses,
# which have tests of their own. Other tests resume rumi_lsgan.
FAMILIES = {"rumi_wgan_gp", "cgan_pd", "uacgan_projection_label_disc"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in FAMILIES else pytest.mark.exhaustive) for n in FLAGS],
)
def test_it_trains_resumes_exports_and_samples(name, tmp_path, eager):
    config = configured(*TINY, FLAGS[name], f"--runs_dir={tmp_path}")
    run = train.train(config)
    whole = final_state(run)
    log = (run.directory / "log.csv").read_bytes()
    for left in ("summary.json", "generator.keras"):
        (run.directory / left).unlink()
    shutil.rmtree(run.directory / "saved_model")
    for late in (run.directory / "checkpoints").glob("ckpt-2*"):
        late.unlink()
    again = train.train(config)
    assert "resumed at iteration 1" in again.notes
    resumed = final_state(again)
    assert whole.keys() == resumed.keys() and len(whole) > 30
    for key, value in whole.items():
        np.testing.assert_array_equal(value, resumed[key], err_msg=key)
    assert (again.directory / "log.csv").read_bytes() == log
    sampler = load_sampler(again.saved_model)
    assert sampler.conditional == OBJECTIVES[config.objective].conditional
    images = sampler.sample(4, seed=1, label=5 if sampler.conditional else None)
    assert images.shape == (4, 28, 28, 1) and np.isfinite(images).all()


def test_uac_networks_with_the_authors_protocol(tmp_path, eager):
    config = configured(
        f"--flagfile={ROOT / 'flags' / 'uac_authors_code.flags'}",
        "--objective=uacgan", *TINY, f"--runs_dir={tmp_path}",
    )  # fmt: skip
    run = train.train(config)
    assert load_sampler(run.saved_model).sample(2, seed=0, label=3).shape == (2, 32, 32, 1)
