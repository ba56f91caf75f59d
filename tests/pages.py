"""Read the documentation pages: commands, code blocks, links and flags."""

import ast
import os
import re
import shlex
import stat
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "reproduce" / "results" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Programs whose calls are recorded instead of run.
RECORDED = ("rumi", "python", "pip", "make", "tensorboard", "srun", "nvidia-smi", "curl", "wget")
_END = "\x01"


class Call(NamedTuple):
    """A program, its arguments, and its TF_CONFIG."""

    program: str
    words: list[str]
    tf_config: str = ""


def page_id(path: Path) -> str:
    """Path of a page relative to the root of the checkout."""
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def fenced(text: str, language: str) -> list[str]:
    """The fenced blocks of a language; `""` selects blocks without one."""
    return [code for found, code in FENCE.findall(text) if found == language]


def shell_blocks(text: str) -> list[str]:
    """Shell code: bash blocks, scripts in blocks without a language, and scripts in manifests."""
    scripts = [code for code in fenced(text, "") if re.search(r"^python -m", code, re.MULTILINE)]
    manifests = "".join(fenced(text, "yaml"))
    scripts += map(textwrap.dedent, re.findall(r"- \|\n((?: {14}.*\n)+)", manifests))
    return fenced(text, "bash") + scripts


def inline_commands(text: str) -> list[Call]:
    """Commands within sentences and tables; those with an ellipsis are skipped."""
    pattern = r"`((?:python -m (?:reproduce|figures)\.|rumi \w+ --)[^`]+)`"
    commands = dict.fromkeys(re.findall(pattern, without_code(text)))
    words = [shlex.split(command) for command in commands if "..." not in command]
    return [Call(program, rest) for program, *rest in words]


def recorded_calls(block: str, sandbox: Path) -> list[Call]:
    """Calls of the programs in `RECORDED` when a real shell runs the block, in order of their end.

    The shell is real, so continued lines, loops and quotes are handled. A stub replaces each
    program and records its arguments.
    """
    programs, record = sandbox / "bin", sandbox / "record"
    programs.mkdir(exist_ok=True)
    record.write_text("")
    for name in RECORDED:
        words = f'{name} "${{TF_CONFIG-}}" "$@" $\'\\x01\''
        _write_program(programs / name, f"printf '%s\\0' {words} >> {shlex.quote(str(record))}")
    _write_program(programs / "scontrol", "printf 'node1\\nnode2\\n'")
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(sandbox), "SLURM_PROCID": "0",
        "SLURM_STEP_NODELIST": "node[1-2]", "JOB_COMPLETION_INDEX": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=sandbox, env=environment, text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{block}\n{done.stderr}"
    calls = []
    for entry in record.read_text().split(f"{_END}\0")[:-1]:
        program, tf_config, *words = entry.split("\0")[:-1]
        calls.append(Call(program, words, tf_config))
    return calls


def _write_program(path: Path, code: str) -> None:
    path.write_text(f"#!/bin/bash\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def slugs(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def known_flags() -> set[str]:
    """Names of all flags: those that commands define, and the fields of configurations."""
    names = {"help", "flagfile", "logdir"}  # --logdir is a flag of TensorBoard
    sources = [path for top in ("rumi_tf", "reproduce", "figures")
               for path in (ROOT / top).rglob("*.py")]  # fmt: skip
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=attr), args=[ast.Constant(value=name), *_]):
                    if attr.startswith("DEFINE_"):
                        names.add(name)
                case ast.AnnAssign(
                    target=ast.Name(id=name), value=ast.Call(func=ast.Name("option" | "parameter"))
                ):
                    names.add(name)
    return names
