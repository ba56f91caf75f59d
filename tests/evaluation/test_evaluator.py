"""Evaluation with pixels as features, against NumPy, SciPy and the metrics."""

import numpy as np
import pytest
import scipy.linalg

from rumi_tf import metrics
from rumi_tf.config.run import RunConfig
from rumi_tf.data.splits import Split
from rumi_tf.evaluation import features
from rumi_tf.evaluation.embeddings import Embedding
from rumi_tf.evaluation.evaluator import Evaluator, compare, provenance_of
from rumi_tf.evaluation.features import extract
from rumi_tf.evaluation.protocols import Protocol
from rumi_tf.runs.resolve import resolve

DRAW = np.random.default_rng(0)
REAL = DRAW.uniform(-1, 1, (400, 2, 2, 1))
FAKE = DRAW.uniform(-1, 0.5, (300, 2, 2, 1))
SPLIT = Split((0,), (1,), {})
PROTOCOL = Protocol("p", "pixels", 300, None, seed=4)


def embed(images):
    flat = np.asarray(images).reshape(len(images), 4)
    bright = (flat.mean(axis=1, keepdims=True) + 1) / 2
    classes = np.hstack([bright, 1 - bright])
    wrapped = {"features": flat, "scores": classes, "classes": classes}
    return {name: Array(value) for name, value in wrapped.items()}


class Array(np.ndarray):
    """An array that offers `numpy()`, as tensors do."""

    def __new__(cls, values):
        return np.asarray(values, np.float32).view(cls)

    def numpy(self):
        return np.asarray(self)


PIXELS = Embedding("pixels", "pixels-1", embed, (2, 2, 1), ("bright", "dark"), "classifier-2")


def evaluator():
    return Evaluator(PROTOCOL, PIXELS, extract(PIXELS, [REAL]), SPLIT, "the real images")


def sqrtm_distance(a, b):
    a, b = (x.reshape(len(x), -1).astype(np.float32).astype(np.float64) for x in (a, b))
    c, d = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(c @ d)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * root.real)


def cubic_mmd2(x, y):
    """KID of whole sets: the unbiased MMD^2 by its definition."""
    k = lambda a, b: (a.astype(float) @ b.T.astype(float) / a.shape[1] + 1) ** 3  # noqa: E731
    off = lambda m: (m.sum() - np.trace(m)) / (len(m) * (len(m) - 1))  # noqa: E731
    return off(k(x, x)) + off(k(y, y)) - 2 * k(x, y).mean()


def test_metrics_report_the_number_of_images_they_use(monkeypatch):
    monkeypatch.setattr(features, "MAX_STORED", 120)
    evaluation = evaluator()([FAKE], extrapolate=True)
    counts = {m.metric: (m.n_generated, m.n_reference) for m in evaluation.measurements}
    assert counts["fd_classifier"] == (300, 400) and counts["fd_classifier_infinity"] == (120, 400)
    assert counts["kid"] == counts["precision"] == counts["prd_f8"] == (120, 120)
    assert counts["inception_score"] == counts["class_dark"] == (120, 0)
    assert evaluation["fd_classifier"] == pytest.approx(sqrtm_distance(FAKE, REAL), rel=1e-6)
    x, y = (v.reshape(len(v), 4).astype(np.float32) for v in (FAKE[:120], REAL))
    limit = metrics.extrapolated_frechet_distance(x, y, seed=4)  # against all real images
    assert evaluation["fd_classifier_infinity"] == pytest.approx(limit, rel=1e-9)


def test_values_equal_the_metrics():
    evaluation = evaluator()([FAKE[:130], FAKE[130:]], extrapolate=True)
    x, y = (v.reshape(len(v), 4).astype(np.float32) for v in (FAKE, REAL))
    assert evaluation["fd_classifier"] == pytest.approx(sqrtm_distance(FAKE, REAL), rel=1e-6)
    limit = metrics.extrapolated_frechet_distance(x, y, seed=4)
    assert evaluation["fd_classifier_infinity"] == pytest.approx(limit, rel=1e-9)
    kid = next(m for m in evaluation.measurements if m.metric == "kid")
    assert kid.value == pytest.approx(cubic_mmd2(x, y), rel=1e-6) and kid.std is None
    score = next(m for m in evaluation.measurements if m.metric == "inception_score")
    assert 1 < score.value < 2 and score.std > 0
    precision, recall = metrics.prd_curve(
        x, y[:300], seed=4
    )  # equal numbers of generated and real images
    np.testing.assert_array_equal(evaluation.prd[0], precision)
    np.testing.assert_array_equal(evaluation.prd[1], recall)
    assert (evaluation["prd_f8"], evaluation["prd_f1/8"]) == metrics.prd_f_scores(precision, recall)
    assert (evaluation["precision"], evaluation["recall"]) == metrics.improved_precision_recall(
        x, y
    )
    assert (evaluation["density"], evaluation["coverage"]) == metrics.density_coverage(x, y)
    dark = (FAKE.mean(axis=(1, 2, 3)) < 0).mean()
    assert evaluation["class_dark"] == evaluation["share_negative_only"] == pytest.approx(dark)
    assert evaluation["share_positive_only"] == pytest.approx(1 - dark)
    np.testing.assert_allclose(evaluation.shares, [1 - dark, dark])
    assert (evaluation.n_generated, evaluation.n_reference) == (300, 400)
    with pytest.raises(KeyError):
        evaluation["inception"]


def test_distances_within_the_requested_classes():
    evaluation = evaluator()([FAKE], labels=[1, 0, 1])
    labels = np.resize([1, 0, 1], len(FAKE))
    flat = FAKE.reshape(len(FAKE), 4).astype(np.float32)
    expected = metrics.intra_class_distances(flat, labels)
    assert evaluation["intra_class_distance_bright"] == expected[0]
    assert evaluation["intra_class_distance_dark"] == expected[1]
    assert evaluation["intra_class_distance"] == pytest.approx((expected[0] + expected[1]) / 2)
    source = provenance_of(resolve(RunConfig(objective="acgan")))
    rows = {r.metric: r for r in evaluator().rows(evaluation, **source, iteration=1)}
    row = rows["intra_class_distance"]  # from features, not from predicted classes
    assert (row.embedding, row.n_generated, row.n_reference) == ("pixels-1", 300, 0)
    with pytest.raises(KeyError):  # no classes were requested
        evaluator()([FAKE])["intra_class_distance"]
    with pytest.raises(KeyError):
        evaluator()([FAKE], labels=[0], complete=False)["intra_class_distance"]


def test_evaluations_do_not_affect_each_other():
    pixels = evaluator()
    first = pixels([FAKE])
    pixels([-FAKE])
    repeated = pixels([FAKE])
    assert first.measurements == repeated.measurements


def test_an_incomplete_evaluation_has_no_precision_and_recall():
    evaluation = evaluator()([FAKE], complete=False)
    assert evaluation.prd is None and evaluation["fd_classifier"] > 0 and evaluation["kid"] > 0
    with pytest.raises(KeyError):
        evaluation["precision"]


def test_undefined_metrics_have_a_note_and_do_not_affect_others():
    evaluation = evaluator()([np.zeros((3, 2, 2, 1))])
    notes = {m.metric: (m.value, m.note) for m in evaluation.measurements}
    assert notes["fd_classifier"][0] > 0
    assert notes["inception_score"][0] is None and "10" in notes["inception_score"][1]
    assert notes["precision"][0] is None and "3" in notes["precision"][1]
    assert notes["density"][0] is not None


def test_note_of_fid_for_few_or_equal_images():
    evaluation = evaluator()([np.zeros((4, 2, 2, 1))])
    note = next(m.note for m in evaluation.measurements if m.metric == "fd_classifier")
    assert "generated: 4 samples" in note and "collapsed" in note
    assert not next(m.note for m in evaluator()([FAKE]).measurements if m.metric == "fd_classifier")


def test_embeddings_without_scores_or_classes_have_fewer_metrics():
    empty = {name: Array(np.zeros((300, 0))) for name in ("scores", "classes")}
    features_only = Embedding("p", "p-1", lambda images: {**embed(images), **empty})
    reference = extract(features_only, [REAL[:300]])
    evaluation = Evaluator(PROTOCOL, features_only, reference, None)([FAKE])
    names = [m.metric for m in evaluation.measurements]
    assert names == ["fd_classifier", "kid", "prd_f8", "prd_f1/8", "precision", "recall", "density",
                     "coverage"]  # fmt: skip
    assert len(evaluation.shares) == 0


def test_collapse_lowers_recall_and_noise_lowers_precision():
    near = np.repeat(REAL[:1] * 0.1, 300, axis=0) + DRAW.normal(size=(300, 2, 2, 1)) * 0.02
    collapsed = evaluator()([near])
    noise = DRAW.choice([-1.0, 1.0], (300, 2, 2, 1)) * DRAW.uniform(0.9, 1, (300, 2, 2, 1))
    noisy = evaluator()([np.concatenate([REAL[:150], noise[:150]])])
    assert collapsed["precision"] > 0.9 and collapsed["recall"] < 0.1
    assert collapsed["prd_f1/8"] > 3 * collapsed["prd_f8"]
    assert noisy["precision"] < collapsed["precision"] and noisy["recall"] > collapsed["recall"]
    assert noisy["prd_f8"] > collapsed["prd_f8"] and collapsed["coverage"] < noisy["coverage"]


def test_rows_contain_their_provenance():
    config = resolve(RunConfig(dataset="digits", minority_class="5", seed=3))
    pixels = evaluator()
    evaluation = pixels([FAKE])
    rows = {r.metric: r for r in pixels.rows(evaluation, **provenance_of(config), iteration=70)}
    fid = rows["fd_classifier"]
    assert (fid.dataset, fid.split, fid.target) == ("digits", "unbalanced", "5")
    assert (fid.objective, fid.config_hash, fid.seed) == ("rumi_lsgan", config.hash(), 3)
    assert (fid.iteration, fid.protocol, fid.embedding) == (70, "p", "pixels-1")
    assert (fid.n_generated, fid.n_reference, fid.value) == (300, 400, evaluation["fd_classifier"])
    assert fid.reference == "the real images"
    assert rows["class_dark"].embedding == "classifier-2"
    assert rows["inception_score"].std >= 0 and fid.std is None and fid.seconds >= 0


def test_a_set_compared_with_itself_has_optimal_values():
    reference = extract(PIXELS, [REAL])
    values = {m.metric: m.value for m in compare(reference, reference, "fd_classifier")[0]}
    assert abs(values["fd_classifier"]) < 1e-6
    for name in ("precision", "recall", "coverage"):
        assert values[name] == 1
    assert values["prd_f8"] > 0.999 and abs(values["kid"]) < 0.05
