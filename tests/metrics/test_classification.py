import numpy as np
import pytest
from sklearn import metrics as oracle

from rumi_tf.metrics import balanced_accuracy, class_precision, class_recall, confusion_matrix

# Six cats of which four are found, three dogs of which one is, no bird; a dog is called a bird.
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
GUESSES = np.array([0, 0, 0, 0, 1, 1, 1, 0, 2])


def test_of_a_case_counted_by_hand():
    confusion = confusion_matrix(LABELS, GUESSES, 3)
    assert confusion.tolist() == [[4, 2, 0], [1, 1, 1], [0, 0, 0]]
    np.testing.assert_allclose(class_recall(confusion), [4 / 6, 1 / 3, np.nan])
    np.testing.assert_allclose(class_precision(confusion), [4 / 5, 1 / 3, 0])
    assert balanced_accuracy(confusion) == pytest.approx((4 / 6 + 1 / 3) / 2)


def test_agrees_with_scikit_learn():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 7, 500)
    guesses = np.where(draw.random(500) < 0.6, labels, draw.integers(0, 7, 500))
    confusion = confusion_matrix(labels, guesses, 7)
    assert confusion.tolist() == oracle.confusion_matrix(labels, guesses).tolist()
    recall = oracle.recall_score(labels, guesses, average=None)
    precision = oracle.precision_score(labels, guesses, average=None)
    np.testing.assert_allclose(class_recall(confusion), recall)
    np.testing.assert_allclose(class_precision(confusion), precision)
    expected = oracle.balanced_accuracy_score(labels, guesses)
    assert balanced_accuracy(confusion) == pytest.approx(expected)


def test_a_class_that_was_never_given_has_no_precision():
    found = class_precision(confusion_matrix(np.array([0, 1]), np.array([0, 0]), 2))
    assert found[0] == 0.5 and np.isnan(found[1])


@pytest.mark.parametrize(
    "labels, guesses", [([0, 1], [0]), ([0, 3], [0, 0]), ([0, 0], [-1, 0]), ([[0]], [[0]])]
)
def test_what_are_no_labels_is_refused(labels, guesses):
    with pytest.raises(ValueError):
        confusion_matrix(np.array(labels), np.array(guesses), 3)
