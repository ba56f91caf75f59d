"""What the README tells people to type exists, and means what it says."""

import re
import shlex
import subprocess
import sys

import pytest
from absl import flags

from rumi_tf.config.flags import define_flags, define_recipe_flag
from rumi_tf.config.run import RunConfig
from rumi_tf.runs import directories, resolve
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
THEORY = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
LINES = [
    line.split(" #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]
TRAIN = [line for line in LINES if "reproduce.train" in line]


def resolved(line: str) -> RunConfig:
    values = flags.FlagValues()
    define_flags(values)
    define_recipe_flag("paper", values)
    flags.DEFINE_boolean("dry_run", False, "", flag_values=values)
    words = shlex.split(line)
    values(words[2:])  # the module name stands where a program name does
    return RunConfig.from_flags(values)


def test_nothing_is_left_to_be_filled_in():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert "@@" not in text and "TODO" not in text, path


@pytest.mark.parametrize("line", TRAIN)
def test_train_commands_parse(line, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = resolved(line)
    assert f"--dataset={config.dataset}" in line or "--flagfile" in line
    if config.dataset == "digits":
        assert resolve.resolve(config).split in ("unbalanced", "all")


def test_the_sample_command_names_the_run_of_the_train_command():
    directory = directories.run_directory(resolve.resolve(resolved(TRAIN[0])))
    (sample,) = [line for line in LINES if "reproduce.sample" in line]
    assert f"--saved_model={directory}/saved_model" in sample


def test_the_example_of_the_theory_prints_what_stands_below_it():
    code, output = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", THEORY, re.DOTALL).groups()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == (output, "")
