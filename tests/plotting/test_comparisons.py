"""Comparison plots: the drawn data, axes and styles."""

import numpy as np
import pytest

from rumi_tf.plotting import Band, Comparison, comparisons, save_comparisons, save_panel_rows

LABELS = ("LSGAN", "ACGAN", "Rumi-LSGAN")
STEPS = np.array([10, 20, 30])
FALL = np.array([900.0, 200.0, 20.0])


def band(mean, spread=0.0, steps=STEPS):
    mean = np.asarray(mean, np.float64)
    return Band(steps, mean, mean - spread, mean + spread)


def curve(top):
    t = np.linspace(0, 1, 101)
    return top * np.sqrt(t), top * np.sqrt(1 - t)


def comparison(title="task", others=False, **bands):
    bands = {label.replace("_", "-"): b for label, b in bands.items()}
    curves = {label: curve(0.5 + 0.1 * k) for k, label in enumerate(bands)}
    runs = {label: [curve(0.4), curve(0.7)] for label in bands}
    return Comparison(title, bands, curves, runs, {"LSGAN": band(FALL + 7)} if others else {})


@pytest.fixture
def draw(monkeypatch):
    """Returns the figure instead of writing it."""

    def figure_of(*args, **kwargs):
        figures = []
        monkeypatch.setattr(comparisons, "save", lambda figure, path, dpi: figures.append(figure))
        save_comparisons("unused.png", *args, **kwargs)
        return figures[0]

    return figure_of


def lines(axes):
    return [line for line in axes.lines if line.get_marker() != "None"]


def test_curves_bands_and_axes_show_the_data(draw):
    one = comparison(LSGAN=band(FALL, 5.0), Rumi_LSGAN=band(FALL / 2))
    figure = draw([one, comparison("other", ACGAN=band([1, 2, 3]))], LABELS, "FID (x embedding)")
    fid, other, prd, _ = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["task", "other", "", ""]
    assert (fid.get_xlabel(), fid.get_ylabel()) == ("iteration", "FID (x embedding)")
    assert (prd.get_xlabel(), prd.get_ylabel()) == ("recall", "precision")
    first, second = lines(fid)
    np.testing.assert_array_equal(first.get_xydata(), np.stack([STEPS, FALL], 1))
    np.testing.assert_array_equal(second.get_ydata(), FALL / 2)
    assert fid.get_xlim()[0] == 0 and fid.get_xlim()[1] > 30
    (shade,) = fid.collections  # only the band with a spread
    corners = shade.get_paths()[0].vertices
    assert set(corners[:, 1]) == {*(FALL - 5), *(FALL + 5)}
    assert fid.get_yscale() == other.get_yscale() == "log"
    np.testing.assert_array_equal(lines(prd)[0].get_xydata(), np.stack(curve(0.5)[::-1], 1))
    faint = [line for line in prd.lines if line.get_marker() == "None"]
    assert len(faint) == 4 and all(line.get_alpha() < 0.5 for line in faint)


def test_models_have_a_fixed_style_that_differs_without_colour(draw):
    figure = draw([comparison(LSGAN=band(FALL), Rumi_LSGAN=band(FALL))], LABELS, "FID")
    styles = [[(x.get_linestyle(), x.get_marker()) for x in lines(axes)] for axes in figure.axes]
    assert styles[0] == styles[1] and len({x for style in styles[0] for x in style}) == 4
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["LSGAN", "Rumi-LSGAN"]
    axes = draw([comparison(Rumi_LSGAN=band(FALL))], LABELS, "FID").axes[0]
    assert [(x.get_linestyle(), x.get_marker()) for x in lines(axes)] == styles[0][1:]


def test_values_within_a_decade_are_on_a_linear_axis(draw):
    figure = draw([comparison(LSGAN=band([30, 20, 10]))], LABELS, "FID")
    assert figure.axes[0].get_yscale() == "linear"


def test_negative_lower_bound_on_a_logarithmic_axis_is_cut(draw):
    figure = draw([comparison(LSGAN=band(FALL, 100.0))], LABELS, "FID")
    axes = figure.axes[0]
    assert axes.get_yscale() == "log" and 1 < axes.get_ylim()[0] < 20


def test_single_point_is_a_marker_with_an_error_bar(draw):
    figure = draw([comparison(LSGAN=band([20.0], 4.0, STEPS[-1:]))], LABELS, "FID")
    axes = figure.axes[0]
    assert lines(axes)[0].get_xydata().tolist() == [[30, 20]]
    bar = [c for c in axes.collections if len(c.get_segments()[0]) == 2]
    assert bar[0].get_segments()[0].tolist() == [[30, 16], [30, 24]]


def test_curve_of_zeros_is_a_marker_at_the_origin(draw):
    zeros = Comparison("a", bands={}, curves={"LSGAN": (np.zeros(9), np.zeros(9))}, runs={})
    line = draw([zeros], LABELS, "FID").axes[1].lines[0]
    assert line.get_markevery() == [0] and not line.get_clip_on()


@pytest.mark.parametrize("one_scale", [False, True])
def test_published_values_have_separate_axes(draw, one_scale):
    cases = [comparison(others=True, LSGAN=band(FALL / 10)), comparison("b", ACGAN=band(FALL))]
    figure = draw(cases, LABELS, "FID (a)", "published FID (b)", one_scale=one_scale)
    ours, _, published, empty, *_ = figure.axes
    assert (ours.get_ylabel(), published.get_ylabel()) == ("FID (a)", "published FID (b)")
    assert len(lines(ours)) == len(lines(published)) == 1 and not lines(empty)
    np.testing.assert_array_equal(lines(published)[0].get_ydata(), FALL + 7)
    assert (ours.get_ylim() == published.get_ylim()) is one_scale


def test_file_is_deterministic_and_titles_are_literal(tmp_path):
    cases = [comparison("日本$x^$ \\frac{", others=True, LSGAN=band(FALL, 1.0))]
    for name in ("a.pdf", "b.pdf"):
        save_comparisons(tmp_path / name, cases, LABELS, "FID", "published")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_panels_of_a_model_are_aligned_in_a_column(tmp_path):
    from PIL import Image

    def grey(level):
        return np.full((4, 8, 8, 1), level, np.float32)

    rows = {"first": {"real": grey(-1), "B": grey(0)}, "second": {"A": grey(-1), "B": grey(0)}}
    save_panel_rows(tmp_path / "p.png", rows, ["real", "A", "B"])
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("L")).astype(int)
    height, width = pixels.shape
    halves = pixels[: height // 2], pixels[height // 2 :]

    def columns(half, level):
        """Panel columns whose pixels mostly have this grey level."""
        return np.flatnonzero((np.abs(half - level) <= 1).mean(axis=0) > 0.5) * 3 // width

    for half, black in zip(halves, (0, 1), strict=True):
        assert set(columns(half, 0)) == {black} and set(columns(half, 127)) == {2}
