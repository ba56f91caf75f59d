"""Table 1: which cells there are, and what the table says of them."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from absl import flags

from figures import _cases
from reproduce import table1
from rumi_tf.config.flags import define_flags
from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.results import Row
from rumi_tf.experiments import paper_grid, paper_table1, sweep
from rumi_tf.experiments.paper_settings import SETTINGS
from rumi_tf.runs.resolve import resolve
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv
from tests.conftest import ROOT

ROW = Row(
    dataset="mnist", split="unbalanced", target="5", objective="lsgan", config_hash="abc",
    seed=0, iteration=10_000, reference="mnist 5 x", protocol="rumi_unbalanced",
    embedding="inception-1-x", metric="fid", value=0.0, std=None, n_generated=10_000,
    n_reference=5421, seconds=1.0,
)  # fmt: skip


@pytest.fixture
def wanted():
    """The flags of the command, parsed from words."""

    def parse(*words):
        flags.FLAGS.unparse_flags()
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()
        return flags.FLAGS if flags.FLAGS(["table1", *words]) else None

    yield parse
    parse()


def test_the_papers_grid_is_22_classes_times_5_models(wanted):
    cells = table1.cells_of(wanted("--seeds=0,1"))
    assert len(cells) == 22 * 5 * 2
    assert len({cell.config.hash() for cell in cells}) == len(cells)
    by_place = {cell.title: cell.config for cell in cells}
    config = by_place["celeba Female CGAN-PD 1"]
    assert (config.objective, config.iterations, config.seed) == ("cgan_pd", 50_000, 1)
    config = by_place["mnist 7 Rumi-LSGAN 0"]
    assert (config.minority_size, config.iterations, config.eval_every) == (200, 10_000, 1_000)
    assert by_place["cifar10 horse LSGAN 0"].minority_size == 250


def composed(settings, case, *words):
    """The run of flagfiles given one after the other, and flags."""
    values = flags.FlagValues()
    define_flags(values)
    files = [f"--flagfile={ROOT / 'flags' / name}.flags" for name in (settings, f"cases/{case}")]
    flags.DEFINE_string("flagfile", "", "", flag_values=values)
    values(["train", *values.read_flags_from_files([*files, *words])])
    return resolve(RunConfig.from_flags(values))


def words_of(settings, config):
    """Flags that docs/replicating.md adds for a cell."""
    words = [f"--objective={config.objective}"]
    if settings == "authors_code":
        if config.dataset in ("fashion_mnist", "celeba"):
            words.append("--learning_rate=2e-4")
        if config.dataset == "celeba":
            words.append(f"--image_size={128 if config.objective == 'rumi_lsgan' else 32}")
        if config.objective == "rumi_lsgan":
            path = ROOT / "flags" / "objectives" / "rumi_lsgan_authors_code.flags"
            words.append(f"--flagfile={path}")
    return words


@pytest.mark.parametrize("settings", SETTINGS)
def test_flagfiles_compose_to_every_cell(wanted, settings):
    for cell in table1.cells_of(wanted(f"--settings={settings}")):
        config = cell.config
        words = (*words_of(settings, config), f"--minority_class={config.minority_class}")
        run = composed(settings, f"{config.dataset}_unbalanced", *words)
        assert run.hash() == config.hash(), cell.title
    for case in _cases.subset_cases(_cases.SUBSETS, [0], {}, settings):
        assert len(case.cells) == 3
        for cell in case.cells:
            run = composed(settings, case.name, *words_of(settings, cell.config))
            assert run.hash() == cell.config.hash(), cell.title


def test_the_published_codes_settings_change_the_hyper_parameters_and_not_the_task(wanted):
    paper = table1.cells_of(wanted("--datasets=mnist,cifar10,celeba,fashion_mnist,digits"))
    code = table1.cells_of(wanted("--datasets=mnist,cifar10,celeba,fashion_mnist,digits",
                                  "--settings=authors_code"))  # fmt: skip
    task = ("dataset", "split", "minority_class", "minority_size", "objective", "iterations",
            "seed", "latent_dim", "width", "network", "beta_1", "eval_every")  # fmt: skip
    for theirs, ours in zip(code, paper, strict=True):
        assert theirs.place == ours.place
        config = theirs.config
        assert all(getattr(config, f) == getattr(ours.config, f) for f in task), theirs.title
        rate = 2e-4 if config.dataset in ("celeba", "fashion_mnist") else 5e-5
        assert (config.learning_rate, config.beta_2, config.batch_size) == (rate, 0.9, 256)
        if config.dataset == "celeba":
            assert config.image_size == (128 if config.objective == "rumi_lsgan" else 32)
        assert (config.d_schedule, config.d_steps, config.update) == ("joint", 1, "simultaneous")
        if config.objective == "rumi_lsgan":
            labels = (config.label_b_neg, config.label_a, config.label_b_pos, config.label_c)
            assert labels == (-2, -0.5, 2, 2)
            assert (config.beta_pos, config.beta_neg) == (2.5, 0.5)
    (cell,) = table1.cells_of(wanted("--settings=authors_code", "--batch_size=64",
                                     "--only=horse LSGAN"))  # fmt: skip
    assert (cell.config.batch_size, cell.config.learning_rate) == (64, 5e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_figures_draw_the_runs_of_their_settings(wanted, settings, monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr(_cases, "find", lambda cases, *_: found.extend(cases) or ([], []))
    values = {**wanted(f"--settings={settings}").flag_values_dict(), "out": str(tmp_path / "out")}
    for make, names in (
        (_cases.subset_cases, ["mnist_even"]), (_cases.unbalanced_cases, ["mnist_5"]),
    ):  # fmt: skip
        _cases.make_figure(SimpleNamespace(**values | {"cases": names}), [], make, None)
        assert found == make(names, [0], {}, settings)
        other = "paper" if settings == "authors_code" else "authors_code"
        assert found != make(names, [0], {}, other)
        found.clear()


def test_without_any_result_the_tables_that_are_there_stay(wanted, monkeypatch, tmp_path, capsys):
    def run(cells, jobs):
        return [sweep.Outcome(cell, "failed", reason="no data") for cell in cells]

    monkeypatch.setattr(paper_grid, "run", run)
    for name in table1.FILES:
        (tmp_path / name).write_text("before")
    wanted("--datasets=digits", "--classes=5", "--models=lsgan", f"--out={tmp_path}")
    with pytest.raises(SystemExit) as end:
        table1.main()
    assert end.value.code == 1
    assert capsys.readouterr() == ("", "digits 5 LSGAN 0: failed: no data\n")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"before"}


def test_images_of_several_sizes_are_no_comparison(capsys):
    def cells(settings):
        cells = paper_grid.unbalanced_cells(
            "x", "celeba", "Male", paper_grid.MODELS, [0], {}, settings
        )
        return [sweep.Outcome(cell, "reused", [ROW]) for cell in cells]

    paper_grid.warn_mixed_sizes([*cells("paper"), *outcome(FIDS)])
    assert capsys.readouterr().err == ""
    paper_grid.warn_mixed_sizes(cells("authors_code"))
    warning = capsys.readouterr().err
    assert warning.startswith("celeba: images have 32 and 128 pixels") and warning.count("\n") == 1


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 50])
def test_shards_share_out_every_cell_once(parts):
    given = {"width": 0.05, "cache_dir": ""}
    cells = [
        cell
        for minority in "0123"
        for cell in paper_grid.unbalanced_cells(
            "x", "digits", minority, paper_grid.MODELS, [0], given
        )
    ]
    dealt = [table1._shard(cells, f"{k}/{parts}") for k in range(1, parts + 1)]
    assert sorted(cells.index(cell) for part in dealt for cell in part) == list(range(20))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_flags_reach_every_cell_and_words_choose_some(wanted):
    words = ("--datasets=digits", "--classes=5,3", "--iterations=7", "--width=0.5")
    cells = table1.cells_of(wanted(*words, "--only=ACGAN"))
    assert [cell.title for cell in cells] == ["digits 5 ACGAN 0", "digits 3 ACGAN 0"]
    assert {(cell.config.iterations, cell.config.width) for cell in cells} == {(7, 0.5)}
    with pytest.raises(InvalidInput, match="--classes: there is no class '12'"):
        table1.cells_of(wanted("--datasets=digits", "--classes=12"))
    with pytest.raises(InvalidInput, match="--only: no cell has 'VAE'"):
        table1.cells_of(wanted("--only=VAE"))


def test_figure_4_draws_the_runs_of_the_table(wanted):
    words = ("--flagfile=flags/table1_digits.flags", "--seeds=0,1", "--minority_size=40")
    cells = table1.cells_of(wanted(*words, "--datasets=digits", "--classes=5"))
    (case,) = _cases.unbalanced_cases(["digits_5"], [0, 1], paper_grid.overrides(smoke=False))
    assert [cell.config for cell in case.cells] == [cell.config for cell in cells]
    assert len({cell.config.name() for cell in cells}) == 10
    assert {cell.config.minority_size for cell in cells} == {40}


def test_smoke_gives_way_to_what_is_given(wanted):
    (cell, *_) = table1.cells_of(wanted("--datasets=digits", "--smoke", "--width=0.5"))
    assert (cell.config.iterations, cell.config.width) == (2, 0.5)


def outcome(fids, model="LSGAN", dataset="mnist", embedding="inception-1-x"):
    """One outcome per (class, seed) of a dict."""
    for (minority, seed), fid in fids.items():
        (cell,) = paper_grid.unbalanced_cells("x", dataset, minority, ["lsgan"], [seed], {})
        place = {"data set": dataset, "class": minority, "model": model, "run seed": str(seed)}
        row = dataclasses.replace(ROW, value=fid, embedding=embedding)
        yield sweep.Outcome(sweep.Cell(cell.config, place), "done", [row])


FIDS = {("5", 0): 100.0, ("3", 0): 120.0, ("5", 1): 130.0, ("3", 1): 134.0, ("5", 2): 90.0,
        ("3", 2): 96.0}  # fmt: skip


def test_the_mean_over_classes_and_the_deviation_over_seeds():
    (row,) = table1.summarise(list(outcome(FIDS)))
    means = [110.0, 132.0, 93.0]
    assert row["fid"] == f"{np.mean(means):.4g} ± {np.std(means, ddof=1):.2g}"
    assert row["n"] == "6 (2 classes, 3 seeds)" and row["paper's fid"] == "128.55"
    assert row["difference"] == "not all classes"
    assert row["kid"] == "" and row["iterations"] == "10000"
    assert (row["width"], row["learning rate"], row["batch"]) == ("1", "0.0001", "100")


ALL = {(k, seed): 100.0 + int(k) + 5 * seed for k in "0123456789" for seed in range(2)}


def test_the_difference_from_the_paper_is_of_all_its_classes_at_its_settings():
    (row,) = table1.summarise(list(outcome(ALL)))
    assert float(row["difference"]) == pytest.approx(np.mean([104.5, 109.5]) - 128.55, abs=0.01)


def test_no_difference_is_shown_where_it_would_mean_nothing():
    (row,) = table1.summarise(list(outcome(FIDS, embedding="classifier-x")))
    assert row["difference"] == "other embedding"
    for other in ({"width": 0.5}, {"learning_rate": 2e-4}, {"iterations": 9_999}):
        changed = list(outcome(ALL))
        config = dataclasses.replace(changed[0].cell.config, **other)
        cell = dataclasses.replace(changed[0].cell, config=config)
        changed[0] = dataclasses.replace(changed[0], cell=cell)
        assert table1.summarise(changed)[0]["difference"] == "other settings"
    for other in ({"n_generated": 9}, {"protocol": "uac_images"}):
        changed = [
            dataclasses.replace(found, rows=[dataclasses.replace(found.rows[0], **other)])
            for found in outcome(ALL)
        ]
        assert table1.summarise(changed)[0]["difference"] == "other settings"
    (row,) = table1.summarise(list(outcome(FIDS, dataset="digits")))
    assert row["difference"] == row["paper's fid"] == ""


def test_no_difference_is_shown_of_a_mean_that_lacks_a_class():
    incomplete = {place: fid for place, fid in ALL.items() if place != ("5", 0)}
    (row,) = table1.summarise(list(outcome(incomplete)))
    assert (row["difference"], row["n"]) == ("not all classes", "18 (9 classes, 2 seeds)")
    apart = {(k, seed): fid for (k, seed), fid in ALL.items() if (int(k) < 5) == (seed == 0)}
    (row,) = table1.summarise(list(outcome(apart)))
    assert (row["difference"], row["fid"]) == ("not all classes", "")


@pytest.mark.parametrize("named", [True, False])
def test_machines_that_have_the_data_elsewhere_deal_alike(named, tmp_path, monkeypatch):
    dealt = []
    for machine in ("one", "two"):
        directory = tmp_path / machine
        directory.mkdir()
        monkeypatch.chdir(directory)
        given = {"data_dir": str(directory) if named else ""}
        cells = [
            cell
            for minority in ("Female", "Male")
            for cell in paper_grid.unbalanced_cells(
                "x", "celeba", minority, paper_grid.MODELS, [0], given
            )
        ]
        dealt.append([[cell.title for cell in table1._shard(cells, f"{k}/3")] for k in (1, 2, 3)])
    assert dealt[0] == dealt[1]


def test_what_is_named_twice_is_one_cell(wanted):
    words = ("--datasets=cifar10", "--classes=horse,7,Horse", "--models=lsgan,lsgan")
    assert [cell.title for cell in table1.cells_of(wanted(*words))] == ["cifar10 horse LSGAN 0"]


def test_only_takes_whole_words(wanted):
    found = table1.cells_of(wanted("--datasets=digits", "--classes=5", "--only=LSGAN"))
    assert [cell.title for cell in found] == ["digits 5 LSGAN 0"]


def test_cells_without_a_result_are_not_counted():
    found = list(outcome(FIDS))
    failed = sweep.Outcome(found[0].cell, "failed", reason="x")
    (row,) = table1.summarise([failed, *found[1:]])
    assert row["n"] == "3 (1 classes, 3 seeds)"
    # Class 5 has no result of seed 0, so seeds are compared by class 3 alone.
    means = [120.0, 134.0, 96.0]
    assert row["fid"] == f"{np.mean(means):.4g} ± {np.std(means, ddof=1):.2g}"
    assert table1.summarise([failed]) == []


@pytest.mark.slow
def test_a_failed_cell_is_reported_and_stops_no_other(
    tmp_path, wanted, digits_cache, quick_command
):
    words = ("--datasets=digits", "--classes=5", "--models=lsgan,rumi_lsgan", "--smoke",
             f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={digits_cache}",
             f"--out={tmp_path / 'out'}")  # fmt: skip
    failing, _ = table1.cells_of(wanted(*words))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / failing.config.name()).write_text("in the way")
    done = quick_command("reproduce.table1", *words)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("digits 5 LSGAN 0: failed: --runs_dir: ")
    log = tmp_path / "runs" / "logs" / f"{failing.config.name()}.log"
    assert str(log) in last and "--runs_dir: " in log.read_text()
    (row,) = read_csv(tmp_path / "out" / "table1.csv")
    assert (row["model"], row["n"]) == ("Rumi-LSGAN", "1 (1 classes, 1 seeds)")


def test_published_values_are_those_of_the_paper():
    values = {(r["dataset"], r["model"]): r["fid"] for r in read_csv(paper_table1.PAPER)}
    assert len(values) == 15 and set(m for _, m in values) == set(paper_grid.MODELS.values())
    assert values["mnist", "Rumi-LSGAN"] == "118.93" and values["celeba", "LSGAN"] == "226.25"
