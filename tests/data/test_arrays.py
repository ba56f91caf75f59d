import zipfile

import numpy as np
import pytest
from PIL import Image

from rumi_tf.data.arrays import load_unlabelled
from rumi_tf.utils.errors import InvalidInput

BYTES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3)).astype(np.uint8)


def gathered(images):
    return np.round((images.gather(np.arange(len(images))).numpy() + 1) * 127.5).astype(np.uint8)


def test_a_directory_is_searched_to_its_depths_and_keeps_the_images_size(tmp_path):
    for k, pixels in enumerate(BYTES):
        path = tmp_path / ("a", "b/c")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "notes.txt").write_text("no image")
    images = load_unlabelled("images", tmp_path)
    assert images.image_shape == (6, 4, 3)
    np.testing.assert_array_equal(gathered(images), BYTES[[0, 2, 4, 1, 3]])


def test_channels_follow_what_is_compared_with(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(BYTES[0, :, :, 0]).save(tmp_path / name)
    assert load_unlabelled("images", tmp_path).image_shape == (6, 4, 1)
    assert load_unlabelled("images", tmp_path, channels=1).image_shape == (6, 4, 1)
    copied = load_unlabelled("images", tmp_path, channels=3)
    assert copied.image_shape == (6, 4, 3)
    Image.fromarray(gathered(copied)[0]).save(tmp_path / "a.png")  # grey, stored in colour
    assert load_unlabelled("images", tmp_path).image_shape == (6, 4, 3)
    back = load_unlabelled("images", tmp_path, channels=1)
    np.testing.assert_array_equal(gathered(back), BYTES[[0, 0], :, :, :1])
    Image.fromarray(BYTES[0]).save(tmp_path / "a.png")  # truly in colour
    assert load_unlabelled("images", tmp_path, channels=1).image_shape == (6, 4, 3)


@pytest.mark.parametrize(
    "value_range, values",
    [("symmetric", BYTES / 127.5 - 1), ("unit", BYTES / 255), ("bytes", BYTES.astype(float)),
     (None, BYTES), (None, BYTES.astype(np.int64))],
)  # fmt: skip
def test_an_npz_file_in_every_range(value_range, values, tmp_path):
    np.savez(tmp_path / "a.npz", images=values, other=np.zeros(3))
    images = load_unlabelled("images", tmp_path / "a.npz", value_range)
    np.testing.assert_array_equal(gathered(images), BYTES)


def test_an_only_array_needs_no_name_and_grey_no_channel(tmp_path):
    np.savez(tmp_path / "a.npz", BYTES[..., 0])
    assert load_unlabelled("images", tmp_path / "a.npz").image_shape == (6, 4, 1)


def test_other_content_other_fingerprint(tmp_path):
    np.savez(tmp_path / "a.npz", images=BYTES)
    np.savez(tmp_path / "b.npz", images=BYTES[::-1])
    marks = [load_unlabelled("images", tmp_path / name).fingerprint for name in ("a.npz", "b.npz")]
    assert marks[0] != marks[1]


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"images": BYTES / 255 * 2}, r"values from 0 to 2, outside \[-1, 1\]"),
        ({"images": np.where(BYTES > 250, np.nan, 0.0)}, "has NaN values"),
        ({"images": BYTES[:1]}, "has 1 image"),
        ({"images": BYTES.astype(int) - 1}, r"outside \[0, 255\]"),
        ({"images": np.zeros((5, 6, 4, 2))}, "must be"),
        ({"images": np.zeros((0, 6, 4, 1))}, "must be"),
        ({"images": np.zeros(4)}, "must be"),
        ({"images": np.array([["a"]]).reshape(1, 1, 1, 1)}, "not numbers"),
        ({"images": np.array([None] * 4).reshape(1, 2, 2, 1)}, "cannot be read"),
        ({"a": BYTES, "b": BYTES}, "no array named images"),
    ],
)
def test_bad_arrays_are_one_line(arrays, words, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InvalidInput, match=words) as caught:
        load_unlabelled("images", tmp_path / "a.npz", "symmetric")
    assert caught.value.flag == "images" and "\n" not in str(caught.value)


def test_what_floating_values_mean_must_be_said(tmp_path):
    np.savez(tmp_path / "a.npz", images=BYTES / 255)
    with pytest.raises(InvalidInput, match=r"--image_range: .* from 0 to 1; say whether"):
        load_unlabelled("images", tmp_path / "a.npz")


def test_a_damaged_archive_is_one_line_whatever_byte_is_hit(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=BYTES)
    content = (tmp_path / "a.npz").read_bytes()
    refused = 0
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            load_unlabelled("images", tmp_path / "b.npz")
        except InvalidInput as error:
            refused += "\n" not in str(error)
    assert refused > len(content) // 9


def test_a_file_that_is_not_what_its_name_says(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, BYTES)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images", b"text")
    for name in ("a.npz", "b.npz"):
        with pytest.raises(InvalidInput, match="cannot be read as an NPZ file"):
            load_unlabelled("images", tmp_path / name)


def test_bad_directories_are_one_line(tmp_path):
    def refused(words):
        with pytest.raises(InvalidInput, match=words) as caught:
            load_unlabelled("reference", tmp_path)
        assert caught.value.flag == "reference" and "\n" not in str(caught.value)

    refused("no PNG or JPEG")
    Image.fromarray(BYTES[0]).save(tmp_path / "a.png")
    Image.fromarray(BYTES[0, :4]).save(tmp_path / "b.png")
    refused(r"different sizes, e.g. a.png \(4x6\) and b.png \(4x4\)")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    refused("b.png cannot be read")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.npz").write_text("x")
    for name, words in (("a.txt", "neither"), ("b.npz", "cannot be read"), ("c", "neither")):
        with pytest.raises(InvalidInput, match=words):
            load_unlabelled("images", tmp_path / name)
