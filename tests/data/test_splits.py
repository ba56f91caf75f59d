import numpy as np
import pytest

from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.data.splits import holdout_indices, make_split, stratified
from rumi_tf.runs.resolve import resolve
from rumi_tf.utils.errors import InvalidInput

TEN = tuple("0123456789")
LABELS = np.repeat(np.arange(10), 30)


def split(labels=LABELS, names=TEN, **values):
    return make_split(RunConfig(**{"dataset": "mnist", **values}), labels, names)


def sizes(result):
    return len(result.indices["positive"]), len(result.indices["negative"])


@pytest.fixture(scope="module")
def loaded():
    return {}


def real_split(dataset, directory, loaded, **values):
    config = resolve(RunConfig(dataset=dataset, data_dir=directory, **values))
    if dataset not in loaded:
        loaded[dataset] = load_images(config)
    images = loaded[dataset]
    return images, make_split(config, images.labels, images.class_names)


def test_sizes_on_mnist_are_the_published_ones(tfds_dir, loaded):
    assert sizes(real_split("mnist", tfds_dir, loaded, split="even")[1]) == (29_492, 30_508)
    assert sizes(real_split("mnist", tfds_dir, loaded, split="odd")[1]) == (30_508, 29_492)
    assert sizes(real_split("mnist", tfds_dir, loaded, split="overlap")[1]) == (36_177, 35_730)
    images, unbalanced = real_split("mnist", tfds_dir, loaded, minority_class="5")
    assert sizes(unbalanced) == (200, 60_000 - 5_421)
    assert set(images.labels[unbalanced.indices["positive"]]) == {5}
    assert 5 not in images.labels[unbalanced.indices["negative"]]


def test_sizes_on_cifar10_are_the_published_ones(tfds_dir, loaded):
    _, unbalanced = real_split("cifar10", tfds_dir, loaded, minority_class="horse")
    assert sizes(unbalanced) == (250, 45_000)
    _, animals = real_split("cifar10", tfds_dir, loaded, split="animals")
    assert sizes(animals) == (30_000, 20_000)


def test_overlap_on_fashion_mnist_has_the_same_labels():
    labels = np.repeat(np.arange(10), 6000)
    assert sizes(split(labels, dataset="fashion_mnist", split="overlap")) == (36_000, 36_000)


def test_overlap_consists_of_the_images_of_2_and_9():
    result = split(split="overlap")
    shared = np.intersect1d(result.indices["positive"], result.indices["negative"])
    assert set(LABELS[shared]) == {2, 9} and len(shared) == 60
    assert len(result.indices["all"]) == 300


def test_minority_images_are_drawn_at_random():
    chosen = {
        seed: split(split="unbalanced", minority_class="3", minority_size=10, seed=seed).indices[
            "positive"
        ]
        for seed in (0, 1)
    }
    assert set(LABELS[chosen[0]]) == {3} and len(set(chosen[0])) == 10
    assert chosen[0].tolist() != chosen[1].tolist()
    assert chosen[0].tolist() != np.flatnonzero(LABELS == 3)[:10].tolist()
    again = split(split="unbalanced", minority_class="3", minority_size=10, seed=0)
    assert again.indices["positive"].tolist() == chosen[0].tolist()


def test_minority_size_0_keeps_all_and_none_keeps_5_percent():
    labels = np.repeat([0, 1], [1000, 400])
    common = {"dataset": "celeba", "split": "unbalanced", "minority_class": "female"}
    assert sizes(split(labels, ("Female", "Male"), **common)) == (50, 400)
    assert sizes(split(labels, ("Female", "Male"), minority_size=0, **common)) == (1000, 400)


def test_classes_by_name_index_and_case():
    names = ("apple", "pear", "plum")
    labels = np.repeat([0, 1, 2], 5)
    common = {"dataset": "folder", "split": "classes"}
    result = split(labels, names, positive_classes=("PEAR", "2"), **common)
    assert (result.positive_classes, result.negative_classes) == ((1, 2), (0,))
    result = split(
        labels, names, positive_classes=("pear",), negative_classes=("pear", "apple"), **common
    )
    assert (result.positive_classes, result.negative_classes) == ((1,), (0, 1))
    result = split(labels, names, dataset="folder", split="single", positive_classes=("plum",))
    assert (result.positive_classes, result.negative_classes) == ((2,), (0, 1))


def test_an_exact_class_name_takes_precedence_over_another_case():
    labels, names = np.array([0, 1, 2]), ("A", "a", "b")
    for name, label in (("a", 1), ("A", 0), ("B", 2)):
        result = split(labels, names, split="unbalanced", minority_class=name, minority_size=0)
        assert result.positive_classes == (label,)
    with pytest.raises(InvalidInput, match="'ab'"):
        split(labels, ("Ab", "aB", "b"), split="unbalanced", minority_class="ab")


def test_a_numeric_class_name_takes_precedence_over_an_index():
    result = split(
        np.array([0, 1, 2]), ("2", "1", "0"), dataset="folder", split="classes",
        positive_classes=("2",),
    )  # fmt: skip
    assert result.positive_classes == (0,)


def test_indices_are_rejected_if_class_names_are_numbers():
    """Index 0 would be the class named 1."""
    common = {"dataset": "folder", "split": "unbalanced", "minority_size": 0}
    with pytest.raises(InvalidInput, match="'0'"):
        split(np.array([0, 1, 2]), ("1", "10", "2"), minority_class="0", **common)


@pytest.mark.parametrize(
    "flag, values",
    [
        ("minority_class", {"split": "unbalanced"}),
        ("minority_class", {"split": "unbalanced", "minority_class": "11"}),
        ("minority_class", {"split": "unbalanced", "minority_class": "cat"}),
        (
            "minority_size",
            {"split": "unbalanced", "minority_class": "1", "minority_size": 31},
        ),
        ("positive_classes", {"split": "classes"}),
        ("positive_classes", {"split": "classes", "positive_classes": ("x",)}),
        ("negative_classes", {"split": "classes", "positive_classes": TEN}),
        ("positive_classes", {"split": "single", "positive_classes": ("1", "2")}),
        ("split", {"split": "animals"}),
        ("split", {"split": "attribute"}),
        ("split", {"split": "even", "dataset": "folder"}),
    ],
)
def test_errors_name_the_flag(flag, values):
    with pytest.raises(InvalidInput) as caught:
        split(**values)
    assert caught.value.flag == flag


def test_a_class_without_images_is_rejected():
    with pytest.raises(InvalidInput, match=r"--positive_classes: .*\b7\b"):
        split(LABELS[LABELS != 7], split="unbalanced", minority_class="7", minority_size=0)


def test_all_has_every_class_and_no_negatives():
    result = split(split="all")
    assert result.positive_classes == tuple(range(10)) and result.negative_classes == ()
    assert sizes(result) == (300, 0)
    assert result.indices["all"].tolist() == list(range(300))


@pytest.mark.parametrize("objective", ["rumi_lsgan", "rumi_wgan_gp"])
def test_all_is_rejected_by_objectives_that_need_negatives(objective):
    with pytest.raises(InvalidInput, match="--split: "):
        resolve(RunConfig(dataset="mnist", split="all", objective=objective))
    for other in ("lsgan", "acgan"):
        assert resolve(RunConfig(dataset="mnist", split="all", objective=other)).split == "all"


def test_stratified_draws_a_share_of_every_class_rounded_down():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [10, 25, 3]))
    drawn = stratified(labels, 0.3, 0, "x")
    assert np.bincount(labels[drawn], minlength=3).tolist() == [3, 7, 0]
    assert len(set(drawn.tolist())) == len(drawn)
    assert drawn.tolist() == stratified(labels, 0.3, 0, "x").tolist()
    for other in (stratified(labels, 0.3, 1, "x"), stratified(labels, 0.3, 0, "y")):
        assert set(other.tolist()) != set(drawn.tolist())


def test_splits_exclude_held_out_images():
    common = {"split": "unbalanced", "minority_class": "3", "minority_size": 10, "holdout": 0.4}
    config = RunConfig(dataset="mnist", **common)
    held, result = holdout_indices(config, LABELS), split(**common)
    assert np.bincount(LABELS[held]).tolist() == [12] * 10
    assert sizes(result) == (10, 9 * 18)
    for index in result.indices.values():
        assert not set(index.tolist()) & set(held.tolist())
    training = split(split="all", holdout=0.4).indices["all"]
    assert sorted([*training, *held]) == list(range(300))  # the same images for every split


def test_the_minority_is_drawn_from_the_images_outside_the_holdout():
    common = {"split": "unbalanced", "minority_class": "3", "holdout": 0.5}
    assert sizes(split(minority_size=15, **common)) == (15, 135)
    with pytest.raises(InvalidInput, match=r"minority_size: .*16.* 3 has 15 "):
        split(minority_size=16, **common)
