import contextlib
import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.data.celeba import read_attributes, record_offsets
from rumi_tf.data.dataset import unreadable
from rumi_tf.data.loaders import load_images
from rumi_tf.data.splits import make_split
from rumi_tf.evaluation.embeddings import classifier
from rumi_tf.export.sampler import load_sampler
from rumi_tf.runs import outputs
from rumi_tf.runs.resolve import resolve
from rumi_tf.training import build, train
from rumi_tf.utils import locks
from rumi_tf.utils.errors import InvalidInput
from tests.tfds_on_disk import write_tfds

# A short list, with the three that are used far from their official columns.
ATTRIBUTES = ("Wearing_Hat", "Bald", "Young", "Male")
COUNT = 40


def picture(k):
    """A grey 178x218 image of waves so short that every pixel of the crop and the way it is
    resized show.
    """
    y, x = np.mgrid[:218, :178]
    waves = 128 + 50 * np.sin(y / 2 + k) + 50 * np.sin(x / 3)
    return Image.fromarray(waves.astype(np.uint8)).convert("RGB")


def cropped_and_resized(k, size):
    """What is to become of it, (size, size, 3): the published crop, bilinear between the nearest
    pixels alone, in [-1, 1].
    """
    square = np.asarray(picture(k), float)[38 : 38 + 140, 18 : 18 + 140]
    at = np.clip((np.arange(size) + 0.5) * 140 / size - 0.5, 0, 139)
    low = np.minimum(at.astype(int), 138)
    part = (at - low)[:, None, None]
    rows = square[low] * (1 - part) + square[low + 1] * part
    columns = rows.swapaxes(0, 1)
    resized = columns[low] * (1 - part) + columns[low + 1] * part
    return resized.swapaxes(0, 1) / 127.5 - 1


def check_pixels(images, places):
    """`places`: those of some images -> the numbers of the pictures that belong there."""
    pixels = images.gather(list(places)).numpy()
    for got, k in zip(pixels, places.values(), strict=True):
        off = np.abs(got - cropped_and_resized(k, 32))
        assert off.mean() < 0.03 and off.max() < 0.12  # of JPEG


def values(k):
    return {"Wearing_Hat": k % 5 == 0, "Bald": k % 7 == 0, "Young": True, "Male": k % 4 == 0}


def write_tree(root, kind="txt", images="img_align_celeba", lists="", count=COUNT):
    images = root / images
    images.mkdir(parents=True)
    names = [f"{k + 1:06d}.jpg" for k in range(count)]
    for k, name in enumerate(names):
        picture(k).save(images / name, quality=95)
    signs = [["1" if values(k)[a] else "-1" for a in ATTRIBUTES] for k in range(count)]
    if kind == "txt":
        rows = [str(count), " ".join(ATTRIBUTES)]
        rows += [f"{n}  {'  '.join(s)}" for n, s in zip(names, signs, strict=True)]
    else:
        rows = [",".join(("image_id", *ATTRIBUTES))]
        rows += [",".join((n, *s)) for n, s in zip(names, signs, strict=True)]
    (root / lists).mkdir(exist_ok=True)
    (root / lists / f"list_attr_celeba.{kind}").write_text("\n".join(rows) + "\n")
    return root


def config(root, **more):
    return resolve(RunConfig(dataset="celeba", data_dir=str(root), image_size=32, **more))


@pytest.mark.parametrize(
    "kind, directory, lists",
    [
        ("txt", "img_align_celeba", ""),
        ("csv", "img_align_celeba/img_align_celeba", ""),
        ("txt", "Img/img_align_celeba", "Anno"),
    ],
)
def test_official_layout_by_attribute_name(tmp_path, kind, directory, lists):
    root = write_tree(tmp_path, kind, directory, lists)
    settings = config(root, split="attribute", attribute="Bald")
    images = load_images(settings)
    assert images.labels.tolist() == [int(k % 7 == 0) for k in range(COUNT)]
    assert images.class_names == ("not Bald", "Bald")
    check_pixels(images, {0: 0, 10: 10, 39: 39})


def test_both_genders_as_minority(tmp_path):
    root = write_tree(tmp_path)
    for gender, count in (("Female", 30), ("male", 10)):
        settings = config(root, minority_class=gender)
        images = load_images(settings)
        split = make_split(settings, images.labels, images.class_names)
        assert images.class_names == ("Female", "Male")
        assert len(split.indices["positive"]) == max(1, round(0.05 * count))
        assert len(split.indices["negative"]) == COUNT - count


@pytest.mark.parametrize("directory", ["", "Eval"])
def test_partition_is_respected_where_it_is_present(tmp_path, directory):
    root = write_tree(tmp_path)
    rows = [f"{k + 1:06d}.jpg {0 if k < 25 else 1 if k < 30 else 2}" for k in range(COUNT)]
    partition = root / directory / "list_eval_partition.txt"
    partition.parent.mkdir(exist_ok=True)
    partition.write_text("\n".join(rows))
    settings = config(root, split="attribute")
    assert (len(load_images(settings)), len(load_images(settings, "test"))) == (25, 10)
    partition.write_text("nothing of use\n")
    with pytest.raises(InvalidInput, match="no image of its train part"):
        load_images(settings)
    partition.unlink()
    with pytest.raises(InvalidInput, match="no test part"):
        load_images(settings, "test")


def test_unreadable_images_are_found_and_skipped_on_demand(tmp_path):
    root = write_tree(tmp_path)
    victim = root / "img_align_celeba" / "000004.jpg"
    victim.write_bytes(victim.read_bytes()[:200])
    images = load_images(config(root, split="attribute"))
    assert [images.name(k) for k in unreadable(images)] == ["000004.jpg"]
    fewer = load_images(config(root, split="attribute", skip_unreadable=True))
    assert len(fewer) == COUNT - 1 and fewer.name(3) == "000005.jpg"
    np.testing.assert_array_equal(fewer.gather([3]), images.gather([4]))


@pytest.mark.parametrize(
    "damage, words",
    [
        ("missing image", "000002.jpg"),
        ("short row", "line 5"),
        ("odd value", "line 5"),
        ("path in name", "not a file name"),
        ("no directory", "img_align_celeba"),
        ("empty list", "no image"),
        ("not text", "not a text file"),
    ],
)
def test_damaged_layouts_are_named(tmp_path, damage, words):
    root = write_tree(tmp_path)
    table = root / "list_attr_celeba.txt"
    lines = table.read_text().splitlines()
    if damage == "missing image":
        (root / "img_align_celeba" / "000002.jpg").unlink()
    elif damage == "no directory":
        (root / "img_align_celeba").rename(root / "elsewhere")
    elif damage == "empty list":
        lines = lines[:2]
    else:
        name, *row = lines[4].split()
        row = row[:-1] if damage == "short row" else row
        row[0] = "2" if damage == "odd value" else row[0]
        name = "../" + name if damage == "path in name" else name
        lines[4] = " ".join((name, *row))
    table.write_text("\n".join(lines) + "\n")
    if damage == "not text":
        table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=words) as caught:
        load_images(config(root, split="attribute"))
    assert caught.value.flag == "data_dir"


def test_wrong_attribute_says_what_was_meant(tmp_path):
    root = write_tree(tmp_path)
    with pytest.raises(InvalidInput, match="did you mean Wearing_Hat"):
        load_images(config(root, split="attribute", attribute="wearing_hat"))


def test_csv_and_txt_agree(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    one = read_attributes(write_tree(tmp_path / "a", "txt") / "list_attr_celeba.txt")
    two = read_attributes(write_tree(tmp_path / "b", "csv") / "list_attr_celeba.csv")
    assert one[:2] == two[:2]
    np.testing.assert_array_equal(one[2], two[2])


def test_record_offsets_find_what_tensorflow_wrote(tmp_path):
    path = tmp_path / "x.tfrecord"
    records = [b"a" * n for n in (0, 1, 1000)]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    data = path.read_bytes()
    assert [data[o : o + n] for o, n in record_offsets(path)] == records
    path.write_bytes(data[:-7])
    with pytest.raises(InvalidInput, match="truncated"):
        record_offsets(path)


@pytest.fixture
def prepared(tmp_path):
    """A small `celeb_a` in TFDS's own on-disk form, in several shards."""
    import tensorflow_datasets as tfds

    features = tfds.builder("celeb_a", data_dir=str(tmp_path)).info.features
    attributes = dict.fromkeys(features["attributes"], False)
    landmarks = dict.fromkeys(features["landmarks"], 0)

    def example(k):
        return {
            "image": np.asarray(picture(k)),
            "attributes": {**attributes, **values(k)},
            "landmarks": landmarks,
            "identity": {"Identity_No": k},
        }

    parts = {"train": map(example, range(30)), "test": map(example, range(30, COUNT))}
    return write_tfds(tmp_path, "celeb_a", parts)


def test_tfds_is_read_by_index_from_its_shards(prepared):
    settings = config(prepared, split="attribute", attribute="Wearing_Hat")
    images = load_images(settings)
    assert len(images) == 30 and len(load_images(settings, "test")) == 10
    assert images.labels.tolist() == [int(k % 5 == 0) for k in range(30)]
    check_pixels(images, {29: 29, 0: 0, 13: 13})


def test_what_another_process_prepares_meanwhile_is_not_downloaded(prepared, monkeypatch):
    here, away = prepared / "celeb_a", prepared / "not yet"
    here.rename(away)

    @contextlib.contextmanager
    def held(path):
        assert path == prepared / ".celeb_a.lock"
        away.rename(here)  # while this one waits for the other's claim
        yield

    monkeypatch.setattr(locks, "held", held)
    assert len(load_images(config(prepared, split="attribute"))) == 30


def test_tfds_is_not_led_to_files_of_other_places(prepared):
    (info,) = prepared.rglob("dataset_info.json")
    away = prepared / "secret"
    away.mkdir()
    for path in info.parent.glob("*tfrecord*"):
        path.rename(away / path.name)
    about = json.loads(info.read_text())
    for part in about["splits"]:
        part["filepathTemplate"] = "../../secret/{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    info.write_text(json.dumps(about))
    assert list((info.parent / "../../secret").iterdir())
    with pytest.raises(InvalidInput, match="names files of other directories"):
        load_images(config(prepared, split="attribute"))


def test_tfds_wrong_attribute(prepared):
    with pytest.raises(InvalidInput, match="no attribute 'Hat'"):
        load_images(config(prepared, split="attribute", attribute="Hat"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "gender, minority, majority",
    [("Female", 11, 75), pytest.param("Male", 4, 225, marks=pytest.mark.exhaustive)],
)
def test_both_genders_train_and_are_evaluated_on_hundreds_of_files(
    tmp_path, monkeypatch, gender, minority, majority
):
    """A cell of Table 1 from the official layout, with the networks of the published code."""
    monkeypatch.setattr(classifier, "UPDATES", (5, 5))
    settings = dataclasses.replace(
        config(write_tree(tmp_path / "celeba", count=300), minority_class=gender),
        width=0.02, batch_size=8, iterations=2, eval_every=2, eval_samples=20,
        runs_dir=str(tmp_path / "runs"), cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    _, split = build.prepare(settings)
    sizes = {subset: len(index) for subset, index in split.indices.items()}
    assert (sizes["positive"], sizes["negative"]) == (minority, majority)
    run = train.train(settings)
    rows = outputs.last_rows(settings)
    fid = next(row for row in rows if row.metric == "fid")
    # Against all images of the minority class, of which the training saw 5 %.
    assert (fid.target, fid.n_reference) == (gender, 300 - majority)
    assert load_sampler(run.saved_model).sample(3, seed=0).shape == (3, 32, 32, 3)


def test_a_long_list_takes_little_memory(tmp_path):
    """The words of the official list as Python objects would be half a gigabyte."""
    count, names = 5000, [f"Attribute_{k}" for k in range(40)]
    row = "  ".join(["-1", " 1"] * 20)
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(
        f"{count}\n{' '.join(names)}\n" + "".join(f"{k:06d}.jpg  {row}\n" for k in range(count))
    )
    tracemalloc.start()
    files, attributes, values = read_attributes(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert attributes == names and files[-1] == "004999.jpg"
    assert (values == (np.arange(40) % 2 == 1)).all() and values.shape == (count, 40)
    assert peak < 4 * path.stat().st_size
