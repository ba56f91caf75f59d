"""A batch divided over replicas, against the whole batch."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.utils import replicas
from tests.conftest import ROOT
from tests.replicas_on import ROWS, WIDTH

DEVICES = 3
WHOLE = np.arange(DEVICES * ROWS * WIDTH, dtype=np.float32).reshape(-1, WIDTH)
PARTS = WHOLE.reshape(DEVICES, ROWS, WIDTH)


@pytest.fixture(scope="module")
def found():
    """What the functions return in each of three replicas."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.replicas_on", str(DEVICES)], cwd=ROOT, text=True,
        capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: np.array(values) for name, values in json.loads(done.stdout).items()}


@pytest.mark.slow
def test_each_replica_has_its_own_rows_and_knows_all(found):
    assert found["count"].tolist() == [DEVICES] * DEVICES
    assert found["number"].tolist() == [0, 1, 2]
    assert found["whole_shape"].tolist() == [[DEVICES * ROWS, WIDTH]] * DEVICES
    np.testing.assert_array_equal(found["own_rows"], PARTS)
    np.testing.assert_array_equal(found["all_rows"], [WHOLE] * DEVICES)


@pytest.mark.slow
def test_the_gradient_of_all_rows_is_that_of_the_sum_of_the_replicas_losses(found):
    expected = found["factors"].sum(axis=0).reshape(PARTS.shape)
    np.testing.assert_allclose(found["gradient"], expected, rtol=1e-5)


@pytest.mark.slow
def test_addends_add_up_to_the_mean_of_the_replicas_gradients(found):
    np.testing.assert_allclose(found["addends"].sum(axis=0), PARTS.mean(axis=0), rtol=1e-6)
    sparse = np.zeros((DEVICES, 4, 2))
    for number in range(DEVICES):  # both rows of each are of the third label
        sparse[number, 2] = [2 + 2 * number, 4 + 2 * number]
    np.testing.assert_allclose(found["sparse addends"].sum(axis=0), sparse.mean(axis=0))


@pytest.mark.slow
def test_means_are_the_same_in_every_replica(found):
    np.testing.assert_allclose(found["mean"], [PARTS.mean(axis=0)] * DEVICES)
    np.testing.assert_allclose(found["means"], [[1, 5 / 3]] * DEVICES)
    assert found["reported"].tolist() == [0, 1, 2]  # of one process: as it is


def test_one_replica_has_everything():
    rows = tf.constant(WHOLE)
    assert (replicas.count(), replicas.number()) == (1, 0)
    for function in (replicas.own_rows, replicas.all_rows, replicas.mean, replicas.reported):
        assert function(rows) is rows
    assert replicas.whole_shape((4, 2)) == (4, 2)
    assert replicas.addends([rows])[0] is rows


def test_adam_sees_what_the_images_of_a_class_add_up_to():
    table = keras.Variable(np.zeros((3, 1), np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table.value, [0, 0, 2]))
    adam = keras.optimizers.Adam(beta_2=0.75)
    adam.apply(replicas.addends([tape.gradient(loss, table.value)]), [table])
    np.testing.assert_allclose(adam.variables[3].numpy()[:, 0], [1.0, 0.0, 0.25])  # (2, 0, 1)² / 4
