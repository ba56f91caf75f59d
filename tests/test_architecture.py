"""The structure that the design promises."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Left to right: a module imports only from its left, or from its own entry.
ORDER = (
    "errors", "classes", "tables", "progress", "leases", "files", "results", "metrics", "theory",
    "plotting", "recipes", "config", "mixture_config",
    "refusals", "randomness", "replicas", "workers", "data", "embeddings", "protocols", "features",
    "evaluation", "networks", "losses", "objectives", "diff_augment", "resolving", "model",
    "building", "ensemble", "saved_models", "sampling", "export", "checkpoints", "callbacks",
    "environment", "run_files", "run_results", "measuring", "experiment", "mixture", "assessment",
    "augmentation", "verdicts",
)  # fmt: skip
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
def test_library_imports_only_from_its_left(path):
    own = path.relative_to(ROOT / "rumi_tf").parts[0].removesuffix(".py")
    if own == "__init__":
        assert not list(imports(path))
        return
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ("reproduce", "figures"), f"{path} imports {name}"
        if parts[0] == "rumi_tf" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{path} imports {name}"


def test_every_module_has_a_place_in_the_order():
    names = {p.relative_to(ROOT / "rumi_tf").parts[0].removesuffix(".py") for p in LIBRARY}
    assert names - {"__init__"} == set(ORDER)


def test_import_is_light_and_silent():
    code = (
        "import sys, rumi_tf; "
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'matplotlib', 'absl.flags')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_module_parses_flags_or_draws_at_import():
    for path in LIBRARY:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                raise AssertionError(f"{path}:{node.lineno} does something at import")
    assert "FLAGS" not in "".join(
        p.read_text(encoding="utf-8") for p in LIBRARY if p.name != "config.py"
    )
