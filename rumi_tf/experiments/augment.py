"""Do generated images help? Classifiers trained with and without them, on the same real images.

A trial is one repetition: real images to train on and others to test on, a GAN run, and one
classifier per arm. The arms differ in what is done about the scarce class, and in nothing else.
"""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rumi_tf import metrics
from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages, from_memory, joined
from rumi_tf.data.splits import held_out, make_split
from rumi_tf.evaluation.embeddings import classifier, image_batches
from rumi_tf.evaluation.evaluator import provenance_of
from rumi_tf.evaluation.results import Row, append_rows, check_rows, read_rows
from rumi_tf.export.sampler import to_bytes
from rumi_tf.runs import outputs
from rumi_tf.training.train import train
from rumi_tf.utils.console import tracked
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import atomic_path, remove_leftovers
from rumi_tf.utils.rng import numpy_generator

# Share of each class that is held out when it is not given; other data sets have a test part that
# is large enough.
HOLDOUT = {"digits": 0.3, "folder": 0.3}
METRICS = ("minority_recall", "minority_precision", "balanced_accuracy")
# Of what the arms do: a change makes results that were kept stale.
VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmRow(Row):
    """One measured number of one classifier.

    Attributes:
        arm: key of `ARMS`.
        classifier_seed: of its initial weights, dropout and order of images.
        updates: of its training.
        n_train: images that it was trained on, repeated and generated ones included.
    """

    arm: str
    classifier_seed: int
    updates: int
    n_train: int


@dataclasses.dataclass(frozen=True)
class Trial:
    """One repetition of the comparison.

    Attributes:
        config: of the GAN run, resolved.
        images: the training part of the data set, its test part behind it if it has one.
        train: (n,) indices of the real images to train on, which are those of the GAN.
        test: (m,) indices of the real images that nothing is trained on.
        minority: label of the scarce class.
        num: images to add to it.
        updates: of each classifier.
        seed: of the classifiers.
        copies: images that were left out of `test`, since there are copies of them in `train`.
    """

    config: RunConfig
    images: LabelledImages
    train: np.ndarray
    test: np.ndarray
    minority: int
    num: int
    updates: int
    seed: int
    copies: int = 0

    @property
    def note(self) -> str:
        """What was left out of the test, for the user."""
        said = "held-out images are exact copies of images that are trained on; they are left out"
        return f"{self.copies} {said}" if self.copies else ""

    @property
    def kept(self) -> np.ndarray:
        """(k,) indices of the images of the scarce class to train on."""
        return self.train[self.images.labels[self.train] == self.minority]

    @property
    def tested(self) -> np.ndarray:
        """(t,) indices of the images of the scarce class to test on."""
        return self.test[self.images.labels[self.test] == self.minority]

    @property
    def class_name(self) -> str:
        """Name of the scarce class."""
        return self.images.class_names[self.minority]


def make_trial(
    config: RunConfig,
    images: LabelledImages,
    test: LabelledImages | None,
    *,
    num: int | None = None,
    updates: int | None = None,
    seed: int = 0,
    digests: np.ndarray | None = None,
) -> Trial:
    """Divides the images: what `config` trains on, and what it holds out.

    Args:
        config: resolved, of split `unbalanced`.
        images: the training part of its data set.
        test: its test part; `None` if it has none.
        num: images to add; `None` for as many as make the scarce class as frequent as the mean of
            the others.
        updates: of each classifier; `None` for as many as the embedding of the data set has.
        seed: of the classifiers.
        digests: `pixel_digests` of the images, and behind them of the test part; `None` makes them.

    Raises:
        InvalidInput: there is nothing to test on, or nothing to add; or an image cannot be decoded.
    """
    split = make_split(config, images.labels, images.class_names)
    (minority,) = split.positive_classes
    everything = images if test is None else joined(images, test)
    tested = np.concatenate(
        [held_out(config, images.labels), np.arange(len(images), len(everything))]
    )
    if not np.any(everything.labels[tested] == minority):
        count = int(np.sum(images.labels == minority))
        enough = f"at least {math.ceil(1000 / count) / 1000:g}" if count > 1 else "more images"
        raise InvalidInput(
            "holdout",
            f"{config.holdout:g} leaves no image of {config.minority_class} to test on, of "
            f"{count}; that takes {enough}",
        )
    train = split.indices["all"]
    if digests is None:
        digests = pixel_digests(everything)
    unseen = tested[~np.isin(digests[tested], digests[train])]
    if not np.any(everything.labels[unseen] == minority):
        raise InvalidInput(
            "data_dir",
            f"all images of {config.minority_class} to test on are exact copies of images that are "
            "trained on; remove the copies",
        )
    if num is None:
        num = missing(images.labels[train], minority)
        if num < 1:
            raise InvalidInput(
                "minority_class",
                f"{config.minority_class} has no fewer images than the mean of the other classes; "
                "name another class, keep fewer with --minority_size, or give --num",
            )
    if updates is None:
        updates = classifier.num_updates(config.dataset, len(train))
    copies = len(tested) - len(unseen)
    return Trial(config, everything, train, unseen, minority, num, updates, seed, copies)


def pixel_digests(images: LabelledImages) -> np.ndarray:
    """(N,) uint64: the same for images that have the same pixels, and else not."""
    batches = image_batches(images, np.arange(len(images)))
    shown = tracked(batches, len(images), "looking for copies", "image")
    digests = [
        hashlib.blake2b(pixels, digest_size=8).digest()
        for batch in shown
        for pixels in to_bytes(batch)
    ]
    return np.frombuffer(b"".join(digests), np.uint64)


def missing(labels: np.ndarray, minority: int) -> int:
    """How many images more make a class as frequent as the mean of the others that occur.

    Args:
        labels: (n,) labels to train on.
        minority: the class.
    """
    counts = np.bincount(labels, minlength=minority + 1)
    others = np.delete(counts, minority)
    return round(float(others[others > 0].mean())) - int(counts[minority])


# ----- arms ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What a classifier is trained on.

    Attributes:
        images: the data set.
        chosen: (n,) indices; one may occur several times.
        class_weights: (K,) factors of the loss, by class; `None` for 1.
    """

    images: LabelledImages
    chosen: np.ndarray
    class_weights: np.ndarray | None = None


def _plain(trial: Trial, generated: np.ndarray) -> Lesson:
    return Lesson(trial.images, trial.train)


def _weighted(trial: Trial, generated: np.ndarray) -> Lesson:
    labels = trial.images.labels[trial.train]
    weights = balancing_weights(labels, len(trial.images.class_names))
    return Lesson(trial.images, trial.train, weights)


def _oversampled(trial: Trial, generated: np.ndarray) -> Lesson:
    copies = repeated(trial.kept, trial.num, trial.seed)
    return Lesson(trial.images, np.concatenate([trial.train, copies]))


def _augmented(trial: Trial, generated: np.ndarray) -> Lesson:
    labels = np.full(len(generated), trial.minority)
    images = joined(trial.images, from_memory(generated, labels, trial.images.class_names))
    added = np.arange(len(trial.images), len(images))
    return Lesson(images, np.concatenate([trial.train, added]))


GENERATED = "generated"
# By name: (trial, (num, H, W, C) uint8 generated images) -> what its classifier is trained on.
ARMS: dict[str, Callable[[Trial, np.ndarray], Lesson]] = {
    "none": _plain,
    "class_weights": _weighted,
    "oversampling": _oversampled,
    GENERATED: _augmented,
}
TITLES = {
    "none": "nothing",
    "class_weights": "class weights",
    "oversampling": "oversampling",
    GENERATED: "generated images",
}


def balancing_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) float64 factors that give every class the same weight in all, and images 1 on average.

    Args:
        labels: (n,) labels to train on.
        num_classes: K; a class that does not occur has the factor 0.
    """
    counts = np.bincount(labels, minlength=num_classes)
    present = counts > 0
    shares = present.sum() * counts / len(labels)
    return np.divide(1.0, shares, out=np.zeros(num_classes), where=present)


def repeated(members: np.ndarray, num: int, seed: int) -> np.ndarray:
    """(num,) of the (k,) `members` in turn, so that none occurs twice as long as one is left."""
    return np.resize(numpy_generator(seed, "oversampling").permutation(members), num)


# ----- running ------------------------------------------------------------------------------------


def generate(trial: Trial) -> np.ndarray:
    """Trains or reuses the GAN run: `trial.num` images of the scarce class, (num, H, W, C) uint8.

    They depend on the run alone, not on the seed of the classifiers.
    """
    train(trial.config)
    sampler = outputs.sampler_of(trial.config)
    label = trial.minority if sampler.conditional else None
    batches = sampler.batches(trial.num, trial.config.seed, label)
    return np.concatenate([to_bytes(batch) for batch in batches])


def compare(
    trials: Sequence[Trial],
    generated: Mapping[RunConfig, np.ndarray],
    path: Path,
    tell: Callable[[str], None],
) -> list[ArmRow]:
    """Trains and judges a classifier for every trial and arm that `path` has no results of.

    Args:
        trials: the repetitions.
        generated: by configuration, what `generate` returns.
        path: CSV file of results; those that are missing are added one after the other.
        tell: is given a line for every classifier.

    Returns:
        The rows of these trials, by trial and arm.
    """
    known: dict[str, list[ArmRow]] = {}
    for row in read_rows(path, ArmRow):
        known.setdefault(row.embedding, []).append(row)
    rows, total = [], len(trials) * len(ARMS)
    for trial in trials:
        for arm, lesson_of in ARMS.items():
            lesson = lesson_of(trial, generated[trial.config])
            found = known.get(_identity(trial, lesson), [])
            kept = {row.metric: row for row in found if row.arm == arm}
            measured = [kept[name] for name in METRICS if name in kept]
            if len(measured) < len(METRICS):
                measured = _measure(trial, arm, lesson)
                append_rows(path, measured)
            rows += measured
            recall = measured[METRICS.index("minority_recall")].value
            tell(
                f"[{len(rows) // len(METRICS)}/{total}] seed {trial.seed}, {TITLES[arm]}: "
                f"recall of {trial.class_name} {recall:.3f}, {measured[0].seconds:.0f} s"
            )
    return rows


def _identity(trial: Trial, lesson: Lesson) -> str:
    """Name of a classifier by all that decides what it becomes and how it is judged."""
    weights = None if lesson.class_weights is None else lesson.class_weights.tolist()
    text = json.dumps(
        [VERSION, classifier.VERSION, lesson.images.fingerprint, weights, trial.minority,
         trial.updates, trial.seed]
    )  # fmt: skip
    digest = hashlib.sha256(text.encode())
    for index in (lesson.chosen, trial.test):
        digest.update(f"{len(index)} ".encode() + index.astype("<i8").tobytes())
    return f"classifier-{digest.hexdigest()[:16]}"


def _measure(trial: Trial, arm: str, lesson: Lesson) -> list[ArmRow]:
    """Trains the classifier of an arm and judges it by the images that are held out."""
    began = time.monotonic()
    network = classifier.classifier_network(lesson.images, trial.seed)
    classifier.fit_classifier(
        network, lesson.images, lesson.chosen, updates=trial.updates, seed=trial.seed,
        title=f"classifier with {TITLES[arm]}", class_weights=lesson.class_weights,
    )  # fmt: skip
    guesses = classifier.predicted_labels(network, trial.images, trial.test)
    values = judged(trial, guesses)
    seconds = round(time.monotonic() - began, 3)
    with_gan = arm == GENERATED
    provenance: dict[str, Any] = provenance_of(trial.config)
    if not with_gan:
        # A result without the GAN belongs to every GAN: it is kept when the objective changes.
        provenance |= {"objective": arm, "config_hash": trial.images.fingerprint[:10]}
    return [
        ArmRow(
            **provenance,
            iteration=trial.config.iterations if with_gan else 0,
            reference=f"{trial.config.dataset} held out {trial.images.fingerprint[:10]}",
            protocol="augmentation",
            embedding=_identity(trial, lesson),
            metric=name,
            value=None if math.isnan(value) else value,
            std=None,
            n_generated=trial.num if with_gan else 0,
            n_reference=len(trial.test),
            seconds=seconds,
            note="" if not math.isnan(value) else f"no image was put in {trial.class_name}",
            arm=arm,
            classifier_seed=trial.seed,
            updates=trial.updates,
            n_train=len(lesson.chosen),
        )
        for name, value in values.items()
    ]


def judged(trial: Trial, guesses: np.ndarray) -> dict[str, float]:
    """The `METRICS` of a classifier.

    Args:
        trial: whose test images were judged.
        guesses: (m,) labels that the classifier gave them.
    """
    labels = trial.images.labels[trial.test]
    confusion = metrics.confusion_matrix(labels, guesses, len(trial.images.class_names))
    values = (
        metrics.class_recall(confusion)[trial.minority],
        metrics.class_precision(confusion)[trial.minority],
        metrics.balanced_accuracy(confusion),
    )
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def check_output(path: Path) -> None:
    """Raises `InvalidInput` if results could not be added to the file at `path`."""
    try:
        check_rows(path, ArmRow)
    except ValueError as error:
        raise InvalidInput("out", str(error)) from error


def folder_of(class_name: str) -> str:
    """A name for the folder of a class; that of a class may lead elsewhere."""
    name = class_name.replace("/", "_")
    return "_" * len(name) if set(name) <= {"."} else name


def save_images(directory: Path, runs: Iterable[tuple[int, np.ndarray]]) -> None:
    """Writes generated images as PNG files named by seed and number.

    Files so named by an earlier command are deleted unless they are written again; others stay.

    Args:
        directory: where.
        runs: pairs of the seed of a run and its images, (num, H, W, C) uint8.
    """
    directory.mkdir(parents=True, exist_ok=True)
    remove_leftovers(directory)
    written = set()
    for seed, images in runs:
        for number, image in enumerate(images):
            path = directory / f"seed{seed}_{number:05d}.png"
            with atomic_path(path) as temporary:
                Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(
                    temporary
                )
            written.add(path)
    for path in set(directory.glob("seed*_*.png")) - written:
        path.unlink()
