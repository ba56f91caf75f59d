"""Do generated images help? Trains classifiers with and without them, on the same real images.

A repetition has real training and test images, one GAN run, and one classifier per arm. The arms
differ only in how they treat the minority class.
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
from sklearn.metrics import precision_score, recall_score

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages, from_memory, joined
from rumi_tf.data.splits import holdout_indices, make_split
from rumi_tf.evaluation.embeddings import classifier, image_batches
from rumi_tf.evaluation.evaluator import provenance_of
from rumi_tf.evaluation.results import Row, append_rows, check_rows, read_rows
from rumi_tf.export.sampler import to_bytes
from rumi_tf.runs import outputs
from rumi_tf.training.train import train
from rumi_tf.utils.console import with_progress
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import atomic_path, remove_dead_temporaries
from rumi_tf.utils.rng import numpy_generator

# Default share of each class to hold out. The test parts of the other data sets are large enough.
HOLDOUT = {"digits": 0.3, "folder": 0.3}
METRICS = ("minority_recall", "minority_precision", "balanced_accuracy")
# Version of the arms: a new one makes saved results stale.
VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmRow(Row):
    """One metric of one classifier.

    Attributes:
        arm: key of `ARMS`.
        classifier_seed: seed of the initial weights, dropout and order of images.
        updates: training updates of the classifier.
        n_train: number of training images, including repeated and generated ones.
    """

    arm: str
    classifier_seed: int
    updates: int
    n_train: int


@dataclasses.dataclass(frozen=True)
class Repetition:
    """One repetition of the comparison.

    Attributes:
        config: resolved configuration of the GAN run.
        images: training part of the data set, followed by its test part if it has one.
        train: (n,) indices of the real training images, the same for the GAN and the classifiers.
        test: (m,) indices of the real test images.
        minority: label of the minority class.
        num: number of images to add to the minority class.
        updates: training updates of each classifier.
        seed: seed of the classifiers.
        copies: number of held-out images missing from `test` because they have copies in `train`.
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
        """Message about copies left out of the test; empty if there are none."""
        if not self.copies:
            return ""
        return f"{self.copies} held-out images are exact copies of training images and are left out"

    @property
    def minority_train(self) -> np.ndarray:
        """(k,) indices of the training images of the minority class."""
        return self.train[self.images.labels[self.train] == self.minority]

    @property
    def minority_test(self) -> np.ndarray:
        """(t,) indices of the test images of the minority class."""
        return self.test[self.images.labels[self.test] == self.minority]

    @property
    def class_name(self) -> str:
        """Name of the minority class."""
        return self.images.class_names[self.minority]


def make_repetition(
    config: RunConfig,
    images: LabelledImages,
    test: LabelledImages | None,
    *,
    num: int | None = None,
    updates: int | None = None,
    seed: int = 0,
    digests: np.ndarray | None = None,
) -> Repetition:
    """Divides the images into those that `config` trains on and those to test on.

    Args:
        config: resolved, with split `unbalanced`.
        images: training part of the data set.
        test: test part of the data set; `None` if it has none.
        num: images to add; by default the minority class reaches the mean size of the others.
        updates: updates of each classifier; by default as for the data set's embedding.
        seed: seed of the classifiers.
        digests: `pixel_digests` of `images` and `test` joined; computed if `None`.

    Raises:
        InvalidInput: nothing to test on, nothing to add, or an image that cannot be decoded.
    """
    split = make_split(config, images.labels, images.class_names)
    (minority,) = split.positive_classes
    train = split.indices["all"]
    everything = images if test is None else joined(images, test)
    candidates = _test_candidates(config, images, everything, minority)
    if digests is None:
        digests = pixel_digests(everything)
    unseen = candidates[~np.isin(digests[candidates], digests[train])]
    if not np.any(everything.labels[unseen] == minority):
        raise InvalidInput(
            "data_dir",
            f"all test images of {config.minority_class} are exact copies of training images; "
            "remove the copies",
        )
    if num is None:
        num = num_missing(images.labels[train], minority)
        if num < 1:
            raise InvalidInput(
                "minority_class",
                f"{config.minority_class} is no smaller than the mean of the other classes; name "
                "another class, limit it with --minority_size, or give --num",
            )
    if updates is None:
        updates = classifier.num_updates(config.dataset, len(train))
    copies = len(candidates) - len(unseen)
    return Repetition(config, everything, train, unseen, minority, num, updates, seed, copies)


def _test_candidates(
    config: RunConfig, images: LabelledImages, everything: LabelledImages, minority: int
) -> np.ndarray:
    """(m,) indices into `everything` of the held-out images and the test part, copies included."""
    held = holdout_indices(config, images.labels)
    candidates = np.concatenate([held, np.arange(len(images), len(everything))])
    if not np.any(everything.labels[candidates] == minority):
        count = int(np.sum(images.labels == minority))
        remedy = f"use at least {math.ceil(1000 / count) / 1000:g}" if count > 1 else "add images"
        raise InvalidInput(
            "holdout",
            f"{config.holdout:g} leaves no test image of {config.minority_class}, which has "
            f"{count}; {remedy}",
        )
    return candidates


def pixel_digests(images: LabelledImages) -> np.ndarray:
    """(N,) uint64 hashes, equal for images with equal pixels."""
    batches = image_batches(images, np.arange(len(images)))
    digests = [
        hashlib.blake2b(pixels, digest_size=8).digest()
        for batch in with_progress(batches, len(images), "looking for copies", "image")
        for pixels in to_bytes(batch)
    ]
    return np.frombuffer(b"".join(digests), np.uint64)


def num_missing(labels: np.ndarray, minority: int) -> int:
    """Number of images that the class lacks to reach the mean size of the other nonempty classes.

    Args:
        labels: (n,) training labels.
        minority: label of the class.
    """
    counts = np.bincount(labels, minlength=minority + 1)
    others = np.delete(counts, minority)
    return round(float(others[others > 0].mean())) - int(counts[minority])


# ----- arms ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Training set of a classifier.

    Attributes:
        images: the data set.
        indices: (n,) indices of the training images, with repetitions.
        class_weights: (K,) weight of each class in the loss; `None` for 1.
    """

    images: LabelledImages
    indices: np.ndarray
    class_weights: np.ndarray | None = None


def _unchanged(repetition: Repetition, generated: np.ndarray) -> TrainingSet:
    return TrainingSet(repetition.images, repetition.train)


def _weighted(repetition: Repetition, generated: np.ndarray) -> TrainingSet:
    labels = repetition.images.labels[repetition.train]
    weights = balancing_weights(labels, len(repetition.images.class_names))
    return TrainingSet(repetition.images, repetition.train, weights)


def _oversampled(repetition: Repetition, generated: np.ndarray) -> TrainingSet:
    added = oversample(repetition.minority_train, repetition.num, repetition.seed)
    return TrainingSet(repetition.images, np.concatenate([repetition.train, added]))


def _augmented(repetition: Repetition, generated: np.ndarray) -> TrainingSet:
    real, labels = repetition.images, np.full(len(generated), repetition.minority)
    images = joined(real, from_memory(generated, labels, real.class_names))
    added = np.arange(len(real), len(images))
    return TrainingSet(images, np.concatenate([repetition.train, added]))


GENERATED = "generated"
# Name -> function of (repetition, (num, H, W, C) uint8 generated images).
ARMS: dict[str, Callable[[Repetition, np.ndarray], TrainingSet]] = {
    "none": _unchanged,
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
    """(K,) float64 weights that give every class the same total; their mean over images is 1.

    Args:
        labels: (n,) training labels.
        num_classes: K; an empty class has weight 0.
    """
    # scikit-learn's `compute_class_weight` differs in the last bit, which would change `_identity`.
    counts = np.bincount(labels, minlength=num_classes)
    present = counts > 0
    shares = present.sum() * counts / len(labels)
    return np.divide(1.0, shares, out=np.zeros(num_classes), where=present)


def oversample(members: np.ndarray, num: int, seed: int) -> np.ndarray:
    """(num,) repetitions of the (k,) `members`, whose counts differ by at most 1."""
    return np.resize(numpy_generator(seed, "oversampling").permutation(members), num)


# ----- running ------------------------------------------------------------------------------------


def generate(repetition: Repetition) -> np.ndarray:
    """Trains or reuses the GAN run and generates images of the minority class.

    Returns:
        (num, H, W, C) uint8; they do not depend on the seed of the classifiers.
    """
    train(repetition.config)
    sampler = outputs.sampler_of(repetition.config)
    label = repetition.minority if sampler.conditional else None
    return sampler.sample(repetition.num, label=label, seed=repetition.config.seed, dtype="uint8")


def compare(
    repetitions: Sequence[Repetition],
    generated: Mapping[RunConfig, np.ndarray],
    path: Path,
    report: Callable[[str], None],
) -> list[ArmRow]:
    """Trains and evaluates the classifier of every repetition and arm without results in `path`.

    Args:
        repetitions: the repetitions.
        generated: configuration -> what `generate` returned for it.
        path: CSV file of results; the rows of a classifier are added when it is finished.
        report: called with one line per classifier.

    Returns:
        The rows of these repetitions, by repetition and arm.
    """
    saved: dict[str, list[ArmRow]] = {}
    for row in read_rows(path, ArmRow):
        saved.setdefault(row.embedding, []).append(row)
    rows, total = [], len(repetitions) * len(ARMS)
    for repetition in repetitions:
        for arm, make_training_set in ARMS.items():
            training = make_training_set(repetition, generated[repetition.config])
            by_metric = {
                row.metric: row
                for row in saved.get(_identity(repetition, training), [])
                if row.arm == arm
            }
            arm_rows = [by_metric[name] for name in METRICS if name in by_metric]
            if len(arm_rows) < len(METRICS):
                arm_rows = _measure(repetition, arm, training)
                append_rows(path, arm_rows)
            rows += arm_rows
            recall = arm_rows[METRICS.index("minority_recall")].value
            report(
                f"[{len(rows) // len(METRICS)}/{total}] seed {repetition.seed}, {TITLES[arm]}: "
                f"recall of {repetition.class_name} {recall:.3f}, {arm_rows[0].seconds:.0f} s"
            )
    return rows


def _identity(repetition: Repetition, training: TrainingSet) -> str:
    """Name of a classifier: a hash of everything that decides its weights and its metrics."""
    weights = None if training.class_weights is None else training.class_weights.tolist()
    text = json.dumps(
        [VERSION, classifier.VERSION, training.images.fingerprint, weights, repetition.minority,
         repetition.updates, repetition.seed]
    )  # fmt: skip
    digest = hashlib.sha256(text.encode())
    for index in (training.indices, repetition.test):
        digest.update(f"{len(index)} ".encode() + index.astype("<i8").tobytes())
    return f"classifier-{digest.hexdigest()[:16]}"


def _measure(repetition: Repetition, arm: str, training: TrainingSet) -> list[ArmRow]:
    """Trains the classifier of an arm and evaluates it on the test images."""
    began = time.monotonic()
    network = classifier.classifier_network(training.images, repetition.seed)
    classifier.fit_classifier(
        network, training.images, training.indices, updates=repetition.updates,
        seed=repetition.seed, title=f"classifier with {TITLES[arm]}",
        class_weights=training.class_weights,
    )  # fmt: skip
    predicted = classifier.predicted_labels(network, repetition.images, repetition.test)
    values = classification_metrics(repetition, predicted)
    seconds = round(time.monotonic() - began, 3)
    with_gan = arm == GENERATED
    provenance: dict[str, Any] = provenance_of(repetition.config)
    if not with_gan:
        # The other arms do not depend on the GAN: their results stay valid for any objective.
        provenance |= {"objective": arm, "config_hash": repetition.images.fingerprint[:10]}
    return [
        ArmRow(
            **provenance,
            iteration=repetition.config.iterations if with_gan else 0,
            reference=f"{repetition.config.dataset} held out {repetition.images.fingerprint[:10]}",
            protocol="augmentation",
            embedding=_identity(repetition, training),
            metric=name,
            value=None if math.isnan(value) else value,
            std=None,
            n_generated=repetition.num if with_gan else 0,
            n_reference=len(repetition.test),
            seconds=seconds,
            note=f"no image was classified as {repetition.class_name}" if math.isnan(value) else "",
            arm=arm,
            classifier_seed=repetition.seed,
            updates=repetition.updates,
            n_train=len(training.indices),
        )
        for name, value in values.items()
    ]


def classification_metrics(repetition: Repetition, predicted: np.ndarray) -> dict[str, float]:
    """`METRICS` of a classifier.

    Args:
        repetition: whose test images were classified.
        predicted: (m,) predicted labels of the test images.
    """
    labels = repetition.images.labels[repetition.test]
    classes = np.arange(len(repetition.images.class_names))
    # NaN for classes without test images (recall) or predictions (precision).
    options = {"labels": classes, "average": None, "zero_division": np.nan}
    recall = recall_score(labels, predicted, **options)
    precision = precision_score(labels, predicted, **options)
    values = (recall[repetition.minority], precision[repetition.minority], np.nanmean(recall))
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def check_output(path: Path) -> None:
    """Raises `InvalidInput` if results cannot be appended to the file at `path`."""
    try:
        check_rows(path, ArmRow)
    except ValueError as error:
        raise InvalidInput("out", str(error)) from error


def save_images(directory: Path, runs: Iterable[tuple[int, np.ndarray]]) -> None:
    """Writes generated images as PNG files named by seed and number.

    Deletes such files of an earlier command that are not written again; other files stay.

    Args:
        directory: directory of the files.
        runs: pairs of the seed of a run and its images, (num, H, W, C) uint8.
    """
    directory.mkdir(parents=True, exist_ok=True)
    remove_dead_temporaries(directory)
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
