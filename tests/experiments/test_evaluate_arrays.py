"""`rumi_tf.evaluate`: the metrics of the command, for arrays and files of the same pixels."""

import dataclasses
import inspect
import math
import warnings

import numpy as np
import pytest
import scipy.linalg
from PIL import Image
from sklearn.metrics import pairwise_distances

import rumi_tf
from rumi_tf.config.run import DataFields, RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.evaluation.embeddings import classifier, load_embedding
from rumi_tf.evaluation.results import read_rows
from rumi_tf.export.sampler import to_bytes
from rumi_tf.runs.resolve import resolve

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def digits():
    """Digit -> its images (n, 28, 28, 1) uint8."""
    data = load_images(resolve(RunConfig()))
    pixels = to_bytes(data.gather(np.arange(len(data))).numpy())
    return [pixels[data.labels == k] for k in range(10)]


@pytest.fixture(scope="module")
def evaluate(digits_cache):
    """`rumi_tf.evaluate` with scikit-learn's digits and a classifier of few updates."""
    options = {"dataset": "digits", "cache_dir": digits_cache}
    return lambda *sets, **others: rumi_tf.evaluate(*sets, **{**options, **others})


@pytest.fixture(scope="module")
def embed(digits_cache):
    """Images -> outputs of the same classifier, by name."""
    config = resolve(RunConfig(cache_dir=digits_cache))
    embedding = load_embedding(config, load_images(config), "classifier")

    def outputs(images):
        batches = list(embedding.stream([images / np.float32(127.5) - 1]))
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    return outputs


def tree(directory):
    return sorted(directory.rglob("*"))


# ----- the command --------------------------------------------------------------------------------


def test_values_are_those_of_the_command_to_the_last_bit(
    digits, evaluate, digits_cache, quick_command, tmp_path
):
    paths = [tmp_path / f"{k}.npz" for k in (3, 5)]
    for path, k in zip(paths, (3, 5), strict=True):
        np.savez(path, images=digits[k])
    done = quick_command(
        "reproduce.evaluate", f"--images={paths[0]}", f"--reference={paths[1]}", "--extrapolate",
        "--dataset=digits", "--eval_samples=120", f"--cache_dir={digits_cache}", "--out=out",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "out" / "metrics.csv")
    assert (rows[0].n_generated, rows[0].n_reference) == (120, 145)
    values = [(row.metric, row.value) for row in rows]
    for sets in (paths, map(str, paths), (digits[3], digits[5])):
        result = evaluate(*sets, eval_samples=120, extrapolate=True)
        assert list(result.items()) == values


def test_arguments_are_the_flags_of_the_command():
    """Only two defaults differ: no data set is named, and nothing is kept."""
    arguments = dict(inspect.signature(rumi_tf.evaluate).parameters)
    for name in ("images", "reference", "value_range", "extrapolate", "refresh", "data"):
        del arguments[name]
    fields = {
        field.name: field.default
        for field in dataclasses.fields(RunConfig)
        if RunConfig.section_of(field.name) == "Evaluation" and field.name != "eval_every"
    }
    assert set(arguments) == {"dataset", *fields}
    defaults = {name: argument.default for name, argument in arguments.items()}
    assert defaults == {**fields, "dataset": None, "cache_dir": None}


def test_every_field_of_the_data_is_an_argument(evaluate, digits):
    fields = {field.name: field for field in dataclasses.fields(DataFields)}
    for name, field in fields.items():
        if not field.metadata["flag"]:
            with pytest.raises(TypeError, match=name):
                evaluate(digits[3], **{name: "x"})
        else:
            with pytest.raises(ValueError, match=f"^--{name}: "):
                evaluate(digits[3], **{name: 1.5})


# ----- forms of images ----------------------------------------------------------------------------


def test_arrays_and_files_of_the_same_pixels_have_the_same_values(digits, evaluate, tmp_path):
    threes, folder = digits[3][:40], tmp_path / "threes"
    folder.mkdir()
    for k, image in enumerate(threes[..., 0]):
        Image.fromarray(image).save(folder / f"{k:04d}.png")
    expected = evaluate(threes, digits[5])
    assert expected["fd_classifier"] > 0.1
    for images in (folder, threes[..., 0].tolist(), threes / np.float32(127.5) - 1):
        assert evaluate(images, digits[5], value_range=(-1, 1)) == expected


def test_the_data_set_is_the_default_reference(digits, evaluate):
    expected = evaluate(digits[3], digits[5])
    result = evaluate(digits[3], minority_class="5")
    shares = {name: value for name, value in result.items() if name.startswith("share_")}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["share_positive_only"] == result["class_5"]
    for name in ("fd_classifier", "kid", "precision", "recall", "density", "coverage"):
        assert result[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name


# ----- independent formulas -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")  # some units are never active
def test_frechet_distance_is_that_of_scipy(digits, evaluate, embed):
    odd, even = (np.concatenate(digits[k::2]) for k in (1, 0))
    x, y = (embed(images)["features"].astype(np.float64) for images in (odd, even))
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.trace(
        covariances[0] + covariances[1] - 2 * root.real
    )
    assert evaluate(odd, even)["fd_classifier"] == pytest.approx(expected, rel=1e-3)


def test_kernel_distance_is_the_sum_over_all_pairs(digits, evaluate, embed):
    x, y = (embed(digits[k])["features"].astype(np.float64) for k in (3, 5))

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a):
        values = kernel(a, a)
        return (values.sum() - np.trace(values)) / (len(a) * (len(a) - 1))

    expected = within(x) + within(y) - 2 * kernel(x, y).mean()
    assert evaluate(digits[3], digits[5])["kid"] == pytest.approx(expected, rel=1e-6)


def test_precision_and_recall_count_images_within_the_third_neighbour(digits, evaluate, embed):
    x, y = (embed(digits[k])["features"].astype(np.float64) for k in (3, 5))

    def covered(points, others):
        radii = np.sort(pairwise_distances(others), axis=1)[:, 3]
        return np.mean((pairwise_distances(points, others) <= radii).any(axis=1))

    result = evaluate(digits[3], digits[5])
    assert result["precision"] == pytest.approx(covered(x, y), abs=0.01)
    assert result["recall"] == pytest.approx(covered(y, x), abs=0.01)


def test_class_shares_count_predictions(digits, evaluate, embed):
    images = np.concatenate([digits[3], digits[5][:50]])
    predicted = np.argmax(embed(images)["classes"], axis=1)
    result = evaluate(images, digits[5])
    shares = [result[f"class_{k}"] for k in range(10)]
    np.testing.assert_allclose(shares, np.bincount(predicted, minlength=10) / len(images))


def test_a_set_is_at_no_distance_from_itself(digits, evaluate):
    result = evaluate(digits[3], digits[3])
    assert result["fd_classifier"] == pytest.approx(0, abs=1e-6)
    assert result["kid"] <= 0
    for name in ("prd_f8", "prd_f1/8", "precision", "recall", "coverage"):
        assert result[name] == pytest.approx(1), name


def test_the_order_of_the_images_does_not_matter(digits, evaluate):
    shuffled = np.random.default_rng(0).permutation(digits[3])
    result, expected = evaluate(shuffled, digits[5]), evaluate(digits[3], digits[5])
    # The Inception score is a mean over ten parts, PRD a clustering from a random start.
    depend = {"inception_score", "prd_f8", "prd_f1/8"}
    assert result.keys() == expected.keys() > depend
    for name in result.keys() - depend:
        assert result[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name


# ----- cache, caveats and errors ------------------------------------------------------------------


def test_nothing_is_written_without_a_cache(digits, evaluate, tmp_path, monkeypatch):
    for variable in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classifier, "UPDATES", (5, 5))  # as for `digits_cache`
    result = evaluate(digits[3][:40], digits[5], cache_dir=None)
    assert tree(tmp_path) == []
    assert result == evaluate(digits[3][:40], digits[5])


def test_caveats_are_warnings_and_undefined_metrics_are_nan(digits, evaluate):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = evaluate(digits[3][:5], digits[5])
    assert {warning.filename for warning in caught} == {__file__}
    texts = [str(warning.message) for warning in caught]
    assert any("5 samples in 128 dimensions" in text for text in texts)
    assert math.isnan(result["inception_score"]) and any("splits" in text for text in texts)
    assert math.isfinite(result["fd_classifier"])


@pytest.mark.parametrize(
    "argument, options",
    [
        ("images", {"images": np.zeros((4, 28))}),
        ("images", {"images": np.zeros((4, 28, 28, 2), np.uint8)}),
        ("images", {"images": np.zeros((0, 28, 28), np.uint8)}),
        ("images", {"images": np.zeros((1, 28, 28), np.uint8)}),
        ("images", {"images": np.zeros((4, 8, 8), np.uint8)}),
        ("images", {"images": np.full((4, 28, 28), 256)}),
        ("images", {"images": np.full((4, 28, 28), np.nan), "value_range": "unit"}),
        ("images", {"images": np.full((4, 28, 28), -0.1), "value_range": (0, 1)}),
        ("images", {"images": np.full((4, 28, 28), "a")}),
        ("images", {"images": [[1, 2], [3]]}),
        ("images", {"images": None}),
        ("images", {"images": "absent"}),
        ("reference", {"reference": np.tile(np.uint8([1, 2, 3]), (4, 28, 28, 1))}),
        ("reference", {"reference": np.zeros((4, 8, 8), np.uint8)}),
        ("value_range", {"images": np.zeros((4, 28, 28))}),
        ("value_range", {"images": np.zeros((4, 28, 28)), "value_range": "hdr"}),
        ("value_range", {"images": np.zeros((4, 28, 28)), "value_range": (1, 0)}),
        ("value_range", {"images": np.zeros((4, 28, 28)), "value_range": (0, np.nan)}),
        ("value_range", {"images": np.zeros((4, 28, 28)), "value_range": 1}),
        ("dataset", {"dataset": None, "reference": None}),
        ("dataset", {"dataset": "minst"}),
        ("embedding", {"dataset": None, "embedding": "classifier"}),
        ("embedding", {"embedding": "pixels"}),
        ("inception_weights", {"embedding": "inception", "inception_weights": "absent.h5"}),
        ("protocol", {"protocol": "rumi_subset"}),
        ("eval_samples", {"eval_samples": 1}),
        ("cache_dir", {"cache_dir": "/dev/null/cache"}),
        ("minority_class", {"dataset": None, "minority_class": "5"}),
        ("minority_class", {"minority_class": "ten"}),
        ("image_size", {"image_size": 30}),
    ],
)
def test_bad_input_is_a_line_that_names_the_argument(argument, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classifier, "_train", lambda *_: pytest.fail("trained"))
    blank = np.zeros((4, 28, 28), np.uint8)
    defaults = {"images": blank, "reference": blank, "dataset": "digits"}
    if argument != "cache_dir":
        defaults["cache_dir"] = "cache"
    with pytest.raises(ValueError) as caught:
        rumi_tf.evaluate(**{**defaults, **options})
    message = str(caught.value)
    assert message.startswith(f"--{argument}: ") and "\n" not in message
    assert tree(tmp_path) == []


def test_unknown_arguments_are_named(digits):
    for name in ("eval_sample", "objective", "eval_every"):
        with pytest.raises(TypeError, match=name):
            rumi_tf.evaluate(digits[3], digits[5], **{name: 1})
