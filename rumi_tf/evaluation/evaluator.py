"""Evaluates generated images against real ones under a protocol: features, then all metrics."""

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
from rumi_tf.evaluation.results import Row, frechet_name, with_evaluation_id
from rumi_tf.utils.errors import InvalidInput

KID_SUBSET = 1000  # generated and real images per subset


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Value of a metric.

    Attributes:
        metric: name of the metric.
        value: the number; `None` if it cannot be computed, with the reason in `note`.
        std: standard deviation over subsets or splits, if the metric has one.
        note: caveats for the reader.
        by_classifier: computed from the classifier's predictions of the data set's classes.
        n_generated, n_reference: number of generated and real images used.
    """

    metric: str
    value: float | None
    std: float | None = None
    note: str = ""
    by_classifier: bool = False
    n_generated: int = 0
    n_reference: int = 0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Metrics of one set of images.

    Attributes:
        measurements: one per metric.
        prd: precision and recall, each (num_angles,); `None` if not computed.
        shares, real_shares: (K,) shares of the classes among the generated and the real images;
            empty without classes.
        n_generated, n_reference: number of generated and real images; some metrics use fewer.
        seconds: duration.
    """

    measurements: tuple[Measurement, ...]
    prd: tuple[np.ndarray, np.ndarray] | None
    shares: np.ndarray
    real_shares: np.ndarray
    n_generated: int
    n_reference: int
    seconds: float

    def __getitem__(self, metric: str) -> float | None:
        """Value of a metric; `KeyError` if it was not computed."""
        for measurement in self.measurements:
            if measurement.metric == metric:
                return measurement.value
        raise KeyError(metric)


@dataclasses.dataclass(eq=False)
class Evaluator:
    """Evaluates generators against the real images of one protocol.

    The embedding and the features of the real images are computed once. Evaluations do not affect
    each other.

    Attributes:
        protocol: sample counts and seed.
        embedding: the network.
        reference: features of the real images.
        split: positive and negative classes; `None` without a data set.
        reference_name: name of the set of real images.
    """

    protocol: Protocol
    embedding: Embedding
    reference: Features
    split: Split | None
    reference_name: str = ""

    @classmethod
    def for_run(
        cls, config: RunConfig, images: LabelledImages, split: Split, refresh: bool = False
    ) -> "Evaluator":
        """Creates the evaluator of a resolved configuration.

        Raises:
            InvalidInput: weights, data or the cache directory cannot be used.
        """
        protocol = protocol_for(config)
        indices = protocol.reference_indices(images.labels, split)
        if len(indices) < 2:
            raise InvalidInput(
                "protocol", f"{protocol.name} needs at least 2 real images, got {len(indices)}"
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
        """Evaluates a stream of images.

        Args:
            batches: arrays (n, H, W, C) in [-1, 1], in random order.
            total: total number of images, for the progress bar.
            labels: classes requested from a conditional generator, in turn.
            complete: also computes precision and recall, and the distances within each of
                `labels`, which take longest.
            extrapolate: adds the Frechet distance extrapolated to infinitely many images.

        Raises:
            ValueError: images that cannot be embedded; see `features.extract`.
        """
        started = time.monotonic()
        generated = extract(self.embedding, batches, total, "features of the generated images")
        return self._evaluate(generated, started, labels, complete, extrapolate)

    def evaluate_outputs(
        self,
        outputs: Iterable[Mapping[str, np.ndarray]],
        *,
        labels: Sequence[int] | None = None,
        complete: bool = True,
    ) -> Evaluation:
        """Evaluates images from their outputs of the embedding, in random order.

        Args:
            outputs: see `features.collect`.
            labels, complete: see `__call__`.

        Raises:
            ValueError: see `features.collect`.
        """
        started = time.monotonic()
        return self._evaluate(collect(outputs), started, labels, complete, False)

    def _evaluate(
        self,
        generated: Features,
        started: float,
        labels: Sequence[int] | None,
        complete: bool,
        extrapolate: bool,
    ) -> Evaluation:
        measurements, prd = compare(
            generated, self.reference, frechet_name(self.embedding.identity),
            seed=self.protocol.seed, complete=complete, extrapolate=extrapolate,
        )  # fmt: skip
        if complete and labels is not None:
            measurements += _intra_class_measurements(
                generated.kept, labels, self.embedding.class_names
            )
        measurements += _class_measurements(generated.classes, self.split, self.embedding)
        return Evaluation(
            tuple(measurements),
            prd,
            _shares(generated.classes),
            _shares(self.reference.classes),
            len(generated),
            len(self.reference),
            time.monotonic() - started,
        )

    def rows(self, evaluation: Evaluation, **provenance: Any) -> list[Row]:
        """Converts an evaluation to rows of results.

        Args:
            evaluation: result of this evaluator.
            provenance: columns that describe the images: `provenance_of` a run, and `iteration`.
        """
        rows = [
            Row(
                **provenance,
                reference=self.reference_name,
                protocol=self.protocol.name,
                embedding=(
                    self.embedding.class_identity if m.by_classifier else self.embedding.identity
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
        return with_evaluation_id(rows)


def requested_classes(protocol: Protocol, split: Split) -> list[int]:
    """Classes requested from a conditional generator, in turn."""
    if protocol.reference == "positive":
        return list(split.positive_classes)
    return sorted({*split.positive_classes, *split.negative_classes})


def provenance_of(config: RunConfig) -> dict[str, Any]:
    """Columns of a row of results that follow from a run's resolved configuration."""
    positive_classes = ",".join(config.positive_classes)
    return {
        "dataset": config.dataset,
        "split": config.split,
        "target": config.minority_class or positive_classes or config.attribute or config.split,
        "objective": config.objective,
        "config_hash": config.hash(),
        "seed": config.seed,
    }


def compare(
    generated: Features,
    reference: Features,
    frechet: str,
    *,
    seed: int = 0,
    complete: bool = True,
    extrapolate: bool = False,
) -> tuple[list[Measurement], tuple[np.ndarray, np.ndarray] | None]:
    """Computes all metrics of features, and the PRD curve.

    A metric that is undefined for these images, such as a score of fewer images than splits, has
    the value `None` and the reason as its note. It does not raise, so it cannot stop training.

    Args:
        generated, reference: features of the same embedding.
        frechet: metric name of the Fréchet distance; see `frechet_name`.
        seed, complete, extrapolate: see `Evaluator`.
    """
    x, y = generated.kept, reference.kept
    all_images, stored = (len(generated), len(reference)), (len(x), len(y))
    target = reference.statistics
    measurements = _measure(
        (frechet,),
        lambda: [metrics.frechet_distance_from_statistics(generated.statistics, target)],
        all_images,
        "; ".join(_size_notes(generated, reference)),
    )
    if extrapolate:
        measurements += _measure(
            (f"{frechet}_infinity",),
            lambda: [metrics.extrapolated_frechet_distance(x, target, seed=seed)],
            (len(x), len(reference)),
            "an extrapolation; imprecise, possibly negative, with few images",
        )
    measurements += _measure(("kid",), lambda: [_kid(x, y, seed)], stored)
    if generated.scores.shape[1]:
        score = metrics.inception_score
        measurements += _measure(
            ("inception_score",), lambda: [score(generated.scores)], (len(x), 0)
        )
    if not complete:
        return measurements, None
    # Sajjadi et al. cluster equal numbers of generated and real images.
    equal, curves = min(stored), []

    def prd() -> tuple[float, float]:
        curves.append(metrics.prd_curve(x[:equal], y[:equal], seed=seed))
        return metrics.prd_f_scores(*curves[0])

    measurements += _measure(("prd_f8", "prd_f1/8"), prd, (equal, equal))
    for names, metric in (
        (("precision", "recall"), metrics.improved_precision_recall),
        (("density", "coverage"), metrics.density_coverage),
    ):
        measurements += _measure(names, functools.partial(metric, x, y), stored)
    return measurements, curves[0] if curves else None


def _kid(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float | None]:
    value, deviation = metrics.kernel_distance(x, y, subset_size=KID_SUBSET, seed=seed)
    # Sets of at most KID_SUBSET images form a single subset, without a deviation.
    return value, deviation if max(len(x), len(y)) > KID_SUBSET else None


def _measure(
    names: Sequence[str], metric: Callable[[], Sequence], counts: tuple[int, int], note: str = ""
) -> list[Measurement]:
    """Computes a metric with one measurement per name.

    Args:
        names: names of the values.
        metric: () -> a value per name, or a pair of a value and its standard deviation.
        counts: number of generated and real images.
        note: note of all measurements.
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


def _class_measurements(
    classes: np.ndarray, split: Split | None, embedding: Embedding
) -> list[Measurement]:
    """Shares of the classes, and of the sides of the split, among the generated images."""
    if not classes.shape[1]:
        return []
    note = "; ".join(embedding.notes)
    shares = dict(zip(embedding.class_names, _shares(classes), strict=True))
    values = {f"class_{name}": share for name, share in shares.items()}
    if split is not None:
        sides = metrics.split_shares(classes, split.positive_classes, split.negative_classes)
        values = {**{f"share_{name}": share for name, share in sides.items()}, **values}
    return [
        Measurement(name, float(value), note=note, by_classifier=True, n_generated=len(classes))
        for name, value in values.items()
    ]


def _intra_class_measurements(
    features: np.ndarray, labels: Sequence[int], class_names: Sequence[str]
) -> list[Measurement]:
    """Distances between generated images of the same class, a measure of their diversity.

    Args:
        features: (n, d) features of generated images.
        labels: requested classes, in turn.
        class_names: name of each label; a label without a name is its own name.

    Returns:
        `intra_class_distance`, the mean over the classes, and the distance of each class.
    """
    label_of_image = np.resize(np.asarray(labels), len(features))
    distances = metrics.intra_class_distances(features, label_of_image)
    if not distances:
        return []
    values = {"intra_class_distance": float(np.mean(list(distances.values())))}
    for label, distance in distances.items():
        name = class_names[label] if label < len(class_names) else label
        values[f"intra_class_distance_{name}"] = distance
    return [Measurement(name, value, n_generated=len(features)) for name, value in values.items()]


def _shares(classes: np.ndarray) -> np.ndarray:
    return metrics.class_histogram(classes) if classes.shape[1] else np.zeros(0)
