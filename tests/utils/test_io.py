import os
import subprocess
import sys
from pathlib import Path

import pytest

from rumi_tf.utils import io
from tests.conftest import ROOT


def test_failed_write_keeps_the_old_file_and_leaves_no_temporary(tmp_path):
    target = tmp_path / "a.txt"
    io.write_text(target, "old")
    with pytest.raises(RuntimeError), io.atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_target_appears_when_the_write_ends(tmp_path):
    target = tmp_path / "deep" / "a.keras"
    with io.atomic_path(target) as temporary:
        assert temporary.suffix == ".keras"
        temporary.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x"


def test_directories_are_replaced_completely(tmp_path):
    target = tmp_path / "model"
    for word in ("one", "two"):
        with io.atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / word).write_text(word)
    assert os.listdir(target) == ["two"]
    assert os.listdir(tmp_path) == ["model"]


def test_file_does_not_replace_a_directory(tmp_path):
    (tmp_path / "keep.png").mkdir()
    (tmp_path / "keep.png" / "thesis.txt").write_text("years of work")
    with pytest.raises(IsADirectoryError):
        io.write_text(tmp_path / "keep.png", "x")
    assert (tmp_path / "keep.png" / "thesis.txt").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["keep.png"]


def test_remove_temporaries_keeps_other_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".tmp-1-x").write_text("temporary")
    (tmp_path / ".tmp-2-d").mkdir()
    (tmp_path / "file").write_text("")
    io.remove_temporaries(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "sub"]


def raising(error):
    def function(*_, **__):
        raise error

    return function


_KILLED_WRITER = """
import os, sys
from rumi_tf.utils.io import atomic_path
with atomic_path(sys.argv[1]) as path:
    path.write_text("half")
    os._exit(9)
"""


def test_only_temporaries_of_ended_writers_on_this_machine_are_removed(tmp_path, monkeypatch):
    process = subprocess.run(
        [sys.executable, "-c", _KILLED_WRITER, str(tmp_path / "a-b.csv")], cwd=ROOT
    )
    assert process.returncode == 9
    (killed,) = tmp_path.iterdir()
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    io.remove_dead_temporaries(tmp_path)
    assert killed.exists()  # its writer may be alive on that machine
    monkeypatch.undo()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", raising(PermissionError))
        io.remove_dead_temporaries(tmp_path)  # files of other users, in a shared directory
    others = [tmp_path / name for name in (".tmp-x", ".tmp-12.34.56-c.csv", "tmp", ".tmp-a.b-c")]
    for path in others:
        path.write_text("")
    with io.atomic_path(tmp_path / "a-b.csv") as active:
        active.write_text("being written")
        io.remove_dead_temporaries(tmp_path)
    assert not killed.exists() and (tmp_path / "a-b.csv").read_text() == "being written"
    assert all(path.exists() for path in others)


def test_csv_round_trip(tmp_path):
    rows = [{"a": "1", "b": "x, y"}, {"a": "2", "b": 'say "z"'}]
    io.write_csv(tmp_path / "t.csv", rows)
    assert io.read_csv(tmp_path / "t.csv") == rows
    assert io.read_csv(tmp_path / "absent.csv") == []


def test_damaged_csv_is_rejected_and_named(tmp_path):
    path = tmp_path / "t.csv"
    io.write_csv(path, [{"a": "1", "b": "x, y"}])
    path.write_bytes(path.read_bytes()[:-3])  # inside the quotes
    for read in (io.read_csv, io.read_header):
        with pytest.raises(ValueError, match=r"t\.csv"):
            read(path)
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match="line 3"):
        io.read_csv(path)
