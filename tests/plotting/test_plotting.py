import numpy as np
import pytest
from PIL import Image

from rumi_tf.plotting import (
    Curve,
    Densities,
    save_bars,
    save_curves,
    save_densities,
    save_grid,
    save_panel_rows,
    save_panels,
    tile,
)


def flat(*levels, channels=1, size=4):
    images = np.zeros((len(levels), size, size, channels), np.float32)
    return images + np.array(levels, np.float32)[:, None, None, None]


def test_tile_arranges_images_row_by_row_on_white():
    grid = tile(flat(-1, 0, 1, -1, 0), columns=3, gap=2)
    assert grid.shape == (10, 16, 3)
    assert [grid[0, x, 0] for x in (0, 6, 12)] == [0, 0.5, 1]
    assert [grid[6, x, 0] for x in (0, 6, 12)] == [0, 0.5, 1]  # the last cell stays white
    assert (grid[4:6] == 1).all() and (grid[:, 4:6] == 1).all()


def test_tile_clips_and_keeps_colours():
    images = np.zeros((1, 2, 2, 3), np.float32)
    images[..., 0], images[..., 1], images[..., 2] = -5, 5, 0
    assert tile(images)[0, 0].tolist() == [0, 1, 0.5]


def test_image_pixels_are_not_interpolated(tmp_path):
    save_grid(tmp_path / "g.png", flat(-1, 1, 0, -1, size=28), "title")
    pixels = np.asarray(Image.open(tmp_path / "g.png").convert("RGB")).astype(int)
    colours = {tuple(p) for p in pixels[60:-20, 20:-20].reshape(-1, 3)}
    assert {(0, 0, 0), (255, 255, 255)} <= colours
    assert all(p in ((0, 0, 0), (255, 255, 255)) or abs(p[0] - 127) <= 1 for p in colours)


def test_title_is_literal_text(tmp_path):
    save_grid(tmp_path / "g.png", flat(1), "日本$x^$ \\frac{")
    pixels = np.asarray(Image.open(tmp_path / "g.png").convert("L"))
    assert (pixels[:40] < 128).any() and (pixels[40:] == 255).all()  # title above a white image


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_panel_files_are_deterministic(tmp_path, suffix):
    panels = {"one": flat(-1, 0, 1), "two, with a long title to fit": flat(1, channels=3)}
    for name in ("a", "b"):
        save_panels((tmp_path / name).with_suffix(suffix), panels)
    first = (tmp_path / "a").with_suffix(suffix).read_bytes()
    assert first == (tmp_path / "b").with_suffix(suffix).read_bytes() and len(first) > 1000


def test_labels_are_left_of_their_rows_of_images(tmp_path):
    panels = {"MNIST": {"real": flat(*[1] * 6)}, "other": {"real": flat(*[1] * 6)}}
    for name, labels in (("with", {"MNIST": ["zero", "", "two"]}), ("without", None)):
        save_panel_rows(tmp_path / f"{name}.png", panels, ["real"], 2, labels)
    with_labels, without = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("L"))
        for name in ("with", "without")
    )
    added = with_labels.shape[1] - without.shape[1]
    assert with_labels.shape[0] == without.shape[0] and 50 < added < 250
    inked = np.flatnonzero((with_labels[:, :added] < 128).any(axis=1))
    labels = np.split(inked, np.flatnonzero(np.diff(inked) > 40) + 1)
    # The two row titles and the two non-empty labels, which are 2/3 of a grid apart.
    middles = [float(part.mean()) for part in labels]
    assert len(middles) == 4
    assert middles[2] - middles[1] == pytest.approx(2 / 3 * 420, abs=25)


def test_images_of_different_sizes_are_drawn_equally_large(tmp_path):
    small, large = (np.full((36, size, size, 1), -1.0) for size in (32, 128))
    save_panel_rows(tmp_path / "p.png", {"": {"a": small, "b": large}}, ["a", "b"])
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("L"))
    dark = (pixels[len(pixels) // 2 :] < 128).any(axis=0)  # below the titles
    widths = np.diff(np.flatnonzero(np.diff(np.r_[0, dark, 0])))[::2]
    assert len(widths) == 12 and widths.max() - widths.min() <= 2


LINE = Densities(
    "one\nline", np.linspace(0, 4, 5), {n: np.array([0.1, 0.4, 0.4, 0.1]) for n in "ab"}
)
PLANE = Densities("plane", np.linspace(-1, 1, 3), {n: np.array([[0, 0.5], [0.5, 0]]) for n in "ab"})


@pytest.mark.parametrize("cases", [[LINE], [PLANE], [PLANE, LINE, LINE, LINE, LINE]], ids=len)
@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_density_files_are_deterministic(tmp_path, cases, suffix):
    for name in "ab":
        save_densities((tmp_path / name).with_suffix(suffix), cases)
    first, second = (((tmp_path / n).with_suffix(suffix)).read_bytes() for n in "ab")
    assert first == second and len(first) > 2000
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["a", "b"]


def test_curves_have_one_scale_and_bands(tmp_path):
    x = np.linspace(0, 1, 50)
    with_band = Curve("a", x, np.full(50, 0.5), 0, (np.full(50, 0.2), np.full(50, 0.8)))
    all_nan = Curve("b $x^$", x, np.full(50, np.nan), 1)
    for suffix in ("png", "pdf"):
        save_curves(
            tmp_path / f"c.{suffix}", {"one": [with_band], "two": [all_nan]}, 2, "x", ["y"], 1.0
        )
    pixels = np.asarray(Image.open(tmp_path / "c.png").convert("RGB")).astype(int)
    half = pixels.shape[1] // 2
    blue = (pixels[..., 2] > pixels[..., 0] + 60) & (pixels[..., 0] < 60)
    band = (abs(pixels - [199, 222, 239]).max(-1) < 12)[:, :half].sum(0).max()
    assert blue[60:, :half].sum() > 200 > blue[60:, half:].sum()
    assert 0.4 < band / (pixels.shape[0] - 60) < 0.8  # 0.6 of the axis, plus margins


def test_bar_heights_are_the_means_and_files_are_deterministic(tmp_path):
    runs = {"a": np.array([[0.2, 0.9], [0.4, np.nan]]), "b $x^$": np.array([[0.8, 0.6]] * 2)}
    for suffix in ("png", "pdf"):
        for name in "12":
            save_bars(tmp_path / f"{name}.{suffix}", ["one", "two"], runs, "title")
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes()
    pixels = np.asarray(Image.open(tmp_path / "1.png").convert("RGB")).astype(int)
    blue = np.abs(pixels - [38, 134, 190]).max(-1) < 12  # first label, slightly transparent
    heights = blue[:-60].sum(0)  # without the legend
    first, second = heights[: len(heights) // 2].max(), heights[len(heights) // 2 :].max()
    assert first > 50 and second / first == pytest.approx(0.9 / 0.3, rel=0.05)
