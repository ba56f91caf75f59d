"""Any input is either accepted or rejected with a one-line error."""

import contextlib
import dataclasses
import io
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from rumi_tf.config.fields import Config
from rumi_tf.config.flags import define_flags
from rumi_tf.config.mixture import MixtureConfig
from rumi_tf.config.run import RunConfig
from rumi_tf.data.arrays import RANGES, load_unlabelled
from rumi_tf.data.celeba import read_attributes
from rumi_tf.data.class_names import class_index
from rumi_tf.data.folder import checked, decode, load_folder
from rumi_tf.data.splits import make_split
from rumi_tf.evaluation.results import Row, append_rows, check_rows, read_rows, rows_as_text
from rumi_tf.experiments.augment import ArmRow
from rumi_tf.export.safety import read_metadata
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.runs.directories import read_summary
from rumi_tf.runs.resolve import resolve
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import file_name, read_csv
from tests.properties import JSON, JSON_TEXT, holds

FIELDS = {field.name: field for field in dataclasses.fields(RunConfig)}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
# Words that survive the list syntax of flags, which splits at commas and strips spaces.
WORD = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


def one_line(error: Exception) -> bool:
    return len(str(error).splitlines()) == 1


def valid_values(field: dataclasses.Field) -> st.SearchStrategy:
    """Values within the bounds of a field."""
    limits, kind = field.metadata, str(field.type).replace("<class '", "")
    if kind.startswith("tuple"):
        words = st.sampled_from(limits["choices"]) if limits["choices"] else WORD
        values = st.lists(words, max_size=3).map(tuple)
    elif limits["choices"]:
        values = st.sampled_from(limits["choices"])
    elif field.name == "objective":
        values = st.sampled_from(list(OBJECTIVES))
    elif kind.startswith("bool"):
        values = st.booleans()
    elif kind.startswith("int"):
        values = st.integers(limits["low"], limits["high"])
    elif kind.startswith("float"):
        low = limits["low"] if limits["low"] is not None else limits["above"]
        high = limits["high"] if limits["high"] is not None else limits["below"]
        values = st.floats(
            low, high, allow_nan=False, allow_infinity=False,
            exclude_min=limits["above"] is not None, exclude_max=limits["below"] is not None,
        )  # fmt: skip
    else:
        values = TEXT
    return values | st.none() if field.default is None else values


CONFIGS = st.fixed_dictionaries(
    {}, optional={name: valid_values(field) for name, field in FIELDS.items()}
)


# ----- configurations -----------------------------------------------------------------------------


def as_flag(value) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@holds(values=CONFIGS)
def test_valid_config_survives_json_and_flags(values):
    config = RunConfig(**values)
    assert RunConfig.from_json(config.to_json()) == config
    parsed = flags.FlagValues()
    define_flags(parsed)
    values.pop("data_digest", None)  # has no flag
    config = dataclasses.replace(config, data_digest="")
    arguments = [f"--{name}={as_flag(v)}" for name, v in values.items() if v is not None]
    parsed(["program", *arguments])
    if config.data_dir and values.get("dataset") is None:
        with pytest.raises(InvalidInput, match="--data_dir"):
            RunConfig.from_flags(parsed)
    else:
        assert RunConfig.from_flags(parsed) == config
    name = config.name()
    assert len(name.encode()) < 255 and Path(name).name == name and name.isprintable()


@holds(few=40, many=5000, name=st.sampled_from(list(FIELDS)), value=JSON)
def test_any_value_of_a_field_is_accepted_or_rejected_by_its_name(name, value):
    try:
        config = RunConfig(**{name: value})
    except InvalidInput as error:
        assert error.flag == name and one_line(error)
    else:
        assert RunConfig.from_json(config.to_json()) == config


@holds(text=JSON_TEXT, kind=st.sampled_from([RunConfig, MixtureConfig]))
def test_any_text_is_a_config_or_an_error(text, kind):
    with contextlib.suppress(ValueError):
        assert isinstance(kind.from_json(text), Config)


@holds(values=CONFIGS)
def test_values_within_bounds_are_resolved_or_rejected_by_a_flag(values):
    try:
        config = resolve(RunConfig(**{**values, "data_dir": ""}))
    except InvalidInput as error:
        assert error.flag in FIELDS and one_line(error)
    else:
        assert None not in (config.split, config.image_size) and resolve(config) == config


# ----- classes and splits -------------------------------------------------------------------------


@holds(few=100, name=TEXT | st.integers().map(str) | st.just("9" * 5000),
       names=st.lists(TEXT, min_size=1, max_size=5))  # fmt: skip
def test_class_is_identified_by_name_or_index_or_rejected(name, names):
    try:
        index = class_index("minority_class", name, names)
    except InvalidInput as error:
        assert name not in names and error.flag == "minority_class" and one_line(error)
    else:
        assert name.lower() == names[index].lower() or int(name) == index


@holds(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    values=st.fixed_dictionaries(
        {
            "split": st.sampled_from(["classes", "single", "unbalanced", "all", "even"]),
            "positive_classes": st.lists(st.sampled_from("abcdx0"), max_size=3),
            "negative_classes": st.lists(st.sampled_from("abcd9"), max_size=3),
            "minority_class": st.none() | st.sampled_from("abcd7"),
            "minority_size": st.integers(0, 12),
            "holdout": st.floats(0, 1, exclude_max=True),
            "seed": st.integers(0, 2**31 - 1),
        }
    ),
)
def test_split_of_any_labels_is_consistent(labels, values):
    labels, names = np.array(labels), "abcd"
    try:
        split = make_split(RunConfig(dataset="folder", **values), labels, names)
    except InvalidInput as error:
        assert error.flag in FIELDS and one_line(error)
        return
    positive, negative, both = (split.indices[k] for k in ("positive", "negative", "all"))
    assert set(labels[positive]) <= set(split.positive_classes) and len(positive)
    assert set(labels[negative]) <= set(split.negative_classes)
    assert sorted({*positive, *negative}) == both.tolist()
    if values["split"] == "unbalanced" and values["minority_size"]:
        assert len(positive) == values["minority_size"]


# ----- images -------------------------------------------------------------------------------------

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"]
NAMES = ["0.png", "a b.png", "ü.PNG", "名前 .jpeg", "-rf.jpg", "x\ny.png", "%d{0}.png"]


@st.composite
def image_files(draw) -> tuple[bytes, tuple[int, int]]:
    """Content of an image file, and the width and height of the upright image."""
    mode = draw(st.sampled_from(MODES))
    width, height = (draw(st.integers(1, 20)) for _ in range(2))
    draws = np.random.default_rng(draw(st.integers(0, 99)))
    kind, pixels = "PNG", draws.integers(0, 256, (height, width, 4)).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(draws.integers(0, 2**16, (height, width)).astype(np.uint16))
    elif mode == "CMYK":
        image, kind = Image.fromarray(pixels, "CMYK"), "JPEG"
    else:
        image = Image.fromarray(pixels, "RGBA").convert(mode)
    options = {}
    if mode in ("L", "RGB") and draw(st.booleans()):
        kind = "JPEG"
        exif = Image.Exif()
        exif[0x0112] = draw(st.sampled_from([1, 3, 6, 8, 99]))
        exif[0x010E] = "a description"
        options = {"exif": exif, "progressive": draw(st.booleans())}
        if exif[0x0112] in (6, 8):
            width, height = height, width
    elif mode == "P" and draw(st.booleans()):
        options = {"transparency": draw(st.integers(0, 255))}
    elif mode in ("RGB", "RGBA", "L") and draw(st.booleans()):
        options = {"save_all": True, "append_images": [image.rotate(180)] * draw(st.integers(1, 3))}
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue(), (width, height)


@holds(file=image_files(), size=st.none() | st.sampled_from([1, 16, 33]),
       channels=st.sampled_from([1, 3]), name=st.sampled_from(NAMES))  # fmt: skip
def test_image_of_any_mode_is_decoded_to_its_size(file, size, channels, name):
    content, (width, height) = file
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(content)
        pixels = decode(path, size, channels)
    assert pixels.dtype == np.uint8
    assert pixels.shape == ((height, width) if size is None else (size, size)) + (channels,)


@st.composite
def damaged(draw) -> bytes:
    """An image file with bytes changed, deleted or inserted."""
    content = bytearray(draw(image_files())[0])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        damage = draw(st.sampled_from(["change", "delete", "insert", "truncate"]))
        if damage == "change":
            content[start : start + 1] = draw(st.binary(min_size=1, max_size=1))
        elif damage == "delete":
            del content[start : start + draw(st.integers(1, 9))]
        elif damage == "insert":
            content[start:start] = draw(st.binary(max_size=9))
        else:
            del content[start:]
    return bytes(content)


@holds(few=60, many=20_000, content=damaged() | st.binary(max_size=60))
def test_damaged_image_is_decoded_or_reported_as_unreadable(content):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "0.png"
        path.write_bytes(content)
        ((_, pixels),) = checked([path], lambda p: decode(p, 16, 3))
        assert pixels is None or pixels.shape == (16, 16, 3)


@holds(few=15, many=500, names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
       lazy=st.booleans())  # fmt: skip
def test_folder_with_any_file_names_is_loaded(names, lazy):
    with tempfile.TemporaryDirectory() as directory:
        for label in ("klasse ä", "$(x); 'y'"):
            (Path(directory) / label).mkdir()
            for name in names:
                kind = "PNG" if name.lower().endswith("png") else "JPEG"
                Image.new("L", (3, 3), 7).save(Path(directory) / label / name, kind)
        config = RunConfig(dataset="folder", data_dir=directory, image_size=16)
        images = load_folder(config, memory_limit=0 if lazy else 2**20)
        assert len(images) == 2 * len(names) and images.class_names == ("$(x); 'y'", "klasse ä")
        assert np.allclose(images.gather([0]), 7 / 127.5 - 1, atol=1e-6)


KINDS = st.one_of(
    arrays.scalar_dtypes(), arrays.byte_string_dtypes(max_len=3), arrays.array_dtypes(max_size=2)
)


@holds(
    few=60,
    images=arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    | arrays.arrays(
        st.sampled_from(["u1", "f2", ">f4", "f8", "i8", "u2"]),
        st.tuples(*[st.integers(1, 4)] * 3, st.sampled_from([1, 3])),
        elements=st.integers(0, 1),
    ),
    value_range=st.none() | st.sampled_from(list(RANGES)),
    channels=st.sampled_from([None, 1, 3]),
)
def test_any_array_is_loaded_as_images_or_rejected(images, value_range, channels):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.npz"
        np.savez(path, images=images)
        try:
            loaded = load_unlabelled("images", path, value_range, channels)
        except InvalidInput as error:
            assert error.flag in ("images", "value_range") and one_line(error)
            return
        pixels = loaded.gather(np.arange(len(loaded))).numpy()
        assert pixels.shape[0] == len(images) and np.abs(pixels).max() <= 1
        low, high = RANGES[value_range if images.dtype.kind == "f" else "bytes"]
        levels = (np.float64(images).ravel() - low) / (high - low) * 2 - 1
        nearest = np.abs(np.unique(pixels)[:, None] - levels[None]).min(axis=1)
        assert nearest.max() <= 1 / 255 + 1e-6


# ----- tables -------------------------------------------------------------------------------------


def row_values(kind) -> st.SearchStrategy:
    by_type = {
        str: TEXT.filter(lambda t: "\r" not in t), int: st.integers(-(2**63), 2**63),
        float: st.floats(allow_nan=False), float | None: st.none() | st.floats(allow_nan=False),
    }  # fmt: skip
    return st.builds(kind, **{f.name: by_type[f.type] for f in dataclasses.fields(kind)})


@holds(rows=st.lists(row_values(Row), min_size=1, max_size=3))
def test_rows_of_any_values_survive_writing_and_reading(rows):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "r.csv"
        append_rows(path, rows)
        assert read_rows(path) == rows
        check_rows(path)


@holds(
    few=60,
    many=5000,
    rows=st.lists(row_values(ArmRow), min_size=1, max_size=3),
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), st.text(max_size=3))),
)
def test_damaged_table_is_rejected_before_rows_are_added(rows, cuts):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "r.csv"
        append_rows(path, rows)
        text = path.read_text(encoding="utf-8")
        for start, length, replacement in cuts:
            text = text[:start] + replacement + text[start + length :]
        assume("\r" not in text)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            check_rows(path, ArmRow)
        except ValueError as error:
            assert one_line(error)
            return
        old, new = (
            [{**row, "seconds": ""} for row in table]
            for table in (read_csv(path), rows_as_text(rows))
        )
        before = read_rows(path, ArmRow)
        repeated = all(row in old for row in new)  # then new rows replace the old ones
        kept = [
            row for row, text in zip(before, old, strict=True) if not (repeated and text in new)
        ]
        append_rows(path, rows)
        assert all(math.isnan(a.seconds) or a == b for a, b in
                   zip(read_rows(path, ArmRow), [*kept, *rows], strict=True)
                   if not any(v != v for v in dataclasses.astuple(a)))  # fmt: skip


@holds(text=JSON_TEXT)
def test_any_json_of_a_run_is_read_or_rejected(text):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "assets.extra").mkdir()
        for path in ("summary.json", "assets.extra/rumi_tf.json"):
            (Path(directory) / path).write_text(text, encoding="utf-8", errors="surrogatepass")
        summary = read_summary(Path(directory), 5)
        assert summary is None or isinstance(summary["iterations"], int)
        try:
            assert isinstance(read_metadata(directory), dict)
        except ValueError as error:
            assert "rumi_tf.json" in str(error)


# ----- CelebA's list ------------------------------------------------------------------------------

ATTRIBUTES = ["Male", "Bald", "Smiling"]


def celeba_table(kind: str, rows: list[list[str]]) -> str:
    if kind == "csv":
        return "".join(",".join(row) + "\n" for row in [["image_id", *ATTRIBUTES], *rows])
    lines = [str(len(rows)), " ".join(ATTRIBUTES), *("  ".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


@holds(
    few=60,
    kind=st.sampled_from(["txt", "csv"]),
    values=st.lists(
        st.lists(st.sampled_from(["-1", "1"]), min_size=3, max_size=3), min_size=1, max_size=6
    ),
    change=st.sampled_from(["nothing", "missing", "extra", "value", "path", "quote"]),
    line=st.integers(0, 5),
    replacement=TEXT,
)
def test_attribute_list_with_any_columns_is_read_or_rejected(
    kind, values, change, line, replacement
):
    rows = [[f"{k:06d}.jpg", *row] for k, row in enumerate(values)]
    line %= len(rows)
    if change == "missing":
        rows[line].pop()
    elif change == "extra":
        rows[line].append("1")
    elif change == "value":
        rows[line][2] = replacement
    elif change == "path":
        rows[line][0] = f"../{replacement}"
    elif change == "quote":
        rows[line][1] = '"'
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"list_attr_celeba.{kind}"
        path.write_text(celeba_table(kind, rows), encoding="utf-8")
        try:
            files, names, attributes = read_attributes(path)
        except InvalidInput as error:
            assert change != "nothing" and error.flag == "data_dir" and one_line(error)
            return
    assert change in ("nothing", "value") or replacement.strip()
    if change == "nothing":
        assert names == ATTRIBUTES and files == [row[0] for row in rows]
        assert (attributes == (np.array(values) == "1")).all()


@holds(word=st.text())
def test_any_word_becomes_a_safe_file_name(word):
    name = file_name(word.encode("utf-8", "replace").decode())
    assert len(name.encode()) <= 120 and "/" not in name and "." not in name
    assert json.loads(json.dumps(name)) == name
