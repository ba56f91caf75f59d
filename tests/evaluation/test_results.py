import dataclasses
import multiprocessing

import numpy as np
import pytest

from rumi_tf.evaluation.results import (
    Row,
    append_rows,
    by_evaluation,
    check_rows,
    frechet_name,
    read_curve,
    read_rows,
    rows_as_text,
    with_evaluation_id,
    write_curve,
)
from rumi_tf.utils.io import write_csv

ROW = Row(
    dataset="mnist", split="unbalanced", target="5", objective="rumi_lsgan", config_hash="abc",
    seed=1, iteration=4000, reference="mnist 5 abc", protocol="rumi_unbalanced",
    embedding="classifier-0123",
    metric="kid", value=1 / 3, std=None, n_generated=10_000, n_reference=5421, seconds=2.5,
    note='with "quotes", commas\nand a second line',
)  # fmt: skip


def test_rows_round_trip_with_all_digits(tmp_path):
    rows = [ROW, dataclasses.replace(ROW, metric="fd_classifier", std=1e-17, value=-0.1)]
    append_rows(tmp_path / "r.csv", rows[:1])
    append_rows(tmp_path / "r.csv", rows[1:])
    assert read_rows(tmp_path / "r.csv") == rows


def test_repeated_rows_replace_the_old_ones(tmp_path):
    first, other = ROW, dataclasses.replace(ROW, value=0.5)
    repeated = dataclasses.replace(ROW, seconds=9.0)
    append_rows(tmp_path / "r.csv", [first, other])
    append_rows(tmp_path / "r.csv", [repeated])
    assert read_rows(tmp_path / "r.csv") == [other, repeated]
    # Another evaluation, of which only one row is already in the file.
    new = [repeated, dataclasses.replace(ROW, metric="coverage")]
    append_rows(tmp_path / "r.csv", new)
    assert read_rows(tmp_path / "r.csv") == [other, repeated, *new]


def test_a_missing_file_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "absent.csv") == []


def test_error_for_a_damaged_row_names_the_line(tmp_path):
    append_rows(tmp_path / "r.csv", [dataclasses.replace(ROW, note="")] * 2)
    text = (tmp_path / "r.csv").read_text().replace("4000", "many", 1)
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match="line 2"):
        read_rows(tmp_path / "r.csv")


def test_evaluations_are_grouped_by_their_ids():
    def evaluation(*values):
        rows = [
            dataclasses.replace(ROW, metric=f"m{k}", value=v, n_generated=k, embedding=str(k))
            for k, v in enumerate(values)
        ]
        return with_evaluation_id(rows)

    one, two = evaluation(1.0, 2.0), evaluation(1.0, 3.0)
    assert len({row.evaluation for row in (*one, *two)}) == 2
    assert by_evaluation([*one, *two]) == [one, two]
    later = with_evaluation_id(
        [dataclasses.replace(row, seconds=9.0, evaluation="") for row in one]
    )
    assert later[0].evaluation == one[0].evaluation  # the time it took is not part of it


def test_a_file_of_an_older_version_is_read_and_extended(tmp_path):
    path = tmp_path / "r.csv"
    old = [{k: v for k, v in row.items() if k != "evaluation"} for row in rows_as_text([ROW] * 2)]
    old[1]["metric"] = "fid"  # of a classifier; newer versions have another name for it
    write_csv(path, old)
    check_rows(path)
    new = dataclasses.replace(ROW, iteration=5000, evaluation="0123")
    append_rows(path, [new])
    expected = [ROW, dataclasses.replace(ROW, metric="fd_classifier"), new]
    assert read_rows(path) == expected
    assert [len(rows) for rows in by_evaluation(expected)] == [2, 1]
    for columns in ({"metric"}, {"metric", "unknown"}):
        write_csv(path, [{k: v for k, v in old[0].items() if k not in columns} | {"unknown": ""}])
        with pytest.raises(ValueError, match="other columns"):
            check_rows(path)


def test_only_inception_features_have_an_fid():
    names = {
        name: frechet_name(name) for name in ("inception-1-x", "inception_299-1", "classifier-a")
    }
    assert list(names.values()) == ["fid", "fid", "fd_classifier"]


def _append(path, count, seed):
    for k in range(count):
        append_rows(path, [dataclasses.replace(ROW, iteration=k, seed=seed)])


def test_concurrent_appends_lose_no_rows(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(tmp_path / "r.csv", 20, k)) for k in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    numbers = sorted(row.iteration for row in read_rows(tmp_path / "r.csv"))
    assert numbers == sorted(2 * list(range(20)))


def test_curve_round_trip_and_errors_name_the_file(tmp_path):
    curve = np.array([0.0, 1 / 3, 1e-17]), np.array([1.0, 0.5, 0.1])
    write_curve(tmp_path / "prd.csv", curve)
    np.testing.assert_array_equal(read_curve(tmp_path / "prd.csv"), curve)
    append_rows(tmp_path / "rows.csv", [ROW])
    (tmp_path / "damaged.csv").write_text("precision,recall\n0.5,x\n")
    (tmp_path / "short.csv").write_text("precision,recall\n0.5\n")
    for name in ("absent", "rows", "damaged", "short"):
        with pytest.raises(ValueError, match=rf"{name}\.csv"):
            read_curve(tmp_path / f"{name}.csv")
