"""Griffe extension: the fields of a configuration are documented by their help texts."""

import ast
import re
from typing import Any

import griffe

LIMITS = {"low": "at least", "high": "at most", "above": "above", "below": "below"}


class OptionDocs(griffe.Extension):
    """Fields declared with `option` or `parameter` show their default, help text and bounds."""

    def on_attribute_instance(self, *, node: Any, attr: griffe.Attribute, **_: Any) -> None:
        """Replaces the call by the default, and takes the help text as the docstring."""
        match node:
            case ast.AnnAssign(
                value=ast.Call(
                    func=ast.Name("option" | "parameter"), args=[default, *texts], keywords=keywords
                )
            ):
                named = {keyword.arg: keyword.value for keyword in keywords}
                text = named.get("help_text") or texts[0]
                limits = [f"{LIMITS[k]} {ast.unparse(v)}" for k, v in named.items() if k in LIMITS]
                help_text = text_of(text) + (f" Range: {', '.join(limits)}." if limits else "")
                # Flags and patterns contain characters that have a meaning in Markdown.
                shown = re.sub(r"([\\`*_<>\[\]])", r"\\\1", help_text)
                attr.value = ast.unparse(default)
                attr.docstring = griffe.Docstring(shown, parent=attr)


def text_of(node: ast.expr) -> str:
    """The text of a string; computed parts of an f-string become an ellipsis."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(p.value if isinstance(p, ast.Constant) else "..." for p in parts)
