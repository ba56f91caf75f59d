"""Documentation: commands parse, flags, paths and links exist, examples print their output."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from absl import flags

from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.runs import directories, resolve
from rumi_tf.utils import rumi
from rumi_tf.utils.errors import RumiError
from rumi_tf.utils.io import read_csv
from tests import pages
from tests.conftest import ROOT

PAGES = [pytest.param(path, id=pages.page_id(path)) for path in pages.PAGES]
README = ROOT / "README.md"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A directory with the paths that commands in the documentation name."""
    root = tmp_path_factory.mktemp("sandbox")
    (root / "flags").symlink_to(ROOT / "flags")
    for name in ("DIR", "shared", "runs", "my_images", "real_images", "photos/healthy",
                 "photos/scratched"):  # fmt: skip
        (root / name).mkdir(parents=True)
    return root


def calls_in(path: Path, sandbox: Path) -> list[pages.Call]:
    """All calls on a page, without duplicates."""
    text = path.read_text(encoding="utf-8")
    calls = [
        call for block in pages.shell_blocks(text) for call in pages.recorded_calls(block, sandbox)
    ]
    calls += pages.inline_commands(text)
    # The shared file system of the examples is part of the sandbox.
    calls = [
        call._replace(words=[word.replace("=/shared", f"={sandbox}/shared") for word in call.words])
        for call in calls
    ]
    return [call for k, call in enumerate(calls) if call not in calls[:k]]


def project_commands(calls: list[pages.Call]) -> list[pages.Call]:
    """Calls of this project's modules; their first word is the module."""
    commands = [call for call in calls if call.program == "python" and call.words[:1] == ["-m"]]
    commands = [call._replace(words=call.words[1:]) for call in commands]
    modules = rumi.subcommands()
    commands += [
        call._replace(words=[modules[call.words[0]], *call.words[1:]])
        for call in calls
        if call.program == "rumi" and call.words[0] in modules
    ]
    return [call for call in commands if call.words[0].split(".")[0] in ("reproduce", "figures")]


# ----- commands -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_commands_parse(path, sandbox, quick_command):
    """Each runs up to where it reads data or trains, so its flags exist and are consistent."""
    for command in project_commands(calls_in(path, sandbox)):
        environment = {"TF_CONFIG": command.tf_config} if command.tf_config else {}
        done = quick_command("tests.accepting", *command.words, cwd=sandbox, **environment)
        assert done.returncode == 0, f"{' '.join(command.words)}\n{done.stderr}"
        reads_only = "--list" in command.words or command.words[0] == "reproduce.report"
        assert "reached " in done.stdout or reads_only, command


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("reproduce.train", "--dataset=digits", "--iteratons=5"),
        ("reproduce.train", "--dataset=digits", "--minority_class=5", "--alpha_neg=1"),
        ("reproduce.benchmark", "samples", "--datasets=digits"),
        ("figures.figure4", "--cases=digits_12"),
    ],
)
def test_invalid_commands_do_not_parse(words, sandbox, quick_command):
    assert quick_command("tests.accepting", *words, cwd=sandbox).returncode == 2


@pytest.mark.slow
def test_make_demo_parses(sandbox, quick_command):
    rules = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"python -m ((?:reproduce|figures)\.\S+) (.*)", rules)
    assert commands
    for module, words in commands:
        done = quick_command("tests.accepting", module, *words.split(), cwd=sandbox)
        assert done.returncode == 0 and "reached " in done.stdout, done.stderr


@pytest.mark.parametrize("path", PAGES)
def test_make_targets_and_modules_exist(path, sandbox):
    targets = re.findall(
        r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    for call in calls_in(path, sandbox):
        if call.program == "make":
            assert set(call.words) <= set(targets), call
        if call.program == "python" and call.words[0] == "-m":
            module = call.words[1].replace(".", "/")
            assert module == "pytest" or (ROOT / f"{module}.py").is_file(), call


def test_sample_command_names_the_run_of_the_train_command(sandbox):
    commands = project_commands(calls_in(README, sandbox))
    train = next(c for c in commands if c.words[:2] == ["reproduce.train", "--dataset=digits"])
    sample = next(c for c in commands if c.words[0] == "reproduce.sample")
    values = flags.FlagValues()
    define_flags(values)
    values(train.words)
    directory = directories.run_directory(resolve.resolve(RunConfig.from_flags(values)))
    assert f"--saved_model={directory}/saved_model" in sample.words


def test_example_prints_its_output():
    text = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
    code, output = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL).groups()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == (output, "")


# ----- flags, paths and links ---------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_flags_exist(path):
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"--([a-z][a-z_0-9]+)", text)) <= pages.known_flags()


@pytest.mark.parametrize("path", PAGES)
def test_paths_exist(path):
    """Paths and modules in backticks, from the root of the checkout or from the page's table."""
    text = pages.without_code(path.read_text(encoding="utf-8"))
    for name in re.findall(r"`((?:rumi_tf|reproduce|figures|tests|flags|docs)/[^`\s]*)`", text):
        assert list(ROOT.glob(name.rstrip("/"))), name
    for name in re.findall(r"`rumi_tf\.([a-z0-9_.]+)`", text):
        module = ROOT / "rumi_tf" / name.replace(".", "/")
        assert module.is_dir() or module.with_suffix(".py").is_file(), name


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path):
    text = pages.without_code(path.read_text(encoding="utf-8"))
    for label, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists() and place.is_relative_to(ROOT), target
        if anchor:
            assert anchor in pages.slugs(place.read_text(encoding="utf-8")), target
        if place.suffix == ".py" and label.startswith("`"):
            assert label.strip("`") in symbols_of(place), f"{label} is not in {file}"


@cache
def symbols_of(path: Path) -> set[str]:
    """Functions, classes, their members, and constants of a module."""

    def names(body, prefix=""):
        for node in body:
            if isinstance(node, ast.FunctionDef):
                yield prefix + node.name
            elif isinstance(node, ast.ClassDef):
                yield prefix + node.name
                yield from names(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign):
                stored = (n for target in node.targets for n in ast.walk(target))
                yield from (prefix + n.id for n in stored if isinstance(n, ast.Name))
            elif isinstance(node, ast.AnnAssign):
                yield prefix + node.target.id

    return set(names(ast.parse(path.read_text(encoding="utf-8")).body))


def test_symbols_of_a_module():
    symbols = symbols_of(ROOT / "rumi_tf" / "objectives" / "lsgan.py")
    assert {"LSGAN", "LSGAN.generator_loss", "RumiLSGAN.check"} <= symbols
    assert "RumiLSGAN.generator_loss" not in symbols and "SGAN" not in symbols


# ----- facts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place, dataset", [(1, "mnist"), (2, "digits")])
def test_tables_of_sample_sizes_match_the_measurements(place, dataset):
    measured = {
        (row["metric"], row["n_reference"], row["generator"]): row
        for row in read_csv(ROOT / "reproduce" / "results" / f"samples_{dataset}.csv")
    }
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    head = "| metric | n | perfect"
    table = (head + text.split(head)[place]).split("\n\n")[0].splitlines()
    generators = [cell.strip() for cell in table[0].split("|")[3:-1]]
    for line in table[2:]:
        metric, n, *cells = (cell.strip().strip("`") for cell in line.split("|")[1:-1])
        for generator, cell in zip(generators, cells, strict=True):
            row = measured[metric, n, generator]
            distance = f" ({row['apart']})" if row["apart"] else ""
            assert cell == f"{row['mean']} ± {row['std']}{distance}"
    assert len(table) > 10


def test_exit_codes_are_listed():
    codes = re.search(
        r"\*\*Exit codes\.\*\*(.*?)\n\n", (ROOT / "docs" / "runs.md").read_text("utf-8"), re.DOTALL
    )[1]
    for code in {kind.exit_code for kind in RumiError.__subclasses__()}:
        assert re.search(rf"[ ;\n]{code} [a-z]", codes), code
