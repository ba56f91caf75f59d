"""What the pages tell people to type is accepted, and runs; what they point at is there."""

import ast
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from rumi_tf.utils.io import read_csv
from tests import pages
from tests.conftest import ROOT

PAGES = [pytest.param(path, id=pages.name_of(path)) for path in pages.PAGES]
TINY = ("--iterations=2", "--width=0.05", "--batch_size=8", "--checkpoint_every=2",
        "--sample_every=2")  # fmt: skip
MIXTURE = ("--num_runs=1", "--epochs=1", "--samples=1000", "--iterations=1", "--d_steps=2",
           "--batch_size=30", "--eval_samples=100")  # fmt: skip
SMOKE = ("--smoke", "--width=0.05", "--seeds=0")
ON_DIGITS = (*SMOKE, "--datasets=digits")  # what is typed without a data set is of several
# What makes a command end within seconds. Of commands that are not here the flags are looked at.
SHORTER = {
    "reproduce.train": TINY,
    "reproduce.sample": (),
    "reproduce.evaluate": ("--eval_samples=20",),
    "reproduce.objectives": (*TINY, "--objectives=rumi_lsgan", "--eval_samples=50"),
    "reproduce.table1": (*ON_DIGITS, "--classes=5", "--models=rumi_lsgan"),
    "reproduce.augment": (*TINY, "--seeds=0", "--updates=5", "--num=5"),
    "reproduce.uac_table1": MIXTURE,
    "reproduce.uac_table2": (*ON_DIGITS, "--models=uacgan"),
    "figures.few_images": (*SMOKE, "--minority_sizes=20"),
    "figures.figure4": (*SMOKE, "--cases=digits_5"),
    "figures.lemmas": ("--settings=sgan_hole", "--iterations=2"),
    "figures.rumi_variants": (*TINY, "--alphas=0", "--eval_samples=50"),
    "figures.samples": TINY,
    "figures.uac_figure1": (*ON_DIGITS, "--models=uacgan", "--iterations=2"),
    "figures.uac_figure1_mog": MIXTURE,
    "figures.uac_theorem1": (),
}
# Needs a download, or another machine.
ELSEWHERE = re.compile(r"mnist|cifar10|celeba|inception|--strategy")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A directory with what the commands of the pages name."""
    root = tmp_path_factory.mktemp("sandbox")
    (root / "flags").symlink_to(ROOT / "flags")
    for name in ("DIR", "shared"):
        (root / name).mkdir()
    (root / "runs").mkdir()
    for n, label in enumerate(("photos/healthy", "photos/scratched", "my_images", "real_images")):
        (root / label).mkdir(parents=True)
        for k in range(12):
            shade = Image.linear_gradient("L").rotate(90 * (k % 4)).resize((64, 64))
            # No two alike: what is tested on must be no copy of what is trained on.
            shade.point(lambda v, by=20 * k + 5 * n: (v + by) % 256).save(root / label / f"{k}.png")
    return root


def commands(path: Path, sandbox: Path) -> list[pages.Line]:
    """All that a page tells people to type, each once."""
    text = path.read_text(encoding="utf-8")
    lines = [line for block in pages.shell_blocks(text) for line in pages.typed(block, sandbox)]
    lines += pages.inline_commands(text)
    # What lies on a file system that machines share lies in the sandbox.
    lines = [
        line._replace(words=[word.replace("=/shared", f"={sandbox}/shared") for word in line.words])
        for line in lines
    ]
    return [line for k, line in enumerate(lines) if line not in lines[:k]]


def modules_of(lines: list[pages.Line]) -> list[pages.Line]:
    """Those that run a module of this project, which is their first word then."""
    found = [line for line in lines if line.program == "python" and line.words[:1] == ["-m"]]
    found = [line._replace(words=line.words[1:]) for line in found]
    return [line for line in found if line.words[0].split(".")[0] in ("reproduce", "figures")]


# ----- commands -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_every_command_is_accepted(path, sandbox, quick_command):
    """To the point where it reads data or trains: its flags exist, and go together."""
    for line in modules_of(commands(path, sandbox)):
        place = {"TF_CONFIG": line.tf_config} if line.tf_config else {}
        done = quick_command("tests.accepting", *line.words, cwd=sandbox, **place)
        assert done.returncode == 0, f"{' '.join(line.words)}\n{done.stderr}"
        looks = "--list" in line.words or line.words[0] == "reproduce.report"
        assert "came to " in done.stdout or looks, line


@pytest.mark.slow
def test_a_command_with_a_flag_that_is_not_there_is_not_accepted(sandbox, quick_command):
    for words in (
        ("reproduce.train", "--dataset=digits", "--iteratons=5"),
        ("reproduce.train", "--dataset=digits", "--minority_class=5", "--alpha_neg=1"),
        ("reproduce.benchmark", "samples", "--datasets=digits"),
        ("figures.figure4", "--cases=digits_12"),
    ):
        assert quick_command("tests.accepting", *words, cwd=sandbox).returncode == 2, words


@pytest.mark.slow
def test_make_demo_is_accepted(sandbox, quick_command):
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = rules.replace("\\\n", " ")
    found = re.findall(r"python -m (reproduce\.\S+|figures\.\S+) (.*)", rules)
    assert [module for module, _ in found] == ["figures.few_images"]
    for module, words in found:
        done = quick_command("tests.accepting", module, *words.split(), cwd=sandbox)
        assert done.returncode == 0 and "came to " in done.stdout, done.stderr


@pytest.mark.parametrize("path", PAGES)
def test_other_programs_are_told_what_they_know(path, sandbox):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in commands(path, sandbox):
        if line.program == "make":
            assert set(line.words) <= set(targets), line
        if line.program == "pip":
            assert line.words[0] == "install" and (ROOT / "setup.py").is_file(), line
        if line.program == "python" and line.words[0] == "-m":
            module = line.words[1].replace(".", "/")
            assert line.words[1] == "pytest" or (ROOT / f"{module}.py").is_file(), line


def runs_here(line: pages.Line) -> bool:
    """Whether it ends within seconds, and needs nothing that is not on every machine."""
    return line.words[0] in SHORTER and not ELSEWHERE.search(" ".join(line.words))


def runs(line: pages.Line, sandbox: Path, quick_command) -> str:
    """What a command prints, run as it stands but for what makes it shorter."""
    looks = {"--dry_run", "--list"} & set(line.words)
    words = [*line.words, *(() if looks else SHORTER[line.words[0]])]
    done = quick_command(*words, cwd=sandbox, HOME=str(sandbox))
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def trained(sandbox, quick_command):
    """The two commands of the README begin with this one; its run has the name that is given."""
    lines = modules_of(commands(ROOT / "README.md", sandbox))
    train = next(line for line in lines if line.words[0] == "reproduce.train")
    sample = next(line for line in lines if line.words[0] == "reproduce.sample")
    said = runs(train, sandbox, quick_command)
    made = re.search(r"saved model: +(\S+)/saved_model", said)[1]
    named = re.search(r"--saved_model=(\S+)/saved_model", " ".join(sample.words))[1]
    shutil.copytree(sandbox / made, sandbox / named)
    return sample


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_two_commands_run(trained, sandbox, quick_command):
    said = runs(trained, sandbox, quick_command).split()
    assert said == ["grid.png", "images.npz"]
    assert all((sandbox / name).stat().st_size > 1000 for name in said)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_what_only_looks_runs(path, sandbox, quick_command):
    for line in modules_of(commands(path, sandbox)):
        if "--dry_run" in line.words and runs_here(line):
            assert "run directory: " in runs(line, sandbox, quick_command)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("path", PAGES)
def test_every_other_command_runs(path, trained, sandbox, quick_command):
    for line in modules_of(commands(path, sandbox)):
        if runs_here(line):
            assert runs(line, sandbox, quick_command), line


# ----- what pages point at ------------------------------------------------------------------------


@cache
def symbols_of(path: Path) -> set[str]:
    """What a module defines: functions, classes, what stands in classes, constants."""

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


def test_symbols_are_found_where_they_are_and_nowhere_else():
    found = symbols_of(ROOT / "rumi_tf" / "objectives" / "lsgan.py")
    assert {"LSGAN", "LSGAN.generator_loss", "RumiLSGAN.defaults"} <= found
    assert "RumiLSGAN.generator_loss" not in found and "SGAN" not in found


@pytest.mark.parametrize("path", PAGES)
def test_every_flag_that_is_mentioned_exists(path):
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"--([a-z][a-z_0-9]+)", text)) <= pages.known_flags()


@pytest.mark.parametrize(
    "name, places",
    [
        ("rumi_gan.md", ["Eq. 1", "Eq. 2", "Eq. 3", "Eq. 4", "Eq. 5", "Lemma 3.1", "Lemma 3.2",
                         "Table 1", "Figure 1", "Figure 2", "Figure 3", "Figure 4"]),
        ("uac_gan.md", [*(f"Eq. {k}" for k in (1, 2, 4, 5, 6, 7, 10, 11, 14, 15, 16, 17)),
                        "Eq. 8", "Eq. 9", "Theorem 1", "Table 1", "Table 2", "Figure 1"]),
    ],
)  # fmt: skip
def test_the_pages_of_the_papers_leave_out_nothing(name, places):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for place in places:
        assert any(re.search(rf"{re.escape(place)}(?!\d)", row) for row in rows), place


@pytest.mark.parametrize("place, dataset", [(1, "mnist"), (2, "digits")])
def test_the_tables_of_sample_sizes_are_what_was_measured(place, dataset):
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
            apart = f" ({row['apart']})" if row["apart"] else ""
            assert cell == f"{row['mean']} ± {row['std']}{apart}"
    assert len(table) > 10
