"""The Python interface: what `import rumi_tf` offers."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits

import rumi_tf
from rumi_tf.experiments import oversampler
from rumi_tf.experiments.oversampler import numbers_to_generate
from tests.conftest import ROOT

SMALL = {"width": 0.05, "batch_size": 4, "d_augment": ()}
LABELS = np.repeat(["a", "b", "c"], (7, 4, 2))


class Recorder(BaseEstimator):
    """Keeps what it is fitted on."""

    def fit(self, X, y):
        self.X, self.y = X, y
        return self


def digits(per_class):
    """Images (n, 8, 8) uint8 and labels of three digits, with a number of images for each."""
    data = load_digits()
    index = np.concatenate([np.flatnonzero(data.target == k)[:n] for k, n in per_class.items()])
    return np.uint8(data.images[index] * 15), data.target[index]


def test_it_offers_what_it_lists():
    for name in rumi_tf.__all__:
        assert getattr(rumi_tf, name) is getattr(rumi_tf, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        rumi_tf.no_such_name  # noqa: B018


def test_bad_settings_are_value_errors():
    with pytest.raises(ValueError, match=r"^--width: is -1\.0, must be greater than 0$"):
        rumi_tf.RunConfig(width=-1)


def test_train_and_load(finished_run):
    config = rumi_tf.RunConfig.from_json((finished_run.directory / "config.json").read_text())
    run = rumi_tf.train(config)
    assert run.reused and run.directory == finished_run.directory
    images = rumi_tf.load_generator(run.saved_model).sample(3, seed=0)
    assert images.shape == (3, 28, 28, 1) and np.abs(images).max() <= 1


@pytest.fixture(scope="module")
def resampled():
    """Images, labels, a sampler that was fitted on them, and its images and labels."""
    X, y = digits({1: 12, 5: 8, 7: 12})
    sampler = rumi_tf.RumiOverSampler(iterations=2, settings=SMALL)
    return X, y, sampler, *sampler.fit_resample(X, y)


def test_generated_images_follow_the_originals(resampled):
    X, y, sampler, images, labels = resampled
    assert sampler.sampling_strategy_ == {5: 4}
    np.testing.assert_array_equal(images[: len(X)], X)
    np.testing.assert_array_equal(labels, [*y, 5, 5, 5, 5])
    assert images.shape == (36, 8, 8) and images.dtype == np.uint8


def test_floats_colours_and_words_keep_their_kind():
    X, y = digits({0: 6, 3: 4})
    X = np.repeat(X[..., None] / np.float32(255), 3, axis=3)
    words = np.array(["many", "few"])[(y == 3).astype(int)]
    sampler = rumi_tf.RumiOverSampler("lsgan", iterations=1, settings=SMALL)
    images, labels = sampler.fit_resample(X, words)
    assert images.shape == (12, 8, 8, 3) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1 and labels[-2:].tolist() == ["few", "few"]


@pytest.mark.slow
def test_the_example_of_the_readme(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "iterations=2000" in code
    code = code.replace("iterations=2000", "iterations=1")
    code += "print(len(images), len(more_images), (more_labels == 5).sum())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1665", "1798", "183"]


def test_parameters_are_those_of_an_estimator():
    sampler = rumi_tf.RumiOverSampler(random_state=3)
    assert sampler.get_params()["random_state"] == 3
    assert sampler.set_params(iterations=7).iterations == 7


@pytest.mark.parametrize(
    "strategy",
    ["auto", "minority", "not minority", "not majority", "all", {"b": 5, "c": 9},
     lambda y: {"c": 3}],
    ids=["auto", "minority", "not minority", "not majority", "all", "dict", "callable"],
)  # fmt: skip
def test_strategies_are_those_of_imbalanced_learn(strategy):
    samplers = pytest.importorskip("imblearn.over_sampling")
    theirs = samplers.RandomOverSampler(sampling_strategy=strategy)
    theirs.fit_resample(np.zeros((13, 1)), LABELS)
    expected = {str(label): num for label, num in theirs.sampling_strategy_.items() if num}
    assert numbers_to_generate(strategy, LABELS) == expected


def test_a_ratio_of_two_classes():
    assert numbers_to_generate(0.5, np.repeat([0, 1], (10, 2))) == {1: 3}


def test_a_step_of_a_pipeline_of_imbalanced_learn(resampled):
    """Its clone generates the same images."""
    pipelines = pytest.importorskip("imblearn.pipeline")
    X, y, sampler, images, labels = resampled
    pipeline = pipelines.Pipeline([("balance", clone(sampler)), ("classifier", Recorder())])
    classifier = pipeline.fit(X, y)["classifier"]
    np.testing.assert_array_equal(classifier.X, images)
    np.testing.assert_array_equal(classifier.y, labels)


@pytest.mark.parametrize(
    "X, y, strategy, word",
    [
        (np.zeros((4, 3)), [0, 0, 1, 1], "auto", "shape"),
        (np.zeros((4, 8, 8, 2)), [0, 0, 1, 1], "auto", "shape"),
        (np.zeros((4, 8, 8)), [0, 1], "auto", "y has"),
        (np.zeros((4, 8, 8)), [0, 0, 0, 0], "auto", "classes"),
        (np.full((4, 8, 8), 300.0), [0, 0, 0, 1], "auto", "300"),
        (np.full((4, 8, 8), 16.0), [0, 0, 0, 1], "auto", "value_range"),
        (np.zeros((0, 8, 8)), [], "auto", "pixels"),
        (np.zeros((4, 8, 8)), np.array([None, None, 1, 1]), "auto", "sorted"),
        (np.zeros((4, 8, 8)), [0, 0, 1, np.nan], "auto", "NaN"),
        (np.zeros((4, 8, 8)), [0, 0, 0, 1], {1: 2.5}, "2.5"),
        (np.zeros((4, 8, 8)), [0, 0, 0, 1], np.array([1, 2]), "one of"),
        (np.zeros((4, 8, 8), np.int8), [0, 0, 0, 1], "auto", "integers up to 255"),
        (np.full((4, 8, 8), 300), [0, 0, 0, 1], "auto", "300"),
        (np.zeros((4, 8, 8)), [0, 0, 0, 1], "most", "most"),
        (np.zeros((4, 8, 8)), [0, 0, 0, 1], {2: 5}, "2"),
        (np.zeros((4, 8, 8)), [0, 0, 0, 1], {0: 1}, "0"),
    ],
)
def test_invalid_input_is_a_value_error(X, y, strategy, word):
    with pytest.raises(ValueError, match=word):
        rumi_tf.RumiOverSampler(sampling_strategy=strategy).fit_resample(X, y)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({"objective": "acgan"}, "objective"),
        ({"objective": "none"}, "objective"),
        ({"value_range": (0, 5)}, "value_range"),
        ({"value_range": (1, 1)}, "value_range"),
        ({"settings": {"dataset": "mnist"}}, "dataset"),
        ({"settings": {"breadth": 1}}, "breadth"),
    ],
)
def test_invalid_parameters_are_value_errors(arguments, word):
    X, y = np.full((4, 8, 8), 16.0), [0, 0, 0, 1]
    with pytest.raises(ValueError, match=word):
        rumi_tf.RumiOverSampler(**{"value_range": (0, 16), **arguments}).fit_resample(X, y)


@pytest.mark.parametrize(
    "low, high, expected",
    [(0, 1.02, (0, 1)), (-1, 0.3, (-1, 1)), (-3, 250, (0, 255)), (0, 0.2, (0, 1))],
)
def test_the_range_of_floats_is_recognised(low, high, expected):
    X = np.array([low, high], np.float32).reshape(2, 1, 1)
    assert oversampler._value_range(X, None) == expected


def test_types_of_scikit_learn_are_accepted(tmp_path):
    data = load_digits()  # in [0, 16]
    chosen = np.r_[0:4, 10:12]
    sampler = rumi_tf.RumiOverSampler(
        iterations=np.int64(1), random_state=np.random.RandomState(3), runs_dir=tmp_path,
        value_range=(0, 16), settings={**SMALL, "learning_rate": np.float32(1e-3)},
    )  # fmt: skip
    images, _ = sampler.fit_resample(data.images[chosen], np.array(list("aaaabb"), object))
    assert images.shape == (8, 8, 8) and images.min() >= 0 and images.max() <= 16
    assert sampler.runs_["b"].saved_model.exists()
