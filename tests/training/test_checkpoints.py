from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.training.checkpoints import KEPT, Checkpoints
from rumi_tf.utils.errors import RunDamaged


def make(directory, iterations=()):
    state = {
        "iteration": [tf.Variable(0, dtype=tf.int64)],
        "weights": [tf.Variable(tf.zeros((50, 50))), tf.Variable(tf.zeros(3))],
    }
    checkpoints = Checkpoints(directory, state)
    for number in iterations:
        state["iteration"][0].assign(number)
        for variable in state["weights"]:
            variable.assign(tf.fill(variable.shape, float(number)))
        checkpoints.save()
    return checkpoints, state


def values(state):
    return [float(np.mean(v.numpy())) for part in state.values() for v in part]


def data_file(directory, number) -> Path:
    return next(Path(directory).glob(f"ckpt-{number}.data-*"))


def test_newest_is_restored_and_few_are_kept(tmp_path):
    make(tmp_path, range(1, 7))
    checkpoints, state = make(tmp_path)
    assert checkpoints.restore() == [] and values(state) == [6, 6, 6]
    assert len(list(tmp_path.glob("*.index"))) == KEPT


def test_nothing_to_restore_changes_nothing(tmp_path):
    checkpoints, state = make(tmp_path)
    assert checkpoints.restore() == [] and values(state) == [0, 0, 0]
    assert checkpoints.latest() is None


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "remove", "index"])
def test_damaged_newest_is_passed_over(tmp_path, damage):
    make(tmp_path, (10, 20))
    victim = data_file(tmp_path, 20)
    content = bytearray(victim.read_bytes())
    if damage == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 0x10
        victim.write_bytes(content)
    elif damage == "empty":
        victim.write_bytes(b"")
    elif damage == "remove":
        victim.unlink()
    else:
        (tmp_path / "ckpt-20.index").write_bytes(b"\0" * 10)
    checkpoints, state = make(tmp_path)
    assert checkpoints.restore() == ["ckpt-20"] and values(state) == [10, 10, 10]
    assert checkpoints.latest() == str(tmp_path / "ckpt-10")


def test_what_was_cut_short_while_it_was_written_is_no_checkpoint(tmp_path, monkeypatch):
    """Not even if the index is there already, as on a disk that fills up with it."""
    checkpoints, _ = make(tmp_path)
    write = tf.train.Checkpoint.write

    def cut_short(self, prefix):
        write(self, prefix)
        index = Path(f"{prefix}.index")
        index.write_bytes(index.read_bytes()[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(tf.train.Checkpoint, "write", cut_short)
        checkpoints.save()
    assert checkpoints.latest() is None and checkpoints.restore() == []
    checkpoints.save()
    checkpoints.remove_parts()
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"ckpt-0"}


def test_newest_is_by_number_and_other_files_are_no_checkpoints(tmp_path):
    make(tmp_path, (9, 10))
    (tmp_path / "checkpoint").write_bytes(b"\xff\xfe nonsense")
    (tmp_path / "ckpt-99.data-00000-of-00001").write_bytes(b"killed before its index")
    checkpoints, state = make(tmp_path)
    assert checkpoints.restore() == [] and values(state) == [10, 10, 10]


def test_all_damaged_is_an_error_and_leaves_the_state(tmp_path):
    make(tmp_path, (10, 20))
    for number in (10, 20):
        data_file(tmp_path, number).write_bytes(b"")
    checkpoints, state = make(tmp_path)
    with pytest.raises(RunDamaged, match="ckpt-20, ckpt-10"):
        checkpoints.restore()
    assert values(state) == [0, 0, 0]


def test_another_shape_is_not_restored(tmp_path):
    make(tmp_path, (10,))
    state = {"iteration": [tf.Variable(0, dtype=tf.int64)], "weights": [tf.Variable(tf.ones(7))]}
    with pytest.raises(RunDamaged):
        Checkpoints(tmp_path, state).restore()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_finite_sees_a_single_bad_weight(tmp_path, value):
    checkpoints, state = make(tmp_path, (1,))
    assert checkpoints.finite()
    state["weights"][1].assign([0.0, value, 0.0])
    assert not checkpoints.finite()
