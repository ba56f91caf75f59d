"""A batch split over replicas gives the results of the whole batch."""

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
def results():
    """Return values of the functions in each of three replicas."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.replicas_on", str(DEVICES)], cwd=ROOT, text=True,
        capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return {name: np.array(values) for name, values in json.loads(process.stdout).items()}


@pytest.mark.slow
def test_replicas_take_disjoint_rows_and_gather_all(results):
    assert results["count"].tolist() == [DEVICES] * DEVICES
    assert results["number"].tolist() == [0, 1, 2]
    assert results["whole_shape"].tolist() == [[DEVICES * ROWS, WIDTH]] * DEVICES
    np.testing.assert_array_equal(results["local_rows"], PARTS)
    np.testing.assert_array_equal(results["all_rows"], [WHOLE] * DEVICES)


@pytest.mark.slow
def test_gradient_of_gathered_rows_is_that_of_the_summed_losses(results):
    expected = results["factors"].sum(axis=0).reshape(PARTS.shape)
    np.testing.assert_allclose(results["gradient"], expected, rtol=1e-5)


@pytest.mark.slow
def test_scaled_gradients_sum_to_the_mean_gradient(results):
    np.testing.assert_allclose(results["gradients"].sum(axis=0), PARTS.mean(axis=0), rtol=1e-6)
    sparse = np.zeros((DEVICES, 4, 2))
    for number in range(DEVICES):  # both rows have label 2
        sparse[number, 2] = [2 + 2 * number, 4 + 2 * number]
    np.testing.assert_allclose(results["sparse_gradients"].sum(axis=0), sparse.mean(axis=0))


@pytest.mark.slow
def test_means_are_equal_in_every_replica(results):
    np.testing.assert_allclose(results["mean"], [PARTS.mean(axis=0)] * DEVICES)
    np.testing.assert_allclose(results["means"], [[1, 5 / 3]] * DEVICES)
    assert results["reported"].tolist() == [0, 1, 2]  # unchanged with one process


def test_functions_return_their_input_with_one_replica():
    rows = tf.constant(WHOLE)
    assert (replicas.count(), replicas.number()) == (1, 0)
    for function in (replicas.local_rows, replicas.all_rows, replicas.mean, replicas.reported):
        assert function(rows) is rows
    assert replicas.whole_shape((4, 2)) == (4, 2)
    assert replicas.scaled_gradients([rows])[0] is rows


def test_adam_squares_the_summed_entries_of_sparse_gradients():
    table = keras.Variable(np.zeros((3, 1), np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table.value, [0, 0, 2]))
    adam = keras.optimizers.Adam(beta_2=0.75)
    adam.apply(replicas.scaled_gradients([tape.gradient(loss, table.value)]), [table])
    np.testing.assert_allclose(adam.variables[3].numpy()[:, 0], [1.0, 0.0, 0.25])  # (2, 0, 1)² / 4
