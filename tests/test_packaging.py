"""Facts that several files of the package state are the same in each."""

import re

import rumi_tf
from tests.conftest import ROOT


def found(pattern, name):
    return re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)


def test_version():
    assert found(r"^version: (\S+)$", "CITATION.cff") == [rumi_tf.__version__]
    assert found(r"^## (\S+)", "CHANGELOG.md")[0] == rumi_tf.__version__


def test_supported_pythons():
    """Each is tested by `make test-matrix`, and none outside `python_requires` is promised."""
    promised = found(r'"Programming Language :: Python :: (3\.\d+)"', "setup.py")
    ((low, high),) = found(r'python_requires=">=3\.(\d+),<3\.(\d+)"', "setup.py")
    assert promised == [f"3.{minor}" for minor in range(int(low), int(high))]
    assert found(r'\("(3\.\d+)", "[a-z-]+"\)', "noxfile.py") == promised
