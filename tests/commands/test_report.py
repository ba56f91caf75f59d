"""The report: reading runs, contents of the page, and safety of the page."""

import base64
import csv
import datetime
import html.parser
import io
import json
import math
import shlex

import numpy as np
import pytest
from absl import flags
from PIL import Image

from reproduce._report import charts, page, reading, tables
from rumi_tf.config.flags import define_flags, present_fields
from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.config.run import RunConfig
from rumi_tf.utils.errors import InvalidInput
from tests.conftest import command
from tests.runs_on_disk import make_run

NOW = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)
VOID = {"meta", "link", "img", "input", "br"}
CHILDREN = {"ul": {"li"}, "tr": {"th", "td"}, "thead": {"tr"}, "tbody": {"tr"}, "dl": {"div"}}
BLOCKS = {"p", "div", "ul", "table", "section", "pre", "h2", "h3", "h4", "details", "dl"}


class Element:
    def __init__(self, tag, attributes, parent=None):
        self.tag, self.attributes, self.parent = tag, dict(attributes), parent
        self.children, self.text = [], ""

    def all(self, tag=None, **attributes):
        for child in self.children:
            matches = all(child.attributes.get(k.rstrip("_")) == v for k, v in attributes.items())
            if matches and tag in (None, child.tag):
                yield child
            yield from child.all(tag, **attributes)

    def one(self, tag=None, **attributes):
        (element,) = self.all(tag, **attributes)
        return element


class Page(html.parser.HTMLParser):
    """A tree of elements; raises for incorrect nesting."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element("", ())
        self.feed(text)
        self.close()
        assert self.at is self.root, f"<{self.at.tag}> is not closed"

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute of <{tag}> twice"
        element = Element(tag, attributes, self.at)
        self.at.children.append(element)
        assert tag in CHILDREN.get(self.at.tag, {tag}), f"<{tag}> in <{self.at.tag}>"
        if self.at.tag in ("p", "span", "summary"):
            assert tag not in BLOCKS, f"<{tag}> in <{self.at.tag}>"
        if tag not in VOID:
            self.at = element

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert tag == self.at.tag, f"</{tag}> closes <{self.at.tag}>"
        self.at = self.at.parent

    def handle_data(self, text):
        at = self.at
        while at is not None:
            at.text += text
            at = at.parent


def rendered(runs_dir):
    return page.render(reading.read_runs(runs_dir), runs_dir, "Runs", NOW)


def cells(table):
    """Rows of a sortable table: column title -> (text, sort key)."""
    titles = [button.text for button in table.all("button")]
    return [
        dict(zip(titles, [(c.text, c.attributes["data-key"]) for c in row.all("td")], strict=True))
        for row in table.one("tbody").all("tr")
    ]


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """A directory with three finished runs, an unfinished one, and other files."""
    runs_dir = tmp_path_factory.mktemp("some") / "runs"
    make_run(runs_dir, {50: 200.5, 100: 1 / 3}, objective="lsgan")
    make_run(runs_dir, {50: 90.0, 100: 30.25}, objective="rumi_lsgan", width=0.25)
    make_run(runs_dir, {50: 80.0, 100: 40.75}, objective="rumi_lsgan", width=0.25, seed=1)
    make_run(runs_dir, {50: 70.0}, objective="acgan", finished=False, iterations=1000)
    (runs_dir / "logs").mkdir()
    (runs_dir / "notes").mkdir()
    (runs_dir / "notes.txt").write_text("x")
    return runs_dir


@pytest.fixture(scope="module")
def some_page(some):
    return Page(rendered(some)).root


# ----- the page ----------------------------------------------------------------------------------


def test_the_page_loads_nothing_and_runs_no_inline_handlers(some):
    text = rendered(some)
    root = Page(text).root
    assert "http" not in text
    for element in root.all():
        assert element.tag not in ("base", "iframe", "object", "embed", "form")
        for name, value in element.attributes.items():
            assert not name.startswith("on") and name not in ("style", "srcset", "action"), name
            if name in ("src", "href"):
                assert value.startswith(("data:", "#")), value
    assert "@import" not in text and "url(" not in text
    assert len(list(root.all("script"))) == len(list(root.all("style"))) == 1


def test_links_have_targets_and_pictures_have_descriptions(some_page):
    ids = [e.attributes["id"] for e in some_page.all() if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    links = [e.attributes["href"] for e in some_page.all("a")]
    assert len(links) > 4 and {link.removeprefix("#") for link in links} <= set(ids)
    pictures = list(some_page.all("img"))
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.attributes["alt"] and picture.attributes["loading"] == "lazy"
        data = base64.b64decode(picture.attributes["src"].removeprefix("data:image/png;base64,"))
        size = Image.open(io.BytesIO(data), formats=["PNG"]).size
        assert size == tuple(int(picture.attributes[k]) for k in ("width", "height"))
        assert size == (320, 192)


def test_values_are_those_of_the_files(some, some_page):
    for card in some_page.all("details"):
        with open(some / card.attributes["data-words"] / "metrics.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        last = [row for row in rows if row["iteration"] == rows[-1]["iteration"]]
        values = [data.attributes["value"] for data in card.all("data")]
        assert values == [row["value"] for row in last]
        shown = {row.children[0].text.split()[0]: row for row in card.all("tr") if
                 list(row.all("data"))}  # fmt: skip
        assert set(shown) == {row["metric"] for row in last}
    (row,) = (r for r in cells(some_page.one(id="runs-table")) if r["objective"][0] == "lsgan")
    assert row["fd_classifier"] == ("0.3333", str(1 / 3)) and row["kid"] == ("0.25", "0.25")
    assert row["training"][1] == "1.250" and row["embedding"][0] == "classifier"
    assert row["status"][0] == "finished" and row["settings"][0] == ""


def test_numbers_sort_as_numbers_and_words_as_words(some_page):
    rows = cells(some_page.one(id="runs-table"))
    assert sorted(float(row["fd_classifier"][1]) for row in rows) == [1 / 3, 30.25, 40.75, 70.0]
    assert [row["training"][1] for row in rows].count("") == 1  # it is not finished
    titles = {b.text: b.parent.attributes for b in some_page.one(id="runs-table").all("button")}
    assert {t for t, a in titles.items() if a.get("data-numeric")} == {
        "seed", "iterations", "fid", "fd_classifier", "kid", "prd_f8", "prd_f1/8", "positive",
        "training",
    }  # fmt: skip
    assert all(a["aria-sort"] == "none" and a["scope"] == "col" for a in titles.values())


def test_settings_are_those_that_differ_from_the_objectives_defaults(some):
    runs = reading.read_runs(some).runs
    settings = {run.config.objective: tables.settings(run.config) for run in runs}
    assert {(s.name, s.value, s.default) for s in settings["rumi_lsgan"]} == {
        ("width", "0.25", "1.0"), ("iterations", "100", "10000"), ("eval_every", "50", "0"),
    }  # fmt: skip
    assert {s.name for s in settings["lsgan"]} == {"iterations", "eval_every"}
    assert tables.as_line(settings["rumi_lsgan"]) == "width=0.25"  # eval_every affects no result


def test_settings_shared_by_all_runs_are_not_in_the_table_of_runs(tmp_path):
    for width, seed in ((0.25, 0), (0.25, 1), (0.5, 0)):
        make_run(tmp_path, {100: 5.0}, width=width, seed=seed, batch_size=32)
    root = Page(rendered(tmp_path)).root
    words = [row["settings"][0] for row in cells(root.one(id="runs-table"))]
    assert sorted(words) == ["width=0.25", "width=0.25", "width=0.5"]
    words = {row["settings"][0] for row in cells(root.one(id="rumi-table"))}
    assert words == {"width=0.25 batch_size=32", "width=0.5 batch_size=32"}


def test_the_command_of_a_card_has_the_config_of_the_run(some, some_page):
    for card in some_page.all("details"):
        *_, line = card.all("pre")
        words = shlex.split(line.text)
        assert words[:3] == ["python", "-m", "reproduce.train"]
        values = flags.FlagValues()
        define_flags(values)
        values(words[2:])
        config = RunConfig(**present_fields(values))
        assert config.name() == card.attributes["data-words"]


def test_contents_of_files_are_escaped(tmp_path):
    bad = "<script>alert(1)</script>"
    run = make_run(
        tmp_path, {100: 5.0}, dataset="folder", data_dir='/x"><img src=x onerror=alert(2)>',
        split="unbalanced", minority_class=bad, target=bad, note="<b>&amp;</b>",
        name="run <i>one&copy;\"'", embedding="classifier-<u>",
    )  # fmt: skip
    text = (run / "environment.json").read_text().replace("CPU:0", "<form>")
    (run / "environment.json").write_text(text)
    (run / "log.csv").write_text("iteration,<svg>_loss,g_loss\n1,2,3\n2,3,4\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "b<hr>").mkdir()
    (tmp_path / "b<hr>" / "config.json").write_text('{"<hr>": "\\ud800"}')
    text = rendered(tmp_path)
    root = Page(text).root
    assert len(list(root.all("script"))) == 1 and len(list(root.all("img"))) == 1
    assert {"i", "u", "form", "hr"}.isdisjoint(e.tag for e in root.all())
    for words in (bad, "run <i>one&copy;\"'", "<b>&amp;</b>", "<form>", "<svg>_loss", "b<hr>"):
        assert words in root.text, words
    text.encode("utf-8")


def test_names_that_are_not_utf8_are_shown(tmp_path):
    (tmp_path / "bad\udcff").mkdir()
    (tmp_path / "bad\udcff" / "log.csv").write_text("")
    (line,) = Page(rendered(tmp_path)).root.one(id="attention").all("li")
    assert "config.json" in line.text


# ----- damaged and unfinished runs ----------------------------------------------------------------

DAMAGE = {
    "config.json": ["", "[]", "{", '{"widht": 1}', '{"width": -1}', "[" * 100_000, "\x00"],
    "summary.json": ["{}", '{"iterations": 7}', '{"iterations": "x"}', "null",
                     '{"iterations": 100, "positives": NaN}'],
    "environment.json": ['{"starts": 3}', '{"starts": [3]}', "x"],
    "log.csv": ["iteration,d_loss\n1,2\nx,3\n", "a,b\n1,2\n", "iteration,d_loss\n1\n",
                "iteration,d_loss\n1,2,3\n", "iteration,d_loss\n-1,2\n",
                f"iteration,d_loss\n{10**30},2\n", '"' + "x" * 200_000],
    "metrics.csv": ["a,b\n1,2\n", "metric\nfid\n"],
    "prd.csv": ["precision,recall\n0.5,x\n", "precision,recall\n"],
    "samples/iteration_000100.png": ["", "\x89PNG\r\n\x1a\nnothing more"],
}  # fmt: skip


@pytest.mark.parametrize(
    "name, content", [(n, c) for n, cs in DAMAGE.items() for c in cs],
    ids=lambda value: value[:20].encode("unicode_escape").decode() or "empty",
)  # fmt: skip
def test_damage_is_a_line_on_the_page(name, content, tmp_path):
    damaged = make_run(tmp_path, {100: 5.0}, log_rows=2)
    make_run(tmp_path, {100: 6.0}, seed=1, log_rows=2)
    (damaged / name).write_text(content, encoding="utf-8")
    bad, good = reading.read_runs(tmp_path).runs
    assert (bad.status, good.status) == ("damaged", "finished")
    (problem,) = bad.problems
    assert problem.startswith(name.partition("/")[0]) and "\n" not in problem
    root = Page(rendered(tmp_path)).root
    (line,) = root.one(id="attention").all("li")
    assert problem in " ".join(line.text.split()) and damaged.name in line.text
    assert "6.0" in {row["fd_classifier"][1] for row in cells(root.one(id="runs-table"))}
    assert root.one(id="rumi-table")


def test_damaged_and_unfinished_runs_are_in_no_table_of_results(tmp_path):
    make_run(tmp_path, {100: 5.0}, objective="lsgan", finished=False)
    damaged = make_run(tmp_path, {100: 6.0}, objective="lsgan", seed=1)
    (damaged / "prd.csv").write_text("x")
    assert tables.rumi_table(reading.read_runs(tmp_path).runs) == []
    make_run(tmp_path, {100: 7.0}, objective="lsgan", seed=2)
    (line,) = tables.rumi_table(reading.read_runs(tmp_path).runs)
    assert line["fd_classifier"] == "7"


def test_an_unfinished_run_shows_its_iteration_and_the_end_of_its_log(tmp_path):
    run = make_run(tmp_path, finished=False)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{run.name}.log").write_text("begun\nd_loss became NaN\n")
    (line,) = Page(rendered(tmp_path)).root.one(id="attention").all("li")
    text = " ".join(line.text.split())
    assert "iteration 100 of 100" in text and text.endswith("d_loss became NaN")


def test_a_directory_of_mixture_runs_is_not_a_damaged_run(tmp_path):
    (tmp_path / "mixture").mkdir()
    (tmp_path / "mixture" / "config.json").write_text(MixtureConfig().to_json())
    contents = reading.read_runs(tmp_path)
    assert (contents.runs, contents.mixtures) == ([], ["mixture"])
    assert "mixture" in Page(rendered(tmp_path)).root.one(id="mixtures").text


@pytest.mark.parametrize("count", [0, 1])
def test_zero_runs_and_one_run(count, tmp_path):
    for _ in range(count):
        make_run(tmp_path, {50: 9.0, 100: 5.0})
    root = Page(rendered(tmp_path)).root
    assert len(list(root.all("details"))) == count
    if not count:
        assert "python -m reproduce.train" in root.one(id="empty").text
    else:
        assert "open" in root.one("details").attributes


def test_a_missing_directory_a_file_or_a_run_is_rejected(tmp_path):
    run = make_run(tmp_path)
    for path in (tmp_path / "absent", run, run / "config.json"):
        with pytest.raises(InvalidInput, match="--runs_dir"):
            reading.read_runs(path)


# ----- tables next to the papers' values ----------------------------------------------------------


def test_table_1_has_the_mean_over_seeds_of_runs_with_the_same_settings(tmp_path):
    for seed, fid in enumerate((10.0, 14.0, 21.0)):
        make_run(tmp_path, {50: 99.0, 100: fid}, dataset="mnist", objective="lsgan", seed=seed,
                 embedding="inception-1-x")  # fmt: skip
    make_run(tmp_path, {100: 500.0}, dataset="mnist", objective="lsgan", width=0.5)
    lines = tables.rumi_table(reading.read_runs(tmp_path).runs)
    ours = [line for line in lines if line["settings"] != "not run"]
    assert [line["model"] for line in ours] == ["LSGAN", "LSGAN"]
    same = next(line for line in ours if "width" not in line["settings"])
    other = next(line for line in ours if line is not same)
    assert same["fid"] == f"15 ± {np.std([10, 14, 21], ddof=1):.2g}"
    assert same["difference"] == "not all classes"
    assert other["fd_classifier"] == "500" and other["difference"] == "other embedding"
    assert other["embedding"] == "classifier" and "width=0.5" in other["settings"]
    missing = {line["model"]: line["paper's fid"] for line in lines if line not in ours}
    assert missing == {
        "ACGAN": "127.91", "TAC-GAN": "121.3", "CGAN-PD": "151.4", "Rumi-LSGAN": "118.93"
    }  # fmt: skip


def test_table_2_includes_conditional_runs_on_all_classes(tmp_path):
    common = {"dataset": "mnist", "split": "all", "minority_class": None}
    make_run(tmp_path, {100: 12.5}, objective="uacgan", target="all", **common)
    make_run(tmp_path, {100: 3.0}, objective="lsgan", target="all", **common)
    runs = reading.read_runs(tmp_path).runs
    lines = {line["model"]: line for line in tables.uac_table(runs)}
    assert set(lines) == {"AC-GAN", "TAC-GAN", "UAC-GAN"}
    assert (lines["UAC-GAN"]["fd_classifier"], lines["UAC-GAN"]["paper's fid"]) == ("12.5", "3.68")
    assert lines["AC-GAN"]["settings"] == "not run" and lines["AC-GAN"]["paper's fid"] == "4.17"
    assert tables.rumi_table(runs) == []


def test_an_evaluation_before_the_end_is_not_a_result(tmp_path):
    make_run(tmp_path, {50: 9.0}, objective="lsgan")
    assert tables.rumi_table(reading.read_runs(tmp_path).runs) == []


def test_runs_with_another_embedding_are_not_in_the_same_chart(tmp_path):
    for objective, embedding in (("lsgan", "a-1"), ("sgan", "a-1"), ("dragan", "b-1")):
        make_run(tmp_path, {50: 9.0, 100: 5.0}, objective=objective, embedding=embedding)
    ((drawn, _),) = page._compared(reading.read_runs(tmp_path).runs)
    assert {line.label for line in drawn.lines} == {"lsgan", "sgan"}


# ----- charts -------------------------------------------------------------------------------------


def positions_of(line):
    return np.array([point.split(",") for point in line.path.split()], float)


def test_lines_are_affine_in_the_values_and_within_the_axes():
    x = np.arange(0, 5000, 50)
    y = np.random.default_rng(0).normal(size=x.size)
    chart = charts.chart("t", [("a", list(zip(x, y, strict=True)))])
    xy = positions_of(chart.lines[0])
    for values, positions, ends in (
        (x, xy[:, 0], (chart.left, chart.right)),
        (y, xy[:, 1], (chart.bottom, chart.top)),
    ):
        slope, offset = np.polyfit(values, positions, 1)
        np.testing.assert_allclose(slope * values + offset, positions, atol=0.06)
        at = (positions[values.argmin()], positions[values.argmax()])
        np.testing.assert_allclose(at, ends, atol=0.06)
        ticks = chart.x_ticks if values is x else chart.y_ticks
        assert len(ticks) >= 3
        for position, label in ticks:
            value = float(label.replace(",", "").replace("−", "-"))
            assert float(position) == pytest.approx(slope * value + offset, abs=0.1)
    assert chart.lines[0].last == f"{y[-1]:.4g}"


def test_values_far_apart_have_a_logarithmic_scale():
    y = [1000.0, 100.0, 10.0]
    chart = charts.chart("t", [("a", list(enumerate(y)))])
    assert "logarithmic" in chart.note
    np.testing.assert_allclose(np.diff(positions_of(chart.lines[0])[:, 1], 2), 0, atol=0.11)
    assert [label for _, label in chart.y_ticks][:1] == ["10"]
    assert charts.chart("t", [("a", [(0, -1.0), (1, 1000.0)])]).note == ""


def test_long_lines_keep_their_extremes():
    values = np.random.default_rng(0).normal(size=10_000)
    values[1234], values[777] = 50.0, -60.0
    points = list(enumerate(values))
    thinned = charts.thinned(points)
    assert len(thinned) <= charts.MAX_POINTS and thinned == sorted(thinned)
    assert {points[0], points[-1], points[1234], points[777]} <= set(thinned) <= set(points)


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(0, math.inf), (1, -math.inf)]])
def test_no_chart_without_finite_values(points):
    assert charts.chart("t", [("a", points)]) is None


@pytest.mark.parametrize("points", [[(0, 0.0)], [(5, 3.0), (5, 3.0)], [(0, -1e299), (1, 1e299)]])
def test_extreme_values_stay_within_the_axes(points):
    chart = charts.chart("t", [("a", points)])
    xy = positions_of(chart.lines[0])
    assert np.isfinite(xy).all()
    assert (xy[:, 0] <= chart.right).all() and (xy[:, 1] >= chart.top).all()


# ----- the command --------------------------------------------------------------------------------


@pytest.mark.exhaustive
def test_the_report_of_a_real_run(tmp_path):
    runs_dir = tmp_path / "runs"
    done = command(
        "reproduce.train", "--dataset=digits", "--minority_class=5", "--width=0.1",
        "--iterations=20", "--eval_every=10", "--eval_samples=200", "--log_every=5",
        "--sample_every=10", f"--runs_dir={runs_dir}", f"--cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = command("reproduce.report", f"--runs_dir={runs_dir}", "--title=A & B")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{runs_dir / 'report.html'}\n"
    root = Page((runs_dir / "report.html").read_text(encoding="utf-8")).root
    assert root.one("h1").text == "A & B"
    (row,) = cells(root.one(id="runs-table"))
    (directory,) = (path for path in runs_dir.iterdir() if path.is_dir())
    with open(directory / "metrics.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["iteration"] == "20"]
    assert float(row["fd_classifier"][1]) == float(rows[0]["value"])
    assert row["status"][0] == "finished"
    assert [d.attributes["value"] for d in root.all("data")] == [r["value"] for r in rows]
    captions = {" ".join(f.one("figcaption").text.split()) for f in root.all("figure")}
    assert {"losses", "scores of D", "precision against recall (PRD)"} <= captions
    summary = json.loads((directory / "summary.json").read_text())
    assert f"{summary['positives']} positive" in root.text


@pytest.mark.exhaustive
def test_two_hundred_runs_make_a_page_of_reasonable_size(tmp_path):
    for seed in range(200):
        make_run(tmp_path, {i: 100.0 / i for i in range(10, 101, 10)}, seed=seed, log_rows=100)
    text = rendered(tmp_path)
    assert len(list(Page(text).root.all("details"))) == 200
    assert len(text) < 15e6
