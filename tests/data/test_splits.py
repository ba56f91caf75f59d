import numpy as np
import pytest

from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.data.splits import held_out, make_split, stratified
from rumi_tf.runs.resolve import resolve
from rumi_tf.utils.errors import InvalidInput

TEN = tuple("0123456789")
LABELS = np.repeat(np.arange(10), 30)


def split(labels=LABELS, names=TEN, **values):
    return make_split(RunConfig(**{"dataset": "mnist", **values}), labels, names)


def sizes(parts):
    return len(parts.indices["positive"]), len(parts.indices["negative"])


@pytest.fixture(scope="module")
def loaded():
    return {}


def real(dataset, directory, loaded, **values):
    config = resolve(RunConfig(dataset=dataset, data_dir=directory, **values))
    if dataset not in loaded:
        loaded[dataset] = load_images(config)
    images = loaded[dataset]
    return images, make_split(config, images.labels, images.class_names)


def test_published_counts_of_mnist(tfds_dir, loaded):
    assert sizes(real("mnist", tfds_dir, loaded, split="even")[1]) == (29_492, 30_508)
    assert sizes(real("mnist", tfds_dir, loaded, split="odd")[1]) == (30_508, 29_492)
    assert sizes(real("mnist", tfds_dir, loaded, split="overlap")[1]) == (36_177, 35_730)
    images, few = real("mnist", tfds_dir, loaded, minority_class="5")
    assert sizes(few) == (200, 60_000 - 5_421)
    assert set(images.labels[few.indices["positive"]]) == {5}
    assert 5 not in images.labels[few.indices["negative"]]


def test_published_counts_of_cifar10(tfds_dir, loaded):
    assert sizes(real("cifar10", tfds_dir, loaded, minority_class="horse")[1]) == (250, 45_000)
    animals = real("cifar10", tfds_dir, loaded, split="animals")[1]
    assert sizes(animals) == (30_000, 20_000)


def test_fashion_overlap_uses_the_same_label_indices():
    labels = np.repeat(np.arange(10), 6000)
    assert sizes(split(labels, dataset="fashion_mnist", split="overlap")) == (36_000, 36_000)


def test_overlapping_sides_share_exactly_the_images_of_2_and_9():
    parts = split(split="overlap")
    shared = np.intersect1d(parts.indices["positive"], parts.indices["negative"])
    assert set(LABELS[shared]) == {2, 9} and len(shared) == 60
    assert len(parts.indices["all"]) == 300


def test_minority_is_random_by_seed_and_not_the_first_images():
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


def test_minority_size_zero_keeps_all_and_none_keeps_the_share():
    labels = np.repeat([0, 1], [1000, 400])
    common = {"dataset": "celeba", "split": "unbalanced", "minority_class": "female"}
    assert sizes(split(labels, ("Female", "Male"), **common)) == (50, 400)
    assert sizes(split(labels, ("Female", "Male"), minority_size=0, **common)) == (1000, 400)


def test_free_classes_by_name_index_and_case():
    names = ("apple", "pear", "plum")
    labels = np.repeat([0, 1, 2], 5)
    common = {"dataset": "folder", "split": "classes"}
    parts = split(labels, names, positive_classes=("PEAR", "2"), **common)
    assert (parts.positive_classes, parts.negative_classes) == ((1, 2), (0,))
    parts = split(
        labels, names, positive_classes=("pear",), negative_classes=("pear", "apple"), **common
    )
    assert (parts.positive_classes, parts.negative_classes) == ((1,), (0, 1))
    parts = split(labels, names, dataset="folder", split="single", positive_classes=("plum",))
    assert (parts.positive_classes, parts.negative_classes) == ((2,), (0, 1))


def test_an_exact_class_name_beats_another_case():
    labels, names = np.array([0, 1, 2]), ("A", "a", "b")
    for name, label in (("a", 1), ("A", 0), ("B", 2)):
        parts = split(labels, names, split="unbalanced", minority_class=name, minority_size=0)
        assert parts.positive_classes == (label,)
    with pytest.raises(InvalidInput, match="no class 'ab'"):
        split(labels, ("Ab", "aB", "b"), split="unbalanced", minority_class="ab")


def test_a_numeric_class_name_beats_an_index():
    parts = split(
        np.array([0, 1, 2]), ("2", "1", "0"), dataset="folder", split="classes",
        positive_classes=("2",),
    )  # fmt: skip
    assert parts.positive_classes == (0,)


def test_where_classes_are_numbers_there_is_no_index():
    """Index 0 would be the class that is called 1."""
    common = {"dataset": "folder", "split": "unbalanced", "minority_size": 0}
    with pytest.raises(InvalidInput, match="no class '0', and numbers are names here; the cl"):
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
def test_bad_split_names_the_flag(flag, values):
    with pytest.raises(InvalidInput) as caught:
        split(**values)
    assert caught.value.flag == flag


def test_a_class_without_images_is_an_empty_side():
    with pytest.raises(InvalidInput, match="no image of 7"):
        split(LABELS[LABELS != 7], split="unbalanced", minority_class="7", minority_size=0)


def test_all_has_every_class_and_no_negatives():
    parts = split(split="all")
    assert parts.positive_classes == tuple(range(10)) and parts.negative_classes == ()
    assert sizes(parts) == (300, 0)
    assert parts.indices["all"].tolist() == list(range(300))


@pytest.mark.parametrize("objective", ["rumi_lsgan", "rumi_wgan_gp"])
def test_all_is_refused_where_negatives_are_needed(objective):
    with pytest.raises(InvalidInput, match="--split: all has no negatives"):
        resolve(RunConfig(dataset="mnist", split="all", objective=objective))
    for other in ("lsgan", "acgan"):
        assert resolve(RunConfig(dataset="mnist", split="all", objective=other)).split == "all"


def test_a_share_of_every_class_is_drawn_at_random_and_rounded_down():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [10, 25, 3]))
    drawn = stratified(labels, 0.3, 0, "x")
    assert np.bincount(labels[drawn], minlength=3).tolist() == [3, 7, 0]
    assert len(set(drawn.tolist())) == len(drawn)
    assert drawn.tolist() == stratified(labels, 0.3, 0, "x").tolist()
    for other in (stratified(labels, 0.3, 1, "x"), stratified(labels, 0.3, 0, "y")):
        assert set(other.tolist()) != set(drawn.tolist())


def test_no_side_has_images_that_are_held_out():
    common = {"split": "unbalanced", "minority_class": "3", "minority_size": 10, "holdout": 0.4}
    config = RunConfig(dataset="mnist", **common)
    held, parts = held_out(config, LABELS), split(**common)
    assert np.bincount(LABELS[held]).tolist() == [12] * 10
    assert sizes(parts) == (10, 9 * 18)
    for side in parts.indices.values():
        assert not set(side.tolist()) & set(held.tolist())
    everything = split(split="all", holdout=0.4).indices["all"]
    assert sorted([*everything, *held]) == list(range(300))  # whatever the split, the same images


def test_the_minority_is_cut_after_the_others_are_held_out():
    common = {"split": "unbalanced", "minority_class": "3", "holdout": 0.5}
    assert sizes(split(minority_size=15, **common)) == (15, 135)
    with pytest.raises(InvalidInput, match="minority_size: is 16, but 3 has 15 images that are"):
        split(minority_size=16, **common)
