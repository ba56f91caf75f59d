"""The site: its pages, and the API reference. `make docs` builds it and checks its links."""

import importlib
import re

import pytest

import rumi_tf
from tests.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
DOCUMENTED = [
    name
    for path in (DOCS / "api").glob("*.md")
    for name in re.findall(r"^::: ([\w.]+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def named(name):
    """The module, class, function or constant with a dotted name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def test_navigation_lists_every_page_once():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    listed = re.findall(r"([\w/]+\.md)$", navigation.split("\n\n")[0], re.MULTILINE)
    assert sorted(set(listed) & set(PAGES)) == PAGES and len(listed) == len(set(listed))
    assert all((ROOT / page).is_file() for page in set(listed) - set(PAGES))


@pytest.mark.parametrize("name", rumi_tf.__all__)
def test_reference_has_every_public_name(name):
    assert any(named(documented) is getattr(rumi_tf, name) for documented in DOCUMENTED)
