import zipfile

import numpy as np
import pytest
from PIL import Image

from rumi_tf.data.arrays import load_unlabelled
from rumi_tf.utils.errors import InvalidInput

BYTES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3)).astype(np.uint8)


def to_bytes(images):
    return np.round((images.gather(np.arange(len(images))).numpy() + 1) * 127.5).astype(np.uint8)


def test_directories_are_searched_recursively_and_image_size_is_kept(tmp_path):
    for k, pixels in enumerate(BYTES):
        path = tmp_path / ("a", "b/c")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "notes.txt").write_text("not an image")
    images = load_unlabelled("images", tmp_path)
    assert images.image_shape == (6, 4, 3)
    np.testing.assert_array_equal(to_bytes(images), BYTES[[0, 2, 4, 1, 3]])


def test_channels_match_the_images_to_compare_with(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(BYTES[0, :, :, 0]).save(tmp_path / name)
    assert load_unlabelled("images", tmp_path).image_shape == (6, 4, 1)
    assert load_unlabelled("images", tmp_path, channels=1).image_shape == (6, 4, 1)
    repeated = load_unlabelled("images", tmp_path, channels=3)
    assert repeated.image_shape == (6, 4, 3)
    Image.fromarray(to_bytes(repeated)[0]).save(tmp_path / "a.png")  # grey, stored as RGB
    assert load_unlabelled("images", tmp_path).image_shape == (6, 4, 3)
    grey = load_unlabelled("images", tmp_path, channels=1)
    np.testing.assert_array_equal(to_bytes(grey), BYTES[[0, 0], :, :, :1])
    Image.fromarray(BYTES[0]).save(tmp_path / "a.png")  # colour
    assert load_unlabelled("images", tmp_path, channels=1).image_shape == (6, 4, 3)


@pytest.mark.parametrize(
    "value_range, values",
    [("symmetric", BYTES / 127.5 - 1), ("unit", BYTES / 255), ("bytes", BYTES.astype(float)),
     ((-1, 1), np.float32(BYTES / 127.5 - 1)), ([0, 16], BYTES / 255 * 16),
     (None, BYTES), (None, BYTES.astype(np.int64))],
)  # fmt: skip
def test_npz_files_and_arrays_with_every_value_range(value_range, values, tmp_path):
    np.savez(tmp_path / "a.npz", images=values, other=np.zeros(3))
    for source in (tmp_path / "a.npz", values):
        images = load_unlabelled("images", source, value_range)
        np.testing.assert_array_equal(to_bytes(images), BYTES)


def test_a_single_array_needs_no_name_and_grey_images_no_channel_axis(tmp_path):
    np.savez(tmp_path / "a.npz", BYTES[..., 0])
    assert load_unlabelled("images", tmp_path / "a.npz").image_shape == (6, 4, 1)


def test_fingerprint_depends_on_the_content(tmp_path):
    np.savez(tmp_path / "a.npz", images=BYTES)
    np.savez(tmp_path / "b.npz", images=BYTES[::-1])
    a, b = (load_unlabelled("images", tmp_path / name) for name in ("a.npz", "b.npz"))
    assert a.fingerprint != b.fingerprint


def test_rounding_beyond_the_range_is_tolerated():
    images = np.float32(BYTES / 255)
    images[np.equal(BYTES, BYTES.max())] = np.nextafter(np.float32(1), np.float32(2))
    pixels = load_unlabelled("images", images, "unit").gather(np.arange(len(BYTES))).numpy()
    expected = load_unlabelled("images", np.float32(BYTES / 255), "unit")
    assert np.abs(pixels - expected.gather(np.arange(len(BYTES))).numpy()).max() <= 2 / 255
    assert pixels.max() <= 1


@pytest.mark.parametrize(
    "arrays, value",
    [
        ({"images": BYTES / 255 * 2}, r"\[0, 2\].*\[-1, 1\]"),
        ({"images": np.where(BYTES > 250, np.nan, 0.0)}, "NaN"),
        ({"images": BYTES[:1]}, "1 image"),
        ({"images": BYTES.astype(int) - 1}, r"\[0, 255\]"),
        ({"images": np.zeros((5, 6, 4, 2))}, r"\(5, 6, 4, 2\)"),
        ({"images": np.zeros((0, 6, 4, 1))}, "0 images"),
        ({"images": np.zeros((5, 0, 4, 1))}, r"\(5, 0, 4, 1\)"),
        ({"images": np.zeros(4)}, r"\(4,\)"),
        ({"images": np.array([["a"]]).reshape(1, 1, 1, 1)}, "<U1"),
        ({"images": np.array([None] * 4).reshape(1, 2, 2, 1)}, "a.npz"),
        ({"a": BYTES, "b": BYTES}, "a.npz"),
    ],
)
def test_bad_arrays_raise_a_one_line_error(arrays, value, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InvalidInput, match=value) as caught:
        load_unlabelled("images", tmp_path / "a.npz", "symmetric")
    assert caught.value.flag == "images" and "\n" not in str(caught.value)


def test_floating_point_images_need_a_value_range(tmp_path):
    np.savez(tmp_path / "a.npz", images=BYTES / 255)
    with pytest.raises(InvalidInput, match="from 0 to 1") as caught:
        load_unlabelled("images", tmp_path / "a.npz")
    assert caught.value.flag == "value_range"


def test_a_corrupt_byte_anywhere_in_an_archive_raises_a_one_line_error_or_none(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=BYTES)
    content = (tmp_path / "a.npz").read_bytes()
    errors = 0
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            load_unlabelled("images", tmp_path / "b.npz")
        except InvalidInput as error:
            assert "\n" not in str(error)
            errors += 1
    assert errors > len(content) // 9


def test_files_with_an_npz_suffix_but_other_content(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, BYTES)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images", b"text")
    for name in ("a.npz", "b.npz"):
        with pytest.raises(InvalidInput, match=name):
            load_unlabelled("images", tmp_path / name)


def test_bad_directories_raise_a_one_line_error(tmp_path):
    def check_error(value):
        with pytest.raises(InvalidInput, match=value) as caught:
            load_unlabelled("reference", tmp_path)
        assert caught.value.flag == "reference" and "\n" not in str(caught.value)

    check_error(tmp_path.name)
    Image.fromarray(BYTES[0]).save(tmp_path / "a.png")
    Image.fromarray(BYTES[0, :4]).save(tmp_path / "b.png")
    check_error(r"a.png \(4x6\).*b.png \(4x4\)")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    check_error("b.png")


def test_other_files_are_rejected(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.npz").write_text("x")
    for name in ("a.txt", "b.npz", "missing"):
        with pytest.raises(InvalidInput, match=name):
            load_unlabelled("images", tmp_path / name)
