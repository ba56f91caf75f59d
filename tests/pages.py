"""The pages that users read, and what is in them: commands, code, links, flags."""

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
        *(ROOT / "docs").glob("*.md"),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Programs that are recorded when a page's shell code is run, in place of being run.
RECORDED = ("python", "pip", "make", "tensorboard", "srun", "nvidia-smi", "curl", "wget")
_END = "\x01"


class Line(NamedTuple):
    """A program, its arguments, and the TF_CONFIG that it was given."""

    program: str
    words: list[str]
    tf_config: str = ""


def name_of(path: Path) -> str:
    """The page's path as a user knows it."""
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def fenced(text: str, *languages: str) -> list[str]:
    """The fenced blocks in one of the languages; `""` is that of blocks that name none."""
    return [code for language, code in FENCE.findall(text) if language in languages]


def shell_blocks(text: str) -> list[str]:
    """What is to be typed into a shell, or to be put into a script."""
    scripts = [code for code in fenced(text, "") if re.search(r"^python -m", code, re.MULTILINE)]
    manifests = "".join(fenced(text, "yaml"))
    scripts += map(textwrap.dedent, re.findall(r"- \|\n((?: {14}.*\n)+)", manifests))
    return fenced(text, "bash") + scripts


def inline_commands(text: str) -> list[Line]:
    """Commands within sentences and tables; those with an ellipsis are no whole commands."""
    found = re.findall(r"`(python -m (?:reproduce|figures)\.[^`]+)`", without_code(text))
    return [Line("python", shlex.split(c)[1:]) for c in dict.fromkeys(found) if "..." not in c]


def typed(block: str, sandbox: Path) -> list[Line]:
    """What a shell runs when the block is given to it, in the order in which it ends.

    The shell is a real one, so that continued lines, loops and quotes mean what they mean; the
    programs of `RECORDED` are replaced by one that writes down what it was called with.
    """
    programs, record = sandbox / "bin", sandbox / "record"
    programs.mkdir(exist_ok=True)
    record.write_text("")
    for name in RECORDED:
        shim = programs / name
        words = f'{name} "${{TF_CONFIG-}}" "$@" $\'\\x01\''
        shim.write_text(f"#!/bin/bash\nprintf '%s\\0' {words} >> {shlex.quote(str(record))}\n")
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    hosts = programs / "scontrol"
    hosts.write_text("#!/bin/bash\nprintf 'node1\\nnode2\\n'\n")
    hosts.chmod(hosts.stat().st_mode | stat.S_IXUSR)
    known = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(sandbox), "SLURM_PROCID": "0",
        "SLURM_STEP_NODELIST": "node[1-2]", "JOB_COMPLETION_INDEX": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=sandbox, env=known, text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{block}\n{done.stderr}"
    lines = []
    for called in record.read_text().split(f"{_END}\0")[:-1]:
        program, tf_config, *words = called.split("\0")[:-1]
        lines.append(Line(program, words, tf_config))
    return lines


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def known_flags() -> set[str]:
    """Names of all flags: those that a command defines, and the fields of configurations."""
    names = {"help", "flagfile", "logdir"}  # logdir is TensorBoard's
    sources = [path for top in ("rumi_tf", "reproduce", "figures")
               for path in (ROOT / top).rglob("*.py")]  # fmt: skip
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=attr), args=[ast.Constant(value=name), *_]):
                    if attr.startswith("DEFINE_"):
                        names.add(name)
                case ast.AnnAssign(
                    target=ast.Name(id=name), value=ast.Call(func=ast.Name("option"))
                ):
                    names.add(name)
    return names
