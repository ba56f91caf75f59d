import pytest

from rumi_tf.config.run import RunConfig
from rumi_tf.runs import outputs
from rumi_tf.runs.directories import run_directory
from rumi_tf.utils.io import write_csv


@pytest.mark.parametrize("last, warned", [(0.02, True), (0.17, True), (0.18, False), (0.33, False)])
def test_samples_that_look_alike_are_noted(last, warned, tmp_path):
    config = RunConfig(iterations=100, runs_dir=str(tmp_path))
    assert outputs.collapse_note(config) == ""  # no log
    rows = [
        {"iteration": k, "sample_std": std, "real_std": 0.35}
        for k, std in ((50, 0.01 if last > 0.1 else 0.3), (100, last), (150, 0.2))
    ]
    write_csv(run_directory(config) / "log.csv", rows)
    note = outputs.collapse_note(config)
    assert ("--seed" in note) == ("--objective=lsgan" in note) == warned
    plain = RunConfig(iterations=100, runs_dir=str(tmp_path), objective="lsgan")
    write_csv(run_directory(plain) / "log.csv", rows)
    assert "--objective" not in outputs.collapse_note(plain)
