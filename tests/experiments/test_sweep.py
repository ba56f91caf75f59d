"""Many runs at once: from configurations to processes and back to rows."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading

import pytest
from absl import flags

from rumi_tf.config.flags import as_flags, define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.experiments import sweep
from rumi_tf.runs import directories, resolve
from rumi_tf.utils.errors import InvalidInput
from tests.config.test_run import OTHER
from tests.conftest import ROOT, holder
from tests.evaluation.test_results import ROW

WITH_A_COMMA = RunConfig(
    dataset="folder", data_dir="photos", positive_classes=("a, b", 'c "d"', "e")
)


@pytest.mark.parametrize(
    "config",
    [RunConfig(), RunConfig(**{**OTHER, "data_digest": ""}), WITH_A_COMMA],
    ids=["defaults", "others", "a comma in a name"],
)
def test_flags_mean_the_configuration_they_were_made_of(config):
    from absl import flags

    from rumi_tf.config.flags import define_flags

    values = flags.FlagValues()
    define_flags(values)
    values(["program", *as_flags(config)])
    assert RunConfig.from_flags(values) == config


@pytest.mark.parametrize("name", sweep.objective_names())
def test_a_resolved_configuration_resolves_to_itself(name):
    """Else a process would train another run than its cell names."""
    config = sweep.objective_config(name, {"minority_class": "3"})
    assert resolve.resolve(config) == config


def test_flagfiles_give_way_to_what_is_given():
    config = sweep.objective_config("rumi_wgan_gp", {"gp_weight": 5.0, "seed": 3})
    assert (config.objective, config.gp_weight, config.d_batch_norm) == (
        "rumi_wgan_gp",
        5.0,
        "none",
    )
    with pytest.raises(
        InvalidInput, match="--objectives: 'gan' is neither a flagfile nor one of sgan, "
    ):
        sweep.objective_config("gan", {})


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_directory_of_data_is_no_hindrance_to_cells_of_digits(tmp_path):
    """A table may have others beside them; their own directory is not read."""
    config = sweep.objective_config("lsgan", {"dataset": "digits", "data_dir": str(tmp_path)})
    values = flags.FlagValues()
    define_flags(values)
    values(["train", *as_flags(config)])
    assert resolve.resolve(RunConfig.from_flags(values)) == config


@pytest.mark.slow
@pytest.mark.exhaustive  # tests/commands/test_table1.py has a shorter one
def test_a_failed_cell_stops_no_other_and_finished_ones_are_reused(tmp_path, digits_cache):
    given = {
        "minority_class": "5", "width": 0.05, "batch_size": 8, "iterations": 3,
        "eval_every": 3, "eval_samples": 40, "runs_dir": str(tmp_path / "runs"),
        "cache_dir": digits_cache,
    }  # fmt: skip
    good = sweep.objective_config("lsgan", given)
    bad = dataclasses.replace(sweep.objective_config("rumi_lsgan", given), label_c=1e30)
    cells = [sweep.Cell(bad, {"model": "bad"}), sweep.Cell(good, {"model": "good"})]
    lines = []
    failed, done = sweep.run(cells, jobs=2, report=lines.append)
    assert (failed.status, done.status) == ("failed", "done")
    assert "g_loss became NaN" in failed.reason and str(failed.cell.log) in failed.reason
    assert list(sweep.failures([failed, done])) == [f"bad: failed: {failed.reason}"]
    assert (
        done.value("fd_classifier") > 0 and done.value("absent") is None and done.milliseconds > 0
    )
    assert len(lines) == 2 and any("bad: failed" in line for line in lines)
    (again,) = sweep.run(cells[1:], jobs=1, report=lines.append)
    assert again.status == "reused" and list(again.rows) == list(done.rows)
    assert lines[-1] == "1 of 1 cells reused"


def test_a_failed_process_is_reported_with_its_last_line_and_stops_no_other(tmp_path, monkeypatch):
    """Small programs stand in for training; another test has the real ones."""
    given = {"minority_class": "5", "runs_dir": str(tmp_path)}
    bad, good = (sweep.Cell(sweep.objective_config(n, given), {"model": n})
                 for n in ("acgan", "lsgan"))  # fmt: skip
    program = (
        "import sys; print('begun'); sys.exit('--lr: too large' if sys.argv[1] == 'acgan' else 0)"
    )
    start = sweep._Processes.start

    def start_program(self, words, **how):
        (objective,) = (w.partition("=")[2] for w in words if w.startswith("--objective="))
        return start(self, [sys.executable, "-c", program, objective], **how)

    monkeypatch.setattr(sweep._Processes, "start", start_program)
    monkeypatch.setattr(
        sweep.outputs, "last_rows",
        lambda config: [ROW] if config.objective == "lsgan" else [],
    )  # fmt: skip
    lines = []
    failed, done = sweep.run([bad, good], 2, lines.append)
    assert (failed.status, done.status) == ("failed", "done")
    assert failed.reason == f"--lr: too large (exit code 1, {bad.log})"
    assert bad.log.read_text() == "begun\n--lr: too large\n"
    assert list(sweep.failures([failed, done])) == [f"acgan: failed: {failed.reason}"]
    assert len(lines) == 2


def test_a_cell_that_another_process_trains_is_checked_again_later(tmp_path, monkeypatch):
    given = {"minority_class": "5", "runs_dir": str(tmp_path)}
    cell = sweep.Cell(sweep.objective_config("lsgan", given), {"model": "m"})
    directory = directories.run_directory(cell.config)
    directory.mkdir(parents=True)
    assert not directories.is_busy(cell.config)
    held = contextlib.ExitStack()
    held.enter_context(holder(directory / "lock"))
    assert directories.is_busy(cell.config)
    lines, done = [], sweep.Outcome(cell, "reused", ["row"])
    monkeypatch.setattr(sweep, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(sweep, "_line", lambda found: found.status)

    def report(line):
        lines.append(line)
        if line.startswith("waiting"):  # the other finishes, and is killed before it says so
            held.close()
            monkeypatch.setattr(sweep, "finished", lambda cell: done)

    assert sweep.run([cell], 1, report) == [done]
    assert "waiting for 1 cells" in lines[0] and lines[1:] == ["[1/1] reused, 0 s left"]
    assert not directories.is_busy(cell.config)


def test_after_stop_no_process_starts_and_those_that_ran_end():
    processes = sweep._Processes()
    running = processes.start([sys.executable, "-c", "import time; time.sleep(60)"])
    processes.stop()
    assert running.wait(timeout=10) != 0
    with pytest.raises(KeyboardInterrupt):
        processes.start([sys.executable, "-c", ""])


def test_a_flagfile_may_lie_anywhere(tmp_path):
    path = tmp_path / "mine.flags"
    path.write_text("--objective=rumi_lsgan\n--beta_neg=0.25\n")
    config = sweep.objective_config(str(path), {"dataset": "digits", "split": "even"})
    assert (config.objective, config.beta_neg) == ("rumi_lsgan", 0.25)


@pytest.mark.parametrize(
    "text", ["--beta_neg=many\n", "--no_such_flag=1\n", "--flagfile=gone\n", "beta_neg=1\n"]
)
def test_a_flagfile_that_cannot_be_used_is_one_line(tmp_path, text):
    path = tmp_path / "mine.flags"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"objectives.*mine\.flags"):
        sweep.objective_config(str(path), {})


def test_every_open_choice_has_a_flagfile_that_differs_from_the_default():
    given = {"dataset": "digits", "split": "unbalanced", "minority_class": "5"}
    paths = sorted((ROOT / "flags" / "rumi_lsgan_choices").glob("*.flags"))
    names = {sweep.objective_config(str(path), given).hash() for path in paths}
    default = sweep.objective_config("rumi_lsgan", given).hash()
    assert len(names | {default}) == len(paths) + 1 > 1


def a_cell(tmp_path):
    given = {"minority_class": "5", "runs_dir": str(tmp_path)}
    return sweep.Cell(sweep.objective_config("lsgan", given), {})


def test_a_scheduler_that_ends_the_command_ends_its_runs(tmp_path):
    """SIGTERM, as SIGINT: no training goes on that nobody waits for."""
    started = []
    popen = subprocess.Popen

    def start(words, **how):
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        os.kill(os.getpid(), signal.SIGTERM)
        return started[-1]

    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sweep.subprocess, "Popen", start)
        sweep.run([a_cell(tmp_path)], 1, print)
    assert started[0].wait(timeout=10) == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_while_runs_are_handed_out_ends_those_that_began(tmp_path):
    started = []
    began = threading.Event()
    popen, submit = subprocess.Popen, sweep.ThreadPoolExecutor.submit

    def start(words, **how):
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        began.set()
        return started[-1]

    def interrupted(*words):
        submit(*words)
        began.wait()
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sweep.subprocess, "Popen", start)
        patch.setattr(sweep.ThreadPoolExecutor, "submit", interrupted)
        sweep.run([a_cell(tmp_path)], 1, print)
    assert started[0].wait(timeout=10) == -signal.SIGTERM
