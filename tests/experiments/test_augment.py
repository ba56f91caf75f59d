import dataclasses
import math
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats
from sklearn.utils.class_weight import compute_class_weight

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import from_memory, joined
from rumi_tf.data.splits import held_out
from rumi_tf.evaluation.embeddings import test_part as part_to_test_on
from rumi_tf.evaluation.results import append_rows, read_rows
from rumi_tf.experiments import augment, augment_summary
from rumi_tf.experiments.augment import ARMS, METRICS, ArmRow
from rumi_tf.runs import resolve
from rumi_tf.training import build
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import read_csv
from tests.conftest import command


def blobs(counts, seed=0):
    """8x8 images of classes a, b, c, whose class is which third is bright; unlike one another."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat(range(len(counts)), counts))
    pixels = draw.integers(0, 60, (len(labels), 8, 9, 1))
    for k in range(len(counts)):
        pixels[labels == k, :, 3 * k : 3 * k + 3] += 120
    return from_memory(pixels[:, :, :8], labels, tuple("abc"))


def config(**values):
    given = {"split": "unbalanced", "minority_class": "c", "minority_size": 8, "holdout": 0.4}
    return RunConfig(**{"dataset": "folder", **given, **values})


def trial(images=None, test=None, updates=2, seed=0, **values):
    images = blobs((60, 30, 20)) if images is None else images
    given = config(seed=seed, **values)
    return augment.make_trial(given, images, test, updates=updates, seed=seed)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1)).astype(np.uint8)


# ----- which images -------------------------------------------------------------------------------


def test_what_is_tested_on_was_in_no_training():
    images, test = blobs((60, 30, 20)), blobs((5, 6, 7), 1)
    made = trial(images, test)
    assert not set(made.train) & set(made.test)
    counts = [np.bincount(made.images.labels[index]).tolist() for index in (made.train, made.test)]
    assert counts == [[36, 18, 8], [24 + 5, 12 + 6, 8 + 7]]
    assert (len(made.kept), len(made.tested), made.class_name) == (8, 15, "c")
    pixels = made.images.gather(tf.range(len(made.images))).numpy()
    seen = {p.tobytes() for p in pixels[made.train]}
    assert not seen & {p.tobytes() for p in pixels[made.test]}


def test_the_gan_is_trained_on_the_real_images_of_the_classifiers():
    resolved = resolve.resolve(RunConfig(minority_class="5", minority_size=20, holdout=0.3, seed=3))
    images, split = build.prepare(resolved)
    made = augment.make_trial(resolved, images, part_to_test_on(resolved))
    assert made.train.tolist() == split.indices["all"].tolist()
    assert len(made.kept) == 20 and len(made.images) == 1797 and len(made.test) == 425 + 360
    for index in split.indices.values():
        assert not set(index.tolist()) & set(made.test.tolist())


def test_copies_of_what_is_trained_on_are_not_tested_on():
    once = blobs((60, 30, 20))
    twice = joined(once, once)
    made = trial(twice)
    pixels = twice.gather(tf.range(len(twice))).numpy()
    seen = {pixels[k].tobytes() for k in made.train}
    held = held_out(made.config, twice.labels)
    alike = [k for k in held if pixels[k].tobytes() in seen]
    assert alike and sorted(made.test) == sorted(set(held) - set(alike))
    assert made.note.startswith(f"{len(alike)} held-out images are exact copies")
    digests = augment.pixel_digests(twice)
    assert digests[:110].tolist() == digests[110:].tolist() and len(set(digests[:110])) == 110
    assert trial().copies == 0 and not trial().note
    uniform = from_memory(np.zeros((60, 8, 8, 1)), np.repeat([0, 1, 2], 20), tuple("abc"))
    with pytest.raises(InvalidInput, match="--data_dir: all images of c to test on are exact cop"):
        trial(uniform)


def test_every_seed_has_other_images():
    one, other, again = (trial(seed=s) for s in (0, 1, 0))
    assert set(one.test) != set(other.test) and set(one.kept) != set(other.kept)
    assert one.test.tolist() == again.test.tolist() and one.train.tolist() == again.train.tolist()


@pytest.mark.parametrize(
    "flag, values",
    [("holdout", {"holdout": 0.0}), ("holdout", {"holdout": 0.04}), ("minority_class",
     {"minority_class": "a", "minority_size": 0})],
)  # fmt: skip
def test_without_something_to_test_on_or_to_add_there_is_no_trial(flag, values):
    with pytest.raises(InvalidInput) as caught:
        trial(**values)
    assert caught.value.flag == flag
    if flag == "holdout":
        assert str(caught.value).endswith("of 20; that takes at least 0.05")
        assert len(trial(holdout=0.05).tested) == 1


def test_as_many_are_added_as_make_the_class_as_frequent_as_the_mean_of_the_others():
    labels = np.repeat([0, 1, 3], [10, 21, 3])  # class 2 does not occur, and counts for nothing
    assert augment.missing(labels, 3) == round(15.5) - 3
    assert augment.missing(labels, 1) == round(6.5) - 21
    assert trial().num == (36 + 18) // 2 - 8


# ----- arms ---------------------------------------------------------------------------------------


def test_class_weights_are_scikit_learns_balanced_ones():
    labels = np.repeat([0, 2, 3], [50, 7, 13])
    found = augment.balancing_weights(labels, 5)
    expected = compute_class_weight("balanced", classes=np.array([0, 2, 3]), y=labels)
    np.testing.assert_allclose(found[[0, 2, 3]], expected)
    assert found[[1, 4]].tolist() == [0, 0]
    assert found[labels].mean() == pytest.approx(1)


def test_oversampling_repeats_every_image_equally_often():
    members = np.array([4, 9, 11, 30])
    copies = augment.repeated(members, 10, seed=1)
    counts = [np.sum(copies == k) for k in members]
    assert len(copies) == 10 and sorted(counts) == [2, 2, 3, 3]
    assert copies.tolist() != augment.repeated(members, 10, seed=2).tolist()


def test_arms_differ_in_nothing_but_what_they_do_about_the_imbalance():
    made, images = trial(), noise(19)
    lessons = {name: arm(made, images) for name, arm in ARMS.items()}
    for name in ("none", "class_weights"):
        assert lessons[name].chosen.tolist() == made.train.tolist()
    assert lessons["class_weights"].class_weights.argmax() == made.minority
    for name in ("oversampling", "generated"):
        lesson = lessons[name]
        assert lesson.class_weights is None
        assert lesson.chosen[: len(made.train)].tolist() == made.train.tolist()
        added = lesson.chosen[len(made.train) :]
        assert len(added) == 19 and set(lesson.images.labels[added]) == {made.minority}
    assert set(lessons["oversampling"].chosen[len(made.train) :]) == set(made.kept)
    added = lessons["generated"].chosen[len(made.train) :]
    pixels = lessons["generated"].images.gather(tf.constant(added)).numpy()
    np.testing.assert_array_equal(np.round((pixels + 1) * 127.5), images)


def test_metrics_of_a_case_counted_by_hand():
    images = from_memory(noise(10), np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2]), tuple("abc"))
    made = augment.Trial(config(), images, np.arange(0), np.arange(10), 2, 1, 1, 0)
    found = augment.judged(made, np.array([0, 0, 2, 1, 1, 1, 2, 2, 2, 0]))
    assert found == pytest.approx(
        {
            "minority_recall": 3 / 4,
            "minority_precision": 3 / 4,
            "balanced_accuracy": (2 / 4 + 2 / 2 + 3 / 4) / 3,
        }
    )


def test_a_minority_class_that_is_never_predicted_has_no_precision():
    images = from_memory(noise(10), np.array([0] * 8 + [2] * 2), tuple("abc"))
    made = augment.Trial(config(), images, np.arange(0), np.arange(10), 2, 1, 1, 0)
    values = augment.judged(made, np.array([0] * 6 + [1] * 4))
    assert np.isnan(values["minority_precision"]) and values["minority_recall"] == 0
    assert values["balanced_accuracy"] == (6 / 8 + 0) / 2  # class b has no images


# ----- results ------------------------------------------------------------------------------------


def test_an_interrupted_comparison_goes_on_where_it_was(tmp_path, monkeypatch):
    # Classifiers keep their initial weights, which differ by seed.
    monkeypatch.setattr(augment.classifier, "fit_classifier", lambda *a, **k: None)
    arms = {name: ARMS[name] for name in ("none", "generated")}
    monkeypatch.setattr(augment, "ARMS", arms)
    trials = [trial(seed=s) for s in (0, 1)]
    generated = {t.config: noise(t.num, t.seed) for t in trials}
    trials[1] = dataclasses.replace(trials[1], updates=3)
    measured = []
    measure = augment._measure

    def counting(trial, arm, lesson):
        measured.append((trial.seed, arm))
        return measure(trial, arm, lesson)

    monkeypatch.setattr(augment, "_measure", counting)

    def interrupt(line):
        if len(measured) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment.compare(trials, generated, tmp_path / "a.csv", interrupt)
    lines = []
    rows = augment.compare(trials, generated, tmp_path / "a.csv", lines.append)
    assert measured == [(s, arm) for s in (0, 1) for arm in arms]  # none of them twice
    assert len(lines) == 4 and lines[-1].startswith("[4/4] seed 1, generated images: recall of c ")
    expected = [(seed, arm, metric) for seed in (0, 1) for arm in arms for metric in METRICS]
    assert [(r.classifier_seed, r.arm, r.metric) for r in rows] == expected
    assert read_rows(tmp_path / "a.csv", ArmRow) == rows
    # Other generated images are another classifier; the other arms never saw them.
    del measured[:]
    other = {trials[0].config: noise(trials[0].num, 7)}
    augment.compare(trials[:1], other, tmp_path / "a.csv", lines.append)
    assert measured == [(0, "generated")]


def test_same_seed_same_result_of_a_trained_classifier():
    made = trial(updates=30)
    lesson = ARMS["generated"](made, noise(made.num))
    found = [augment._measure(made, "generated", lesson) for _ in range(2)]
    values = [[row.value for row in rows] for rows in found]
    assert values[0] == values[1] and values[0][METRICS.index("balanced_accuracy")] > 0.6


def test_a_table_of_something_else_is_not_added_to(tmp_path):
    for name, text in (("other.csv", "colour\nred\n"), ("short.csv", None)):
        path = tmp_path / name
        if text is None:
            append_rows(path, rows_of(generated=[(0.5, 0.5)]))
            text = path.read_text().replace(",0.5,", ",half,")
        path.write_text(text)
        with pytest.raises(InvalidInput) as caught:
            augment.check_output(path)
        assert caught.value.flag == "out"
    augment.check_output(tmp_path / "absent.csv")


def test_images_are_files_and_files_of_others_stay(tmp_path):
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


# ----- what it says -------------------------------------------------------------------------------


def rows_of(**arms):
    """Rows of arms, of each a list over the trials of (minority recall, balanced accuracy)."""
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


def test_the_difference_is_that_of_a_paired_t_test():
    ours, theirs = np.array([0.7, 0.8, 0.75, 0.9]), np.array([0.6, 0.7, 0.66, 0.79])
    found = augment_summary.difference(ours, theirs)
    interval = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(0.1) and found.sign == 1
    assert augment_summary.difference(theirs, ours).sign == -1
    single = augment_summary.difference(ours[:1], theirs[:1])
    assert single.sign == 0 and math.isinf(single.high)


def test_differences_that_are_all_the_same_prove_nothing():
    """As of a few images to test on, of which one was found in every trial."""
    ours, theirs = np.array([0.8, 0.9, 0.7]), np.array([0.7, 0.8, 0.6])
    found = augment_summary.difference(ours, theirs)
    assert found.sign == 0 and str(found) == "+0.100 (no spread, not distinguishable)"
    rows = rows_of(generated=[(1.0, 0.9)] * 3, none=[(2 / 3, 0.8)] * 3)
    assert "Not distinguishable" in augment_summary.verdict(rows, "cats", 3)


def test_generated_images_that_are_nearly_alike_are_said_to_be():
    real = np.random.default_rng(0).normal(size=(50, 4, 4, 1))
    made = {0: 0.6 * real, 1: 0.4 * real, 2: real[:1], 3: 0 * real}
    assert "images of seed 1, 3 are nearly alike" in augment_summary.sameness_note(made, real)
    assert augment_summary.sameness_note({0: made[0], 2: made[2]}, real) == ""


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
def test_the_verdict_follows_from_the_numbers(answer, recall, accuracy):
    rivals = [(0.5, 0.5)] * 3
    rows = rows_of(generated=list(zip(recall, accuracy, strict=True)), oversampling=rivals)
    said = augment_summary.verdict(rows, "cats", 80)
    assert said.startswith(f"Did generated images of cats help? {answer}. ")
    shown = f"{np.mean(recall):.3f} ± {np.std(recall, ddof=1):.3f} with them"
    assert shown in said and "0.500 ± 0.000 with oversampling, the best" in said
    assert "With nothing done it is 0.100 ± 0.000" in said


def test_one_seed_or_one_gan_is_said_to_be_so():
    said = augment_summary.verdict(rows_of(generated=[(1.0, 1.0)]), "cats", 80)
    assert "Not distinguishable. One seed has no spread" in said
    rows = rows_of(generated=[(1.0, 1.0), (0.9, 0.9)])
    assert "share one GAN run" not in augment_summary.verdict(rows, "cats", 80)
    rows = [dataclasses.replace(row, config_hash="h") for row in rows]
    assert "share one GAN run" in augment_summary.verdict(rows, "cats", 80)


def test_few_images_to_test_on_are_said_to_be_few():
    rows = rows_of(generated=[(1.0, 1.0), (0.9, 0.9)])
    few, enough = (augment_summary.verdict(rows, "cats", count) for count in (4, 30))
    assert few.endswith("Only 4 of the images tested on are of the class, so recall moves in steps "
                        "of 0.25.")  # fmt: skip
    assert few.startswith(enough) and not augment_summary.small_test_note(30)


def test_the_table_has_mean_and_deviation_of_what_there_is():
    table = augment_summary.summarise(rows_of(generated=[(0.4, 0.5), (0.6, 0.5)]))
    assert [row["against the imbalance"] for row in table] == list(augment.TITLES.values())
    assert table[-1]["minority recall"] == f"0.500 ± {np.std([0.4, 0.6], ddof=1):.3f}"
    assert (table[-1]["minority precision"], table[-1]["seeds"]) == ("-", "0, 1")


# ----- the command --------------------------------------------------------------------------------


TINY = ("--iterations=2", "--width=0.05", "--batch_size=4", "--updates=2", "--num=6")


def run(tmp_path, *words):
    done = command(
        "reproduce.augment", *TINY, *words, f"--runs_dir={tmp_path / 'runs'}",
        f"--out={tmp_path / 'out'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


ON_DIGITS = (
    "--minority_class=5", "--minority_size=30", "--seeds=1", "--seed=2", "--objective=lsgan",
)  # fmt: skip


@pytest.fixture(scope="module")
def on_digits(tmp_path_factory):
    """Where a command has ended, and what it printed."""
    place = tmp_path_factory.mktemp("digits")
    return place, run(place, *ON_DIGITS).stdout


@pytest.mark.slow
def test_the_command_on_digits_writes_what_it_names(on_digits):
    place, printed = on_digits
    out = place / "out"
    (directory,) = (place / "runs").iterdir()
    assert "seed2" in directory.name
    config = RunConfig.from_json((directory / "config.json").read_text())
    assert (config.d_augment, config.generator_ema) == (("translation", "cutout"), 0.999)
    assert (config.iterations, config.eval_every) == (2, 0)  # given, and decided by the command
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
    said = printed.split("\n\n")[1]
    assert said in (out / "augment.md").read_text() and "One seed has no spread" in said
    tested = re.search(r"(\d+) of them of the class", (out / "augment.md").read_text())
    assert said.startswith(augment_summary.verdict(rows, "5", int(tested.group(1))))
    assert "nearly alike" in said  # after two iterations
    assert read_csv(out / "augment.csv") == augment_summary.summarise(rows)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_same_command_once_more_trains_nothing(on_digits):
    place, printed = on_digits
    before = {path: path.read_bytes() for path in (place / "out").rglob("*.*")}
    assert run(place, *ON_DIGITS).stdout == printed
    assert {path: path.read_bytes() for path in (place / "out").rglob("*.*")} == before


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_conditional_objective_on_a_folder_is_asked_for_the_class(tmp_path):
    draw = np.random.default_rng(0)
    for name, count in (("cat/s", 20), ("dog", 20), ("owl", 8)):
        folder = tmp_path / "photos" / name.replace("/", "_")
        folder.mkdir(parents=True)
        for k in range(count):
            pixels = draw.integers(0, 256, (32, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{k}.png")
    run(
        tmp_path, "--dataset=folder", f"--data_dir={tmp_path / 'photos'}", "--image_size=32",
        "--minority_class=owl", "--objective=acgan", "--seeds=0",
    )  # fmt: skip
    made = sorted((tmp_path / "out" / "generated" / "owl").iterdir())
    assert len(made) == 6 and Image.open(made[0]).size == (32, 32)
    rows = read_rows(tmp_path / "out" / "augment_runs.csv", ArmRow)
    assert {row.n_reference for row in rows} == {6 + 6 + 2}


@pytest.mark.slow
@pytest.mark.exhaustive
def test_mnist_is_tested_on_its_own_test_part(tmp_path, tfds_dir):
    run(
        tmp_path, "--dataset=mnist", f"--data_dir={tfds_dir}", "--minority_class=5", "--seeds=0"
    )  # fmt: skip
    rows = read_rows(tmp_path / "out" / "augment_runs.csv", ArmRow)
    assert {row.n_reference for row in rows} == {10_000}
    assert {row.n_train for row in rows} == {54_779, 54_785}
