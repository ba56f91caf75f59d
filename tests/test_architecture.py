"""Package structure and import rules."""

import ast
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# A package imports only from those before it, or from itself; drawn in CONTRIBUTING.md.
ORDER = (
    "utils", "theory", "metrics", "plotting", "networks", "objectives", "config", "data", "export",
    "evaluation", "runs", "training", "experiments",
)  # fmt: skip
TOPS = ("rumi_tf", "reproduce", "figures")
SOURCES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))
LIBRARY = sorted((ROOT / "rumi_tf").rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_packages_import_only_from_those_before_them(path):
    own = path.relative_to(ROOT / "rumi_tf").parts[0].removesuffix(".py")
    if own == "__init__":  # loads what it offers at first use
        return
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ("reproduce", "figures"), f"{path} imports {name}"
        if parts[0] == "rumi_tf" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{path} imports {name}"


def test_contributing_draws_the_order():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| package | what belongs there |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == ORDER


def test_every_package_has_a_place_in_the_order():
    names = {p.relative_to(ROOT / "rumi_tf").parts[0].removesuffix(".py") for p in LIBRARY}
    assert names - {"__init__"} == set(ORDER)


@pytest.mark.parametrize(
    "names, heavy",
    [
        ("rumi_tf", ("tensorflow", "matplotlib", "absl.flags")),
        ("rumi_tf.config.flags, rumi_tf.utils.cli", ("tensorflow", "matplotlib", "sklearn")),
        ("rumi_tf.experiments.paper_grid, reproduce.table1", ("tensorflow", "matplotlib")),
    ],
)
def test_imports_are_light_and_silent(names, heavy):
    code = f"import sys, {names}; sys.exit(any(m in sys.modules for m in {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_imports_have_no_side_effects():
    for path in LIBRARY:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                raise AssertionError(f"{path}:{node.lineno} does something at import")


def test_flags_are_read_by_few_modules():
    """Those that make configurations of them, and what the commands share."""
    readers = {
        str(p.relative_to(ROOT / "rumi_tf"))
        for p in LIBRARY
        if re.search(r"\bFLAGS\b", p.read_text(encoding="utf-8"))
    }
    assert readers == {"config/flags.py", "utils/cli.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_imports_private_names_of_another_package(path):
    package = path.relative_to(ROOT).parent.parts
    for name in imports(path):
        parts = name.split(".")
        for k, part in enumerate(parts):
            if parts[0] in TOPS and part.startswith("_") and not part.startswith("__"):
                owner = tuple(parts[:k])
                assert package[:k] == owner, f"{path} imports {name}"


def test_commands_import_no_commands():
    """Commands share code through `rumi_tf.experiments` or underscore modules of their folder."""
    folders = ("reproduce", "figures")
    commands = {f"{f}.{path.stem}" for f in folders for path in (ROOT / f).glob("[!_]*.py")}
    for path in SOURCES:
        imported = set(imports(path)) & commands
        assert not imported, f"{path} imports {imported}"


def test_figures_do_not_import_reproduce():
    for path in (ROOT / "figures").rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith("reproduce")], path
