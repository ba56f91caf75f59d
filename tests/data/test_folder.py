import dataclasses
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.data.folder import decode, folder_digest, load_folder
from rumi_tf.runs.resolve import resolve
from rumi_tf.utils.errors import InvalidInput


def write(root, name, array, **keywords):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **keywords)
    return path


def colour(value, size=20):
    return np.full((size, size, 3), value, np.uint8)


@pytest.fixture
def tree(tmp_path):
    for k in range(3):
        write(tmp_path, f"cats/{k}.png", colour(40 * k))
        write(tmp_path, f"dogs/a name with spaces ü {k}.JPG", colour(200), format="JPEG")
    (tmp_path / "cats" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def load(root, **values):
    return load_folder(RunConfig(dataset="folder", data_dir=str(root), image_size=16, **values))


def test_classes_labels_and_pixels(tree):
    images = load(tree)
    assert images.class_names == ("cats", "dogs")
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.image_shape == (16, 16, 3)
    pixels = images.gather(np.arange(6)).numpy()
    assert pixels[2] == pytest.approx(80 / 127.5 - 1, abs=1e-6)
    assert pixels[4] == pytest.approx(200 / 127.5 - 1, abs=0.02)


def test_lazy_loading_gives_the_same_images(tree):
    settings = RunConfig(dataset="folder", data_dir=str(tree), image_size=16)
    in_memory, lazy = load_folder(settings), load_folder(settings, memory_limit=0)
    order = np.array([5, 0, 3])
    np.testing.assert_array_equal(in_memory.gather(order), lazy.gather(order))
    assert lazy.name(0) == "cats/0.png"


def test_the_digest_depends_on_names_and_contents_and_not_on_the_place(tree, tmp_path_factory):
    digest = folder_digest(str(tree))
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(tree, copy)
    (copy / "cats" / "notes.txt").write_text("another text")
    assert folder_digest(str(copy)) == digest != ""
    one = RunConfig(dataset="folder", data_dir=str(tree), minority_class="cats")
    assert resolve(one).name() == resolve(dataclasses.replace(one, data_dir=str(copy))).name()
    write(copy, "cats/0.png", colour(41))
    assert folder_digest(str(copy)) != digest
    (copy / "cats" / "0.png").unlink()
    write(copy, "dogs/0.png", colour(0))
    assert folder_digest(str(copy)) != digest
    assert folder_digest(str(copy / "absent")) == folder_digest("") == ""


def test_a_run_does_not_depend_on_how_its_classes_are_named(tree):
    base = RunConfig(dataset="folder", data_dir=str(tree))
    names = {
        resolve(dataclasses.replace(base, minority_class=word)).name()
        for word in ("dogs", "Dogs", "1")
    }
    assert len(names) == 1
    sides = dataclasses.replace(base, positive_classes=("1",), negative_classes=("CATS",))
    assert resolve(sides).positive_classes == ("dogs",)
    assert resolve(sides).negative_classes == ("cats",)
    both = [("cats", "0", "dogs"), ("1", "cats")]
    orders = [dataclasses.replace(base, positive_classes=words) for words in both]
    assert {resolve(each).positive_classes for each in orders} == {("cats", "dogs")}
    cifar = RunConfig(dataset="cifar10", minority_class="7")
    assert resolve(cifar).minority_class == "horse"
    # Reported with the classes when the images have been loaded.
    assert resolve(dataclasses.replace(base, minority_class="owls")).minority_class == "owls"


def test_fingerprint_depends_on_the_content(tree):
    before = load(tree).fingerprint
    assert load(tree).fingerprint == before
    write(tree, "cats/0.png", colour(41))
    assert load(tree).fingerprint != before


def test_grey_if_all_are_grey(tmp_path):
    for name in ("a", "b"):
        write(tmp_path, f"{name}/0.png", np.full((9, 9), 77, np.uint8))
    assert load(tmp_path).image_shape == (16, 16, 1)
    write(tmp_path, "b/1.png", colour(77))
    images = load(tmp_path)
    assert images.image_shape == (16, 16, 3)
    assert images.gather([0]).numpy() == pytest.approx(77 / 127.5 - 1, abs=1e-6)


def test_pixel_formats(tmp_path):
    sixteen_bit = write(tmp_path, "x/16bit.png", np.full((9, 9), 77 * 256 + 5, np.uint16))
    assert (decode(sixteen_bit, 4, 1) == 77).all()
    transparent = write(tmp_path, "x/transparent.png", np.zeros((9, 9, 4), np.uint8))
    assert (decode(transparent, 4, 3) == 255).all()
    one_bit = write(tmp_path, "x/1bit.png", np.ones((9, 9), bool))
    assert (decode(one_bit, 4, 3) == 255).all()
    palette = Image.fromarray(colour(100)).quantize(4)
    palette.save(tmp_path / "x" / "p.png")
    assert (np.abs(decode(tmp_path / "x" / "p.png", 4, 3).astype(int) - 100) <= 1).all()


TRANSFORMS = {  # EXIF orientation -> function from the stored to the upright image
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose,
    6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).T, 8: np.rot90,
}  # fmt: skip


@pytest.mark.parametrize("orientation", TRANSFORMS)
def test_exif_orientation_is_applied(orientation, tmp_path):
    stored = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path, "x/p.png", stored, exif=exif)
    np.testing.assert_array_equal(decode(path, None, 1)[..., 0], TRANSFORMS[orientation](stored))


@pytest.mark.parametrize("cut", [10, 30, 45])
def test_images_with_damaged_exif_tags_are_read(cut, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x0132] = 6, "a description of it", "2020:01:01 00:00:00"
    intact = exif.tobytes()
    damaged = intact[:cut] + bytes(b ^ 0x55 for b in intact[cut : cut + 6]) + intact[cut + 6 :]
    path = write(tmp_path, "x/p.jpg", colour(100), exif=damaged)
    assert decode(path, 16, 3).shape == (16, 16, 3)


def test_unreadable_images_are_reported_and_skipped_on_request(tree):
    (tree / "cats" / "1.png").write_bytes((tree / "cats" / "1.png").read_bytes()[:60])
    (tree / "dogs" / "zero.jpg").write_bytes(b"")
    with pytest.raises(InvalidInput) as caught:
        load(tree)
    assert "2 of 7" in str(caught.value) and "cats/1.png" in str(caught.value)
    assert "--skip_unreadable" in str(caught.value)
    images = load(tree, skip_unreadable=True)
    assert images.labels.tolist() == [0, 0, 1, 1, 1]
    assert re.search(r"\b1 files.*\b2 unreadable", images.note)


def test_folders_inside_class_folders_are_reported(tree):
    for day in ("day2", "day1"):
        (tree / "dogs" / day).mkdir()
    assert re.search(r"\b1 files.*\b2 folders.*dogs/day1", load(tree).note)
    (tree / "cats" / "a\x1b[2J").mkdir()
    assert r"cats/a\x1b[2J" in load(tree).note


def test_error_for_the_parent_of_a_data_set_suggests_the_data_set(tmp_path):
    for name in ("a", "b"):
        write(tmp_path, f"train/{name}/0.png", colour(9))
    with pytest.raises(InvalidInput, match=r"--data_dir: .*/train\?"):
        load(tmp_path)


@pytest.mark.parametrize("highest, dark", [(4095, True), (60_000, False)])
def test_note_warns_about_dark_16_bit_images(highest, dark, tree):
    """The upper 8 of 16 bits are nearly 0 if a camera stored 12 bits."""
    values = np.linspace(0, highest, 400).reshape(20, 20).astype(np.uint16)
    write(tree, "cats/16bit.png", values)
    assert ("4095 of 65,535" in load(tree).note) is dark


def test_oversized_images_are_unreadable_and_not_decoded(tree, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with pytest.raises(InvalidInput, match="6 of 6"):
        load(tree)


def test_a_file_whose_format_is_not_its_suffix_is_unreadable(tree):
    Image.fromarray(colour(1)).save(tree / "cats" / "0.png", format="GIF")
    with pytest.raises(InvalidInput, match=r"cats/0\.png"):
        load(tree)


@pytest.mark.parametrize("shape", ["absent", "file", "empty", "one class", "class without images"])
def test_directories_that_are_not_data_sets(tmp_path, shape):
    root = tmp_path / "data"
    if shape == "file":
        root.write_text("")
    elif shape != "absent":
        root.mkdir()
    if shape in ("one class", "class without images"):
        write(root, "a/0.png", colour(0))
    if shape == "class without images":
        (root / "b").mkdir()
    with pytest.raises(InvalidInput) as caught:
        load(root)
    assert caught.value.flag == "data_dir" and "\n" not in str(caught.value)
