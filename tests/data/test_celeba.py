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
from rumi_tf.utils.errors import InvalidInput, NoSuchPart
from tests.tfds_on_disk import write_tfds

# A short list; the attributes used are not in their official columns.
ATTRIBUTES = ("Wearing_Hat", "Bald", "Young", "Male")
COUNT = 40


def picture(k):
    """A grey 178x218 image of waves, short enough to reveal a wrong crop or resize method."""
    y, x = np.mgrid[:218, :178]
    waves = 128 + 50 * np.sin(y / 2 + k) + 50 * np.sin(x / 3)
    return Image.fromarray(waves.astype(np.uint8)).convert("RGB")


def cropped_and_resized(k, size):
    """Reference: the published crop, bilinear without antialiasing, (size, size, 3) in [-1, 1]."""
    square = np.asarray(picture(k), float)[38 : 38 + 140, 18 : 18 + 140]
    positions = np.clip((np.arange(size) + 0.5) * 140 / size - 0.5, 0, 139)
    low = np.minimum(positions.astype(int), 138)
    fraction = (positions - low)[:, None, None]
    rows = square[low] * (1 - fraction) + square[low + 1] * fraction
    columns = rows.swapaxes(0, 1)
    resized = columns[low] * (1 - fraction) + columns[low + 1] * fraction
    return resized.swapaxes(0, 1) / 127.5 - 1


def check_pixels(images, pictures):
    """Checks the images at some indices; `pictures` maps index to the argument of `picture`."""
    pixels = images.gather(list(pictures)).numpy()
    for image, k in zip(pixels, pictures.values(), strict=True):
        error = np.abs(image - cropped_and_resized(k, 32))
        assert error.mean() < 0.03 and error.max() < 0.12  # JPEG compression


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
def test_official_layouts(tmp_path, kind, directory, lists):
    root = write_tree(tmp_path, kind, directory, lists)
    images = load_images(config(root, split="attribute", attribute="Bald"))
    assert images.labels.tolist() == [int(k % 7 == 0) for k in range(COUNT)]
    assert images.class_names == ("not Bald", "Bald")
    check_pixels(images, {0: 0, 10: 10, 39: 39})


def test_each_gender_as_minority(tmp_path):
    root = write_tree(tmp_path)
    for gender, count in (("Female", 30), ("male", 10)):
        settings = config(root, minority_class=gender)
        images = load_images(settings)
        split = make_split(settings, images.labels, images.class_names)
        assert images.class_names == ("Female", "Male")
        assert len(split.indices["positive"]) == max(1, round(0.05 * count))
        assert len(split.indices["negative"]) == COUNT - count


@pytest.mark.parametrize("directory", ["", "Eval"])
def test_official_partition_is_used_if_present(tmp_path, directory):
    root = write_tree(tmp_path)
    rows = [f"{k + 1:06d}.jpg {0 if k < 25 else 1 if k < 30 else 2}" for k in range(COUNT)]
    partition = root / directory / "list_eval_partition.txt"
    partition.parent.mkdir(exist_ok=True)
    partition.write_text("\n".join(rows))
    settings = config(root, split="attribute")
    assert (len(load_images(settings)), len(load_images(settings, "test"))) == (25, 10)
    partition.write_text("malformed\n")
    with pytest.raises(InvalidInput, match=partition.name):
        load_images(settings)
    partition.unlink()
    with pytest.raises(NoSuchPart, match="test"):
        load_images(settings, "test")


def test_unreadable_images_are_found_and_skipped_on_request(tmp_path):
    root = write_tree(tmp_path)
    truncated = root / "img_align_celeba" / "000004.jpg"
    truncated.write_bytes(truncated.read_bytes()[:200])
    images = load_images(config(root, split="attribute"))
    assert [images.name(k) for k in unreadable(images)] == ["000004.jpg"]
    readable = load_images(config(root, split="attribute", skip_unreadable=True))
    assert len(readable) == COUNT - 1 and readable.name(3) == "000005.jpg"
    np.testing.assert_array_equal(readable.gather([3]), images.gather([4]))


@pytest.mark.parametrize(
    "damage, value",
    [
        ("missing image", "000002.jpg"),
        ("short row", "line 5"),
        ("odd value", "line 5"),
        ("path in name", "line 5: '../000003.jpg'"),
        ("no directory", "img_align_celeba"),
        ("empty list", "list_attr_celeba.txt"),
        ("not text", "list_attr_celeba.txt"),
    ],
)
def test_errors_locate_the_damage_of_a_layout(tmp_path, damage, value):
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
    with pytest.raises(InvalidInput, match=value) as caught:
        load_images(config(root, split="attribute"))
    assert caught.value.flag == "data_dir"


def test_error_for_a_misspelt_attribute_suggests_the_right_one(tmp_path):
    root = write_tree(tmp_path)
    with pytest.raises(InvalidInput, match=r"--attribute: .*Wearing_Hat"):
        load_images(config(root, split="attribute", attribute="wearing_hat"))


def test_csv_and_txt_agree(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    from_txt = read_attributes(write_tree(tmp_path / "a", "txt") / "list_attr_celeba.txt")
    from_csv = read_attributes(write_tree(tmp_path / "b", "csv") / "list_attr_celeba.csv")
    assert from_txt[:2] == from_csv[:2]
    np.testing.assert_array_equal(from_txt[2], from_csv[2])


def test_record_offsets_locate_the_records_tensorflow_wrote(tmp_path):
    path = tmp_path / "x.tfrecord"
    records = [b"a" * n for n in (0, 1, 1000)]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    data = path.read_bytes()
    assert [data[o : o + n] for o, n in record_offsets(path)] == records
    path.write_bytes(data[:-7])
    with pytest.raises(InvalidInput, match=path.name):
        record_offsets(path)


@pytest.fixture
def prepared(tmp_path):
    """A small `celeb_a` in the on-disk format of TFDS, in several shards."""
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


def test_random_access_to_tfds_shards(prepared):
    settings = config(prepared, split="attribute", attribute="Wearing_Hat")
    images = load_images(settings)
    assert len(images) == 30 and len(load_images(settings, "test")) == 10
    assert images.labels.tolist() == [int(k % 5 == 0) for k in range(30)]
    check_pixels(images, {29: 29, 0: 0, 13: 13})


def test_data_prepared_by_another_process_meanwhile_are_not_downloaded(prepared, monkeypatch):
    final, temporary = prepared / "celeb_a", prepared / "temporary"
    final.rename(temporary)

    @contextlib.contextmanager
    def held(path):
        assert path == prepared / ".celeb_a.lock"
        temporary.rename(final)  # while this process waits for the lock
        yield

    monkeypatch.setattr(locks, "held", held)
    assert len(load_images(config(prepared, split="attribute"))) == 30


def test_dataset_info_cannot_point_outside_its_directory(prepared):
    (info_path,) = prepared.rglob("dataset_info.json")
    outside = prepared / "secret"
    outside.mkdir()
    for path in info_path.parent.glob("*tfrecord*"):
        path.rename(outside / path.name)
    info = json.loads(info_path.read_text())
    for part in info["splits"]:
        part["filepathTemplate"] = "../../secret/{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    info_path.write_text(json.dumps(info))
    assert list((info_path.parent / "../../secret").iterdir())
    with pytest.raises(InvalidInput, match=info_path.name):
        load_images(config(prepared, split="attribute"))


def test_tfds_unknown_attribute(prepared):
    with pytest.raises(InvalidInput, match=r"--attribute: .*'Hat'"):
        load_images(config(prepared, split="attribute", attribute="Hat"))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "gender, minority, majority",
    [("Female", 11, 75), ("Male", 4, 225)],
)
def test_training_and_evaluation_with_each_gender_as_minority(
    tmp_path, monkeypatch, gender, minority, majority
):
    """A cell of Table 1 on the official layout, with the networks of the published code."""
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
    fid = next(row for row in rows if row.metric == "fd_classifier")
    # The reference is the entire minority class, of which training used 5%.
    assert (fid.target, fid.n_reference) == (gender, 300 - majority)
    assert load_sampler(run.saved_model).sample(3, seed=0).shape == (3, 32, 32, 3)


def test_reading_a_long_attribute_list_takes_little_memory(tmp_path):
    """As Python strings the official list would take half a gigabyte."""
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
