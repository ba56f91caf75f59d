"""The command `rumi`: `rumi train ...` is `python -m reproduce.train ...`."""

import ast
import difflib
import importlib
import sys
from pathlib import Path

import rumi_tf
from rumi_tf.utils import cli
from rumi_tf.utils.paths import COMMANDS

GROUPS = {"reproduce": "Commands", "figures": "Figures"}


def subcommands() -> dict[str, str]:
    """Name of each subcommand -> its module."""
    files = [path for group in GROUPS for path in sorted((COMMANDS / group).glob("*.py"))]
    return {p.stem: f"{p.parent.name}.{p.stem}" for p in files if not p.name.startswith("_")}


def main() -> None:
    """Runs a subcommand; its exit codes are those of `rumi_tf.utils.cli.run`."""
    known, words = subcommands(), sys.argv[1:]
    if not words:
        sys.stderr.write(_overview(known) + "\n")
        sys.exit(2)
    if words[0] == "help" and len(words) == 2:
        words = [words[1], "--help"]
    if words[0] in ("-h", "--help", "help"):
        with cli.closed_pipe_ends():
            print(_overview(known), flush=True)
        return
    if words[0] == "--version":
        print(f"rumi_tf {rumi_tf.__version__}")
        return
    name, *rest = words
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, 1)
        hint = f"did you mean {near[0]}?" if near else "rumi --help lists the subcommands"
        sys.stderr.write(f"{name!r} is not a subcommand; {hint}\n")
        sys.exit(2)
    sys.path.insert(0, str(COMMANDS))
    sys.argv = [f"rumi {name}", *rest]
    module = importlib.import_module(known[name])
    cli.run(module.main, module.__doc__ or "", getattr(module, "TOPICS", ()))


def _overview(known: dict[str, str]) -> str:
    lines = [
        "rumi SUBCOMMAND [--flag=value ...]",
        "",
        "rumi SUBCOMMAND --help explains its flags; rumi --version shows the version.",
    ]
    width = max(map(len, known)) + 2
    for group, title in GROUPS.items():
        lines += ["", f"{title}:"]
        for name, module in known.items():
            if module.startswith(f"{group}."):
                path = Path(COMMANDS, *module.split(".")).with_suffix(".py")
                docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
                summary = " ".join(docstring.split("\n\n")[0].split())
                lines.append(f"  {name.ljust(width)}{summary}")
    return "\n".join(lines)
