import dataclasses
import math
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import from_memory, joined
from rumi_tf.data.splits import holdout_indices
from rumi_tf.evaluation.embeddings import test_part as load_test_part
from rumi_tf.evaluation.results import append_rows, read_rows
from rumi_tf.experiments import augment, augment_summary
from rumi_tf.experiments.augment import ARMS, METRICS, ArmRow
from rumi_tf.runs import resolve
from rumi_tf.training import build
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv


def stripes(counts, seed=0):
    """Distinct noisy 8x8 images of classes a, b, c; the bright third of an image is its class."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat(range(len(counts)), counts))
    pixels = draw.integers(0, 60, (len(labels), 8, 9, 1))
    for k in range(len(counts)):
        pixels[labels == k, :, 3 * k : 3 * k + 3] += 120
    return from_memory(pixels[:, :, :8], labels, tuple("abc"))


def make_config(**values):
    defaults = {"split": "unbalanced", "minority_class": "c", "minority_size": 8, "holdout": 0.4}
    return RunConfig(**{"dataset": "folder", **defaults, **values})


def make_repetition(images=None, test=None, updates=2, seed=0, **values):
    images = stripes((60, 30, 20)) if images is None else images
    config = make_config(seed=seed, **values)
    return augment.make_repetition(config, images, test, updates=updates, seed=seed)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1)).astype(np.uint8)


# ----- division into training and test images -----------------------------------------------------


def test_training_and_test_images_are_disjoint():
    images, test = stripes((60, 30, 20)), stripes((5, 6, 7), 1)
    repetition = make_repetition(images, test)
    train, test = repetition.train, repetition.test
    assert not set(train) & set(test)
    counts = [np.bincount(repetition.images.labels[index]).tolist() for index in (train, test)]
    assert counts == [[36, 18, 8], [24 + 5, 12 + 6, 8 + 7]]
    assert len(repetition.minority_train) == 8 and len(repetition.minority_test) == 15
    assert repetition.class_name == "c"
    pixels = repetition.images.gather(tf.range(len(repetition.images))).numpy()
    assert not {p.tobytes() for p in pixels[train]} & {p.tobytes() for p in pixels[test]}


def test_gan_and_classifiers_train_on_the_same_real_images():
    config = resolve.resolve(RunConfig(minority_class="5", minority_size=20, holdout=0.3, seed=3))
    images, split = build.prepare(config)
    repetition = augment.make_repetition(config, images, load_test_part(config))
    assert repetition.train.tolist() == split.indices["all"].tolist()
    assert len(repetition.minority_train) == 20
    assert len(repetition.images) == 1797 and len(repetition.test) == 425 + 360
    for index in split.indices.values():
        assert not set(index.tolist()) & set(repetition.test.tolist())


def test_copies_of_training_images_are_removed_from_the_test_images():
    images = stripes((60, 30, 20))
    doubled = joined(images, images)
    repetition = make_repetition(doubled)
    pixels = doubled.gather(tf.range(len(doubled))).numpy()
    train_pixels = {pixels[k].tobytes() for k in repetition.train}
    held = holdout_indices(repetition.config, doubled.labels)
    copies = [k for k in held if pixels[k].tobytes() in train_pixels]
    assert copies and sorted(repetition.test) == sorted(set(held) - set(copies))
    assert repetition.note.startswith(f"{len(copies)} ")
    digests = augment.pixel_digests(doubled)
    assert digests[:110].tolist() == digests[110:].tolist() and len(set(digests[:110])) == 110
    assert make_repetition().copies == 0 and not make_repetition().note
    uniform = from_memory(np.zeros((60, 8, 8, 1)), np.repeat([0, 1, 2], 20), tuple("abc"))
    with pytest.raises(InvalidInput, match="--data_dir: "):
        make_repetition(uniform)


def test_the_seed_determines_the_images():
    first, second, again = (make_repetition(seed=s) for s in (0, 1, 0))
    assert set(first.test) != set(second.test)
    assert set(first.minority_train) != set(second.minority_train)
    assert first.test.tolist() == again.test.tolist()
    assert first.train.tolist() == again.train.tolist()


@pytest.mark.parametrize(
    "flag, values",
    [("holdout", {"holdout": 0.0}), ("holdout", {"holdout": 0.04}), ("minority_class",
     {"minority_class": "a", "minority_size": 0})],
)  # fmt: skip
def test_nothing_to_test_on_or_to_add_is_an_error(flag, values):
    with pytest.raises(InvalidInput) as error:
        make_repetition(**values)
    assert error.value.flag == flag
    if flag == "holdout":
        assert "0.05" in str(error.value)
        assert len(make_repetition(holdout=0.05).minority_test) == 1


def test_the_minority_class_is_filled_up_to_the_mean_of_the_others():
    labels = np.repeat([0, 1, 3], [10, 21, 3])  # the empty class 2 does not count
    assert augment.num_missing(labels, 3) == round(15.5) - 3
    assert augment.num_missing(labels, 1) == round(6.5) - 21
    assert make_repetition().num == (36 + 18) // 2 - 8


# ----- arms ---------------------------------------------------------------------------------------


def test_balancing_weights_give_every_class_the_same_total():
    labels = np.repeat([0, 2, 3], [50, 7, 13])
    weights = augment.balancing_weights(labels, 5)
    np.testing.assert_allclose(weights[[0, 2, 3]] * [50, 7, 13], 70 / 3)
    assert weights[[1, 4]].tolist() == [0, 0]
    assert weights[labels].mean() == pytest.approx(1)


def test_oversampling_repeats_every_image_equally_often():
    members = np.array([4, 9, 11, 30])
    draws = augment.oversample(members, 10, seed=1)
    counts = [np.sum(draws == k) for k in members]
    assert len(draws) == 10 and sorted(counts) == [2, 2, 3, 3]
    assert draws.tolist() != augment.oversample(members, 10, seed=2).tolist()


def test_arms_differ_only_in_how_they_treat_the_imbalance():
    repetition, images = make_repetition(), noise(19)
    train = repetition.train
    training_sets = {name: arm(repetition, images) for name, arm in ARMS.items()}
    for name in ("none", "class_weights"):
        assert training_sets[name].indices.tolist() == train.tolist()
    assert training_sets["class_weights"].class_weights.argmax() == repetition.minority
    added = {}
    for name in ("oversampling", "generated"):
        training = training_sets[name]
        assert training.class_weights is None
        assert training.indices[: len(train)].tolist() == train.tolist()
        added[name] = training.indices[len(train) :]
        assert len(added[name]) == 19
        assert set(training.images.labels[added[name]]) == {repetition.minority}
    assert set(added["oversampling"]) == set(repetition.minority_train)
    pixels = training_sets["generated"].images.gather(tf.constant(added["generated"])).numpy()
    np.testing.assert_array_equal(np.round((pixels + 1) * 127.5), images)


def test_metrics_of_a_case_counted_by_hand():
    images = from_memory(noise(10), np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2]), tuple("abc"))
    repetition = augment.Repetition(
        make_config(), images, train=np.arange(0), test=np.arange(10), minority=2, num=1,
        updates=1, seed=0,
    )  # fmt: skip
    predicted = np.array([0, 0, 2, 1, 1, 1, 2, 2, 2, 0])
    assert augment.classification_metrics(repetition, predicted) == pytest.approx(
        {
            "minority_recall": 3 / 4,
            "minority_precision": 3 / 4,
            "balanced_accuracy": (2 / 4 + 2 / 2 + 3 / 4) / 3,
        }
    )


def test_a_minority_class_that_is_never_predicted_has_no_precision():
    images = from_memory(noise(10), np.array([0] * 8 + [2] * 2), tuple("abc"))
    repetition = augment.Repetition(
        make_config(), images, np.arange(0), np.arange(10), minority=2, num=1, updates=1, seed=0
    )
    values = augment.classification_metrics(repetition, np.array([0] * 6 + [1] * 4))
    assert np.isnan(values["minority_precision"]) and values["minority_recall"] == 0
    assert values["balanced_accuracy"] == (6 / 8 + 0) / 2  # class b has no images


# ----- results ------------------------------------------------------------------------------------


def test_an_interrupted_comparison_resumes(tmp_path, monkeypatch):
    # Classifiers keep their initial weights, which differ by seed.
    monkeypatch.setattr(augment.classifier, "fit_classifier", lambda *a, **k: None)
    arms = {name: ARMS[name] for name in ("none", "generated")}
    monkeypatch.setattr(augment, "ARMS", arms)
    repetitions = [make_repetition(seed=s) for s in (0, 1)]
    generated = {each.config: noise(each.num, each.seed) for each in repetitions}
    repetitions[1] = dataclasses.replace(repetitions[1], updates=3)
    measured = []
    measure = augment._measure

    def counting(repetition, arm, training):
        measured.append((repetition.seed, arm))
        return measure(repetition, arm, training)

    monkeypatch.setattr(augment, "_measure", counting)

    def interrupt(line):
        if len(measured) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment.compare(repetitions, generated, tmp_path / "a.csv", interrupt)
    lines = []
    rows = augment.compare(repetitions, generated, tmp_path / "a.csv", lines.append)
    assert measured == [(s, arm) for s in (0, 1) for arm in arms]  # each once
    assert len(lines) == 4 and lines[-1].startswith("[4/4] seed 1, ")
    expected = [(seed, arm, metric) for seed in (0, 1) for arm in arms for metric in METRICS]
    assert [(r.classifier_seed, r.arm, r.metric) for r in rows] == expected
    assert read_rows(tmp_path / "a.csv", ArmRow) == rows
    # New generated images need a new classifier of this arm only.
    del measured[:]
    other = {repetitions[0].config: noise(repetitions[0].num, 7)}
    augment.compare(repetitions[:1], other, tmp_path / "a.csv", lines.append)
    assert measured == [(0, "generated")]


def test_a_seed_reproduces_a_trained_classifier():
    repetition = make_repetition(updates=30)
    training = ARMS["generated"](repetition, noise(repetition.num))
    first, second = (
        [row.value for row in augment._measure(repetition, "generated", training)] for _ in range(2)
    )
    assert first == second and first[METRICS.index("balanced_accuracy")] > 0.6


def test_other_tables_and_damaged_rows_are_not_appended_to(tmp_path):
    for name, text in (("other.csv", "colour\nred\n"), ("damaged.csv", None)):
        path = tmp_path / name
        if text is None:
            append_rows(path, rows_of(generated=[(0.5, 0.5)]))
            text = path.read_text().replace(",0.5,", ",half,")
        path.write_text(text)
        with pytest.raises(InvalidInput) as error:
            augment.check_output(path)
        assert error.value.flag == "out"
    augment.check_output(tmp_path / "absent.csv")


def test_saved_images_replace_earlier_ones_and_keep_other_files(tmp_path):
    (tmp_path / "mine.png").write_text("")
    augment.save_images(tmp_path, [(0, noise(3)), (4, noise(2))])
    colour = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    augment.save_images(tmp_path, [(0, colour)])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "mine.png",
        "seed0_00000.png",
        "seed0_00001.png",
    ]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "seed0_00001.png")), colour[1])


# ----- summary ------------------------------------------------------------------------------------


def rows_of(**arms):
    """Rows of arms, each given as one (minority recall, balanced accuracy) per repetition."""
    defaults = {name: [(0.1, 0.1)] * len(next(iter(arms.values()))) for name in ARMS}
    row = ArmRow(
        dataset="d", split="unbalanced", target="c", objective="o", config_hash="h", seed=0,
        iteration=1, reference="r", protocol="augmentation", embedding="e", metric="", value=0.0,
        std=None, n_generated=0, n_reference=7, seconds=0.0, arm="", classifier_seed=0, updates=1,
        n_train=9,
    )  # fmt: skip
    return [
        dataclasses.replace(
            row, arm=arm, classifier_seed=seed, seed=seed, config_hash=f"h{seed}", metric=metric,
            value=value,
        )
        for seed in range(len(defaults["none"]))
        for arm, values in {**defaults, **arms}.items()
        for metric, value in zip(METRICS, (values[seed][0], None, values[seed][1]), strict=True)
    ]  # fmt: skip


def test_the_difference_has_a_paired_t_interval():
    ours, theirs = np.array([0.7, 0.8, 0.75, 0.9]), np.array([0.6, 0.7, 0.66, 0.79])
    result = augment_summary.difference(ours, theirs)
    half = 3.182446 * np.std(ours - theirs, ddof=1) / 2  # 0.975 quantile, 3 degrees of freedom
    assert (result.low, result.high) == pytest.approx((0.1 - half, 0.1 + half))
    assert result.mean == pytest.approx(0.1) and result.sign == 1
    assert augment_summary.difference(theirs, ours).sign == -1
    single = augment_summary.difference(ours[:1], theirs[:1])
    assert single.sign == 0 and math.isinf(single.high)


def test_equal_differences_are_not_significant():
    """For example with few test images, one of which was found in every repetition."""
    ours, theirs = np.array([0.8, 0.9, 0.7]), np.array([0.7, 0.8, 0.6])
    result = augment_summary.difference(ours, theirs)
    assert result.sign == 0 and math.isinf(result.low) and str(result).startswith("+0.100 (")
    rows = rows_of(generated=[(1.0, 0.9)] * 3, none=[(2 / 3, 0.8)] * 3)
    assert "Not distinguishable" in augment_summary.conclusion(rows, "cats", 3)


def test_runs_whose_images_are_nearly_alike_are_named():
    real = np.random.default_rng(0).normal(size=(50, 4, 4, 1))
    generated = {0: 0.6 * real, 1: 0.4 * real, 2: real[:1], 3: 0 * real}
    assert "seed 1, 3 " in augment_summary.low_diversity_note(generated, real)
    assert augment_summary.low_diversity_note({0: generated[0], 2: generated[2]}, real) == ""


@pytest.mark.parametrize(
    "answer, recall, accuracy",
    [
        ("Yes", (0.80, 0.81, 0.82), (0.70, 0.71, 0.73)),
        ("Yes", (0.80, 0.81, 0.82), (0.60, 0.45, 0.50)),
        ("Not distinguishable", (0.60, 0.40, 0.51), (0.60, 0.45, 0.50)),
        ("No", (0.60, 0.40, 0.51), (0.30, 0.31, 0.33)),
        ("No", (0.30, 0.31, 0.33), (0.30, 0.31, 0.33)),
        ("Mixed", (0.80, 0.81, 0.82), (0.30, 0.31, 0.33)),
    ],
)
def test_the_conclusion_follows_from_the_numbers(answer, recall, accuracy):
    baseline = [(0.5, 0.5)] * 3
    rows = rows_of(generated=list(zip(recall, accuracy, strict=True)), oversampling=baseline)
    text = augment_summary.conclusion(rows, "cats", 80)
    assert f"cats help? {answer}." in text
    shown = [f"{np.mean(recall):.3f} ± {np.std(recall, ddof=1):.3f}", "0.500 ± 0.000 with oversamp",
             "0.100 ± 0.000"]  # fmt: skip
    assert sorted(shown, key=text.index) == shown


def test_the_conclusion_warns_of_one_seed_or_one_gan():
    one_seed = augment_summary.conclusion(rows_of(generated=[(1.0, 1.0)]), "cats", 80)
    assert "Not distinguishable" in one_seed and "--seeds" in one_seed
    rows = rows_of(generated=[(1.0, 1.0), (0.9, 0.9)])
    several_gans = augment_summary.conclusion(rows, "cats", 80)
    rows = [dataclasses.replace(row, config_hash="h") for row in rows]
    one_gan = augment_summary.conclusion(rows, "cats", 80)
    assert one_gan.startswith(several_gans) and len(one_gan) > len(several_gans)


def test_the_conclusion_warns_of_few_test_images():
    rows = rows_of(generated=[(1.0, 1.0), (0.9, 0.9)])
    few, enough = (augment_summary.conclusion(rows, "cats", count) for count in (4, 30))
    assert few == f"{enough} {augment_summary.small_test_note(4)}"
    assert "0.25" in augment_summary.small_test_note(4) and not augment_summary.small_test_note(30)


def test_the_table_has_mean_and_deviation_of_the_values():
    table = augment_summary.summarise(rows_of(generated=[(0.4, 0.5), (0.6, 0.5)]))
    assert [row["against the imbalance"] for row in table] == list(augment.TITLES.values())
    assert table[-1]["minority recall"] == f"0.500 ± {np.std([0.4, 0.6], ddof=1):.3f}"
    assert (table[-1]["minority precision"], table[-1]["seeds"]) == ("-", "0, 1")


# ----- the command --------------------------------------------------------------------------------


TINY = ("--iterations=2", "--width=0.05", "--batch_size=4", "--updates=2", "--num=6")


def run(command, tmp_path, *words):
    process = command(
        "reproduce.augment", *TINY, *words, f"--runs_dir={tmp_path / 'runs'}",
        f"--out={tmp_path / 'out'}",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return process


ON_DIGITS = (
    "--minority_class=5", "--minority_size=30", "--seeds=1", "--seed=2", "--objective=lsgan",
)  # fmt: skip


@pytest.fixture(scope="module")
def on_digits(tmp_path_factory, quick_command):
    """Directory and standard output of a finished command."""
    root = tmp_path_factory.mktemp("digits")
    return root, run(quick_command, root, *ON_DIGITS).stdout


@pytest.mark.slow
def test_the_command_writes_what_it_names(on_digits):
    root, printed = on_digits
    out = root / "out"
    (directory,) = (root / "runs").iterdir()
    assert "seed2" in directory.name
    config = RunConfig.from_json((directory / "config.json").read_text())
    assert (config.d_augment, config.generator_ema) == (("translation", "cutout"), 0.999)
    assert (config.iterations, config.eval_every) == (2, 0)  # set by flag and by the command
    assert printed.startswith("--recipe=few_images: --d_augment=translation,cutout --generator_ema")
    names = ("augment.csv", "augment_runs.csv", "augment.md", "augment.png", "augment.pdf")
    paths = [out / "generated" / "5", out / "generated.png", *(out / name for name in names)]
    assert printed.splitlines()[-7:] == [str(path) for path in paths]
    assert sorted(p.name for p in paths[0].iterdir()) == [f"seed2_0000{k}.png" for k in range(6)]
    assert all(path.exists() for path in paths)
    rows = read_rows(out / "augment_runs.csv", ArmRow)
    assert [row.arm for row in rows] == list(np.repeat(list(ARMS), len(METRICS)))
    assert {(row.classifier_seed, row.seed) for row in rows} == {(1, 2)}
    assert rows[-1].config_hash == directory.name.rpartition("-")[2]
    conclusion = printed.split("\n\n")[1]
    assert conclusion in (out / "augment.md").read_text()
    num_test = re.search(r"(\d+) of them of the class", (out / "augment.md").read_text())
    assert conclusion.startswith(augment_summary.conclusion(rows, "5", int(num_test.group(1))))
    assert "nearly alike" in conclusion  # after two iterations
    assert read_csv(out / "augment.csv") == augment_summary.summarise(rows)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_repeated_command_trains_nothing(on_digits, quick_command):
    root, printed = on_digits
    before = {path: path.read_bytes() for path in (root / "out").rglob("*.*")}
    assert run(quick_command, root, *ON_DIGITS).stdout == printed
    assert {path: path.read_bytes() for path in (root / "out").rglob("*.*")} == before


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_conditional_objective_on_a_folder_generates_the_class(tmp_path, quick_command):
    draw = np.random.default_rng(0)
    for name, count in (("cat/s", 20), ("dog", 20), ("owl", 8)):
        folder = tmp_path / "photos" / name.replace("/", "_")
        folder.mkdir(parents=True)
        for k in range(count):
            pixels = draw.integers(0, 256, (32, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{k}.png")
    run(
        quick_command, tmp_path, "--dataset=folder", f"--data_dir={tmp_path / 'photos'}",
        "--image_size=32", "--minority_class=owl", "--objective=acgan", "--seeds=0",
    )  # fmt: skip
    files = sorted((tmp_path / "out" / "generated" / "owl").iterdir())
    assert len(files) == 6 and Image.open(files[0]).size == (32, 32)
    rows = read_rows(tmp_path / "out" / "augment_runs.csv", ArmRow)
    assert {row.n_reference for row in rows} == {6 + 6 + 2}


@pytest.mark.slow
@pytest.mark.exhaustive
def test_mnist_classifiers_are_tested_on_its_test_part(tmp_path, tfds_dir, quick_command):
    run(
        quick_command, tmp_path, "--dataset=mnist", f"--data_dir={tfds_dir}",
        "--minority_class=5", "--seeds=0",
    )  # fmt: skip
    rows = read_rows(tmp_path / "out" / "augment_runs.csv", ArmRow)
    assert {row.n_reference for row in rows} == {10_000}
    assert {row.n_train for row in rows} == {54_779, 54_785}
