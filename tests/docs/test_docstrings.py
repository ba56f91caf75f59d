"""Docstrings of public functions are complete: each argument of `Args`, each error raised.

ruff (D1) checks that there is a docstring.
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


def errors_raised(function):
    """Names of the errors that the function raises itself, without its inner functions."""
    nodes = list(function.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        error = node.exc.func if isinstance(node, ast.Raise) and hasattr(node.exc, "func") else None
        if isinstance(error, ast.Name) and error.id[0].isupper():
            yield error.id
        nodes += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_docstrings_are_complete(path):
    for function, text in public_functions(path):
        section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        for name in (a.arg for a in arguments if a.arg not in ("self", "cls")):
            assert not section or re.search(rf"\b{name}\b", section[1]), (function.name, name)
        if function.name != "main":  # the errors of a command are lines and exit codes
            for error in errors_raised(function):
                assert not text or error in text, (function.name, error)
