"""Compares generated with real images under a protocol: features once, then every metric."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rumi_tf import metrics
from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.data.splits import Split
from rumi_tf.evaluation.embeddings import Embedding, cache_directory, load_embedding
from rumi_tf.evaluation.features import Features, collect, extract, reference_features
from rumi_tf.evaluation.protocols import Protocol, protocol_for
from rumi_tf.evaluation.results import Row
from rumi_tf.utils.errors import InvalidInput

KID_SUBSET = 1000  # images of either side in a subset


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A metric's value.

    Attributes:
        metric: its name.
        value: the number; `None` if it could not be computed, which `note` explains.
        std: over subsets or parts of the samples, if the metric has one.
        note: what a reader must know to read the number rightly.
        by_classes: whether it is about the data set's own classes, as told by the classifier.
        n_generated, n_reference: images on either side that it was computed from.
    """

    metric: str
    value: float | None
    std: float | None = None
    note: str = ""
    by_classes: bool = False
    n_generated: int = 0
    n_reference: int = 0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one set of images was measured to be.

    Attributes:
        measurements: one per metric.
        prd: precision and recall, each (num_angles,); `None` if they were not asked for.
        shares: (K,) shares of generated images by class, and `real_shares` of the reference; empty
            without classes.
        n_generated, n_reference: images on either side; some metrics use fewer.
        seconds: that it took.
    """

    measurements: tuple[Measurement, ...]
    prd: tuple[np.ndarray, np.ndarray] | None
    shares: np.ndarray
    real_shares: np.ndarray
    n_generated: int
    n_reference: int
    seconds: float

    def __getitem__(self, metric: str) -> float | None:
        """Value of a metric; `KeyError` if it was not measured."""
        for found in self.measurements:
            if found.metric == metric:
                return found.value
        raise KeyError(metric)


class Evaluator:
    """Measures generators against the real images of one protocol.

    The embedding and the features of the real images are made once; nothing of one evaluation is
    carried over to the next.

    Args:
        protocol: counts and seed.
        embedding: the network.
        reference: features of the real images.
        split: which classes are wanted; `None` without a data set.
        reference_name: what the real images are.
    """

    def __init__(
        self,
        protocol: Protocol,
        embedding: Embedding,
        reference: Features,
        split: Split | None,
        reference_name: str = "",
    ):
        self.reference_name = reference_name
        self.protocol = protocol
        self.embedding = embedding
        self.reference = reference
        self.split = split

    @classmethod
    def for_run(
        cls, config: RunConfig, images: LabelledImages, split: Split, refresh: bool = False
    ) -> "Evaluator":
        """The evaluator that a resolved configuration asks for.

        Raises:
            InvalidInput: weights, data or the cache directory cannot be used.
        """
        protocol = protocol_for(config)
        indices = protocol.reference_indices(images.labels, split)
        if len(indices) < 2:
            raise InvalidInput(
                "protocol", f"{protocol.name} needs at least 2 real images, there is {len(indices)}"
            )
        embedding = load_embedding(config, images, protocol.embedding, refresh)
        reference = reference_features(
            embedding, images, indices, protocol, cache_dir=cache_directory(config),
            refresh=refresh,
        )  # fmt: skip
        target = provenance_of(config)["target"] if protocol.reference == "positive" else "all"
        name = f"{config.dataset} {target} {images.fingerprint[:10]}"
        return cls(protocol, embedding, reference, split, name)

    def __call__(
        self,
        batches: Iterable[np.ndarray],
        *,
        total: int = 0,
        labels: Sequence[int] | None = None,
        complete: bool = True,
        extrapolate: bool = False,
    ) -> Evaluation:
        """Measures a stream of images.

        Args:
            batches: arrays (n, H, W, C) in [-1, 1], in random order.
            total: images in all, for the progress bar.
            labels: the classes that a conditional generator was asked for, which take turns.
            complete: whether precision and recall, and the distances within each of `labels`, are
                measured too, which takes longest.
            extrapolate: adds the Frechet distance extrapolated to infinitely many images.

        Raises:
            ValueError: images that cannot be embedded; see `features.extract`.
        """
        began = time.monotonic()
        generated = extract(self.embedding, batches, total, "features of the generated images")
        return self._judge(generated, began, labels, complete, extrapolate)

    def of_outputs(
        self,
        outputs: Iterable[Mapping[str, np.ndarray]],
        *,
        labels: Sequence[int] | None = None,
        complete: bool = True,
    ) -> Evaluation:
        """Measures images that have gone through the embedding, in random order.

        Args:
            outputs: see `features.collect`.
            labels, complete: as of a call.

        Raises:
            ValueError: see `features.collect`.
        """
        began = time.monotonic()
        return self._judge(collect(outputs), began, labels, complete, False)

    def _judge(
        self,
        generated: Features,
        began: float,
        labels: Sequence[int] | None,
        complete: bool,
        extrapolate: bool,
    ) -> Evaluation:
        found, prd = compare(
            generated, self.reference, seed=self.protocol.seed, complete=complete,
            extrapolate=extrapolate,
        )  # fmt: skip
        if complete and labels is not None:
            found += distance_measurements(generated.kept, labels, self.embedding.class_names)
        found += class_measurements(generated.classes, self.split, self.embedding)
        return Evaluation(
            tuple(found),
            prd,
            _shares(generated.classes),
            _shares(self.reference.classes),
            len(generated),
            len(self.reference),
            time.monotonic() - began,
        )

    def rows(self, evaluation: Evaluation, **provenance: Any) -> list[Row]:
        """The evaluation as rows of results.

        Args:
            evaluation: made by this evaluator.
            provenance: what the images are: `provenance_of` a run, and its `iteration`.
        """
        return [
            Row(
                **provenance,
                reference=self.reference_name,
                protocol=self.protocol.name,
                embedding=(
                    self.embedding.class_identity if m.by_classes else self.embedding.identity
                ),
                metric=m.metric,
                value=m.value,
                std=m.std,
                n_generated=m.n_generated,
                n_reference=m.n_reference,
                seconds=round(evaluation.seconds, 3),
                note=m.note,
            )
            for m in evaluation.measurements
        ]


def wanted_classes(protocol: Protocol, split: Split) -> list[int]:
    """The classes that a conditional generator is asked for, in turn."""
    if protocol.reference == "positive":
        return list(split.positive_classes)
    return sorted({*split.positive_classes, *split.negative_classes})


def provenance_of(config: RunConfig) -> dict[str, Any]:
    """Columns of a row of results that a run's resolved configuration knows."""
    named = ",".join(config.positive_classes)
    return {
        "dataset": config.dataset,
        "split": config.split,
        "target": config.minority_class or named or config.attribute or config.split,
        "objective": config.objective,
        "config_hash": config.hash(),
        "seed": config.seed,
    }


def compare(
    generated: Features,
    reference: Features,
    *,
    seed: int = 0,
    complete: bool = True,
    extrapolate: bool = False,
) -> tuple[list[Measurement], tuple[np.ndarray, np.ndarray] | None]:
    """Every metric that needs features alone, and the PRD curve.

    A metric without a value for these images, such as a score of fewer images than parts, has
    `None` and the reason as its note: one of them does not end a training run.

    Args:
        generated, reference: of the same embedding.
        seed, complete, extrapolate: see `Evaluator`.
    """
    x, y = generated.kept, reference.kept
    all_images, kept = (len(generated), len(reference)), (len(x), len(y))
    target = reference.statistics
    found = _measured(
        ("fid",),
        lambda: [metrics.frechet_distance_from_statistics(generated.statistics, target)],
        all_images,
        "; ".join(_size_notes(generated, reference)),
    )
    if extrapolate:
        found += _measured(
            ("fid_infinity",),
            lambda: [metrics.extrapolated_frechet_distance(x, target, seed=seed)],
            (len(x), len(reference)),
            "an extrapolation: of too few images it is rough and may be negative",
        )
    found += _measured(("kid",), lambda: [_kid(x, y, seed)], kept)
    if generated.scores.shape[1]:
        score = metrics.inception_score
        found += _measured(("inception_score",), lambda: [score(generated.scores)], (len(x), 0))
    if not complete:
        return found, None
    # Sajjadi et al. cluster equally many images of either side.
    equal, curves = min(kept), []

    def prd() -> tuple[float, float]:
        curves.append(metrics.prd_curve(x[:equal], y[:equal], seed=seed))
        return metrics.prd_f_scores(*curves[0])

    found += _measured(("prd_f8", "prd_f1/8"), prd, (equal, equal))
    for names, metric in (
        (("precision", "recall"), metrics.improved_precision_recall),
        (("density", "coverage"), metrics.density_coverage),
    ):
        own = functools.partial(metric, x, y)
        found += _measured(names, own, kept)
    return found, curves[0] if curves else None


def _kid(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float | None]:
    value, deviation = metrics.kernel_distance(x, y, subset_size=KID_SUBSET, seed=seed)
    # Sets that are used whole have one subset, and so no deviation.
    return value, deviation if max(len(x), len(y)) > KID_SUBSET else None


def _measured(
    names: Sequence[str], metric: Callable[[], Sequence], counts: tuple[int, int], note: str = ""
) -> list[Measurement]:
    """One measurement per name.

    Args:
        names: of the values.
        metric: () -> for every name a value, or a pair of a value and its deviation.
        counts: generated and real images.
        note: to all of them.
    """
    sides: dict[str, Any] = dict(zip(("n_generated", "n_reference"), counts, strict=True))
    try:
        values = [v if isinstance(v, tuple) else (v, None) for v in metric()]
    except ValueError as error:
        return [Measurement(name, None, note=str(error), **sides) for name in names]
    return [
        Measurement(name, value, std, note, **sides)
        for name, (value, std) in zip(names, values, strict=True)
    ]


def _size_notes(generated: Features, reference: Features) -> Iterator[str]:
    for side, features in (("generated", generated), ("real", reference)):
        note = metrics.small_sample_note(len(features), features.kept.shape[1])
        if note:
            yield f"{side}: {note}"
        if (note := metrics.constant_set_note(features.kept)) and len(features) > 1:
            yield f"{side}: {note}"


def class_measurements(
    classes: np.ndarray, split: Split | None, embedding: Embedding
) -> list[Measurement]:
    """Shares of generated images by class, and by side of the split."""
    if not classes.shape[1]:
        return []
    note = "; ".join(embedding.notes)
    shares = dict(zip(embedding.class_names, _shares(classes), strict=True))
    found = {f"class_{name}": share for name, share in shares.items()}
    if split is not None:
        sides = metrics.split_shares(classes, split.positive_classes, split.negative_classes)
        found = {**{f"share_{name}": share for name, share in sides.items()}, **found}
    return [
        Measurement(name, float(value), note=note, by_classes=True, n_generated=len(classes))
        for name, value in found.items()
    ]


def distance_measurements(
    features: np.ndarray, labels: Sequence[int], class_names: Sequence[str]
) -> list[Measurement]:
    """How different the images are that a conditional generator makes of one class.

    Args:
        features: (n, d) of generated images.
        labels: the classes it was asked for, which took turns.
        class_names: name of each label; where there are none, the label is the name.

    Returns:
        `intra_class_distance`, the mean over the classes, and that of every class.
    """
    asked = np.resize(np.asarray(labels), len(features))
    distances = metrics.intra_class_distances(features, asked)
    if not distances:
        return []
    found = {"intra_class_distance": float(np.mean(list(distances.values())))}
    for label, distance in distances.items():
        name = class_names[label] if label < len(class_names) else label
        found[f"intra_class_distance_{name}"] = distance
    return [Measurement(name, value, n_generated=len(features)) for name, value in found.items()]


def _shares(classes: np.ndarray) -> np.ndarray:
    return metrics.class_histogram(classes) if classes.shape[1] else np.zeros(0)
