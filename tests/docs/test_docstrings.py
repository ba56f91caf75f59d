"""Public docstrings are complete: every argument of a list of them, and every error raised.

That there is a docstring at all is checked by ruff (D1).
"""

import ast
import re

import pytest

from tests.conftest import ROOT

FILES = [p for folder in ("rumi_tf", "reproduce", "figures") for p in (ROOT / folder).rglob("*.py")]


def public_functions(path):
    """(function, its docstring) of the module and of its public classes."""

    def within(body):
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from within(node.body)
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield node, ast.get_docstring(node) or ""

    return within(ast.parse(path.read_text(encoding="utf-8")).body)


def section(docstring, name):
    """The text of a section; `None` if there is none."""
    found = re.search(rf"^{name}:\n(.*?)(?=^\S|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return found and found[1]


def raised_by(function):
    """Names of the errors that the function itself raises, those of functions inside left out."""
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        error = node.exc.func if isinstance(node, ast.Raise) and hasattr(node.exc, "func") else None
        if isinstance(error, ast.Name) and error.id[0].isupper():
            yield error.id
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arguments_and_errors_are_told(path):
    for function, text in public_functions(path):
        listed = section(text, "Args")
        names = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        for name in (a.arg for a in names if a.arg not in ("self", "cls")):
            assert listed is None or re.search(rf"\b{name}\b", listed), (function.name, name)
        if function.name != "main":  # of a command: every error is a line and an exit code
            for error in raised_by(function):
                assert not text or error in text, (function.name, error)


def test_what_is_left_out_is_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        'def f(a, b):\n    """Text.\n\n    Args:\n        a: one.\n    """\n'
        "    if b:\n        raise ValueError(a)\n"
    )
    ((function, text),) = public_functions(path)
    assert section(text, "Args").split() == ["a:", "one."]
    assert list(raised_by(function)) == ["ValueError"] and "ValueError" not in text
    with pytest.raises(AssertionError, match="b"):
        test_arguments_and_errors_are_told(path)
