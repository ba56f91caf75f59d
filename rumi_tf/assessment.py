"""Measures a SavedModel, or images from anywhere, and writes what was found."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rumi_tf import experiment, plotting
from rumi_tf.callbacks import save_curve
from rumi_tf.config import RunConfig
from rumi_tf.data.images import LabelledImages
from rumi_tf.data.splits import Split
from rumi_tf.data.unlabelled import load_unlabelled
from rumi_tf.embeddings import cache_directory, image_batches, load_embedding
from rumi_tf.errors import InvalidInput
from rumi_tf.evaluation import Evaluation, Evaluator, provenance_of
from rumi_tf.features import describe, reference_features
from rumi_tf.files import write_csv
from rumi_tf.protocols import Protocol, protocol_for
from rumi_tf.randomness import numpy_generator
from rumi_tf.results import Row, append_rows
from rumi_tf.sampling import Sampler, load_sampler
from rumi_tf.tables import aligned


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What was measured, of which images, against which.

    Attributes:
        generated, reference: what the images on either side are, in words.
        evaluation: the measurements.
        rows: the same with provenance.
        class_names: of the classes that shares are about.
        notes: what the user should know.
    """

    generated: str
    reference: str
    evaluation: Evaluation
    rows: list[Row]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Generated:
    """Images to be measured: a stream of them, how many, and where they come from."""

    flag: str
    title: str
    batches: Iterable[np.ndarray]
    total: int
    provenance: dict[str, str | int]


def assess(
    *,
    saved_model: Path | None,
    images: Path | None,
    reference: Path | None,
    given: Mapping[str, Any],
    image_range: str = "symmetric",
    extrapolate: bool = False,
    refresh: bool = False,
) -> Assessment:
    """Measures the images of a SavedModel, a directory or an NPZ file.

    Args:
        saved_model: directory of a SavedModel, or
        images: directory of image files, or NPZ file; see `load_unlabelled`.
        reference: real images in the same forms; `None` takes those of the data set.
        given: fields of `RunConfig` that were given; those of a SavedModel are known.
        image_range: what floating values in an NPZ file mean.
        extrapolate: adds the extrapolated Frechet distance.
        refresh: computes classifier and statistics of real images anew.

    Raises:
        InvalidInput: naming the flag of what cannot be used.
    """
    sampler = load_sampler(saved_model) if saved_model else None
    config = _config(sampler, given, needs_data=reference is None)
    data = split = None
    if sampler or "dataset" in given:
        config = experiment.resolve(config)
        data, split = experiment.prepare(config)
    judged = load_unlabelled("images", images, image_range) if images else None
    real = load_unlabelled("reference", reference, image_range) if reference else None
    if data is not None:
        _check_shape("images", judged, data)
        _check_shape("reference", real, data)
    evaluator = _evaluator(config, data, split, real, refresh)
    if sampler:
        generated = _of_sampler(sampler, saved_model, config, evaluator.protocol)
    else:
        generated = _of_images(judged, images, config if data else None, config.eval_samples)
    try:
        evaluation = evaluator(generated.batches, total=generated.total, extrapolate=extrapolate)
    except ValueError as error:
        raise InvalidInput(generated.flag, str(error)) from error
    return Assessment(
        generated.title,
        str(reference) if reference else _reference_title(config, evaluator),
        evaluation,
        evaluator.rows(evaluation, **generated.provenance),
        evaluator.embedding.class_names,
        _notes(sampler, data, evaluation),
    )


def _check_shape(flag: str, images: LabelledImages | None, data: LabelledImages) -> None:
    """Raises now what the classifier of the data set would raise once it is trained."""
    if images is not None and images.image_shape != tuple(data.image_shape):
        raise InvalidInput(
            flag,
            f"images are {describe(images.image_shape)}, those of the data set "
            f"{describe(data.image_shape)}",
        )


def _config(sampler: Sampler | None, given: Mapping[str, Any], needs_data: bool) -> RunConfig:
    """That of the SavedModel, with what was given in its place; else what was given."""
    known = sampler.metadata.get("config") if sampler else None
    if known is None:
        if sampler and needs_data and "dataset" not in given:
            raise InvalidInput(
                "dataset", "the SavedModel does not say what it was trained on; name the data set"
            )
        return RunConfig(**given)
    try:
        config = RunConfig.from_json(json.dumps(known))
    except ValueError as error:
        raise InvalidInput("saved_model", f"its configuration is damaged: {error}") from error
    return dataclasses.replace(config, **{"protocol": "auto", "eval_samples": None, **given})


def _evaluator(
    config: RunConfig,
    data: LabelledImages | None,
    split: Split | None,
    real: LabelledImages | None,
    refresh: bool,
) -> Evaluator:
    if real is None:
        return Evaluator.for_run(config, data, split, refresh)
    count = config.eval_samples or protocol_for(config).num_generated
    protocol = Protocol("images", config.embedding, count, None, reference="all")
    embedding = load_embedding(config, data, config.embedding, refresh)
    order = protocol.reference_indices(real.labels, Split((), (), {}))
    try:
        features = reference_features(
            embedding, real, order, protocol, cache_dir=cache_directory(config), refresh=refresh
        )
    except ValueError as error:
        raise InvalidInput("reference", str(error)) from error
    return Evaluator(protocol, embedding, features, split)


def _of_sampler(sampler: Sampler, path: Path, config: RunConfig, protocol: Protocol) -> _Generated:
    total = protocol.num_generated
    provenance = {**provenance_of(config), "iteration": config.iterations}
    if "config_hash" in sampler.metadata:  # of the run, whatever data it is measured against
        provenance["config_hash"] = sampler.metadata["config_hash"]
    batches = sampler.batches(total, protocol.seed)
    title = f"{sampler.title()} ({path})"
    return _Generated("saved_model", title, batches, total, provenance)


def _of_images(
    judged: LabelledImages, path: Path, config: RunConfig | None, limit: int | None
) -> _Generated:
    order = numpy_generator(0, "judged images").permutation(len(judged))[:limit]
    provenance = {
        **dict.fromkeys(("dataset", "split", "target"), ""),
        **(provenance_of(config) if config else {}),
        "objective": str(path),
        "config_hash": judged.fingerprint[:10],
        "seed": 0,
        "iteration": 0,
    }
    return _Generated("images", str(path), image_batches(judged, order), len(order), provenance)


def _reference_title(config: RunConfig, evaluator: Evaluator) -> str:
    which = {"positive": provenance_of(config)["target"], "all": "all"}
    return f"real {config.dataset}, {which[evaluator.protocol.reference]}"


def _notes(
    sampler: Sampler | None, data: LabelledImages | None, evaluation: Evaluation
) -> tuple[str, ...]:
    notes = dict.fromkeys(m.note for m in evaluation.measurements if m.note)
    trained_on = sampler.metadata.get("data_fingerprint") if sampler else None
    if data is not None and trained_on not in (None, data.fingerprint):
        notes["the images of the data set are not those that the generator was trained on"] = None
    return tuple(notes)


# ----- what is shown and written ------------------------------------------------------------------


def as_table(found: Assessment) -> str:
    """The measurements as aligned lines."""
    measured = found.evaluation
    lines = [
        f"generated: {found.generated}, {measured.n_generated:,} images",
        f"real:      {found.reference}, {measured.n_reference:,} images",
        f"embedding: {found.rows[0].embedding}   protocol: {found.rows[0].protocol}   "
        f"seconds: {measured.seconds:.1f}",
        "",
    ]
    numbers = {note: k for k, note in enumerate(found.notes, start=1)}
    cells = [
        (
            m.metric,
            "-" if m.value is None else f"{m.value:.5g}",
            "" if m.std is None else f"± {m.std:.2g}",
            f"[{numbers[m.note]}]" if m.note else "",
        )
        for m in measured.measurements
    ]
    lines.append(aligned(cells))
    lines += [f"[{k}] {note}" for note, k in numbers.items()]
    return "\n".join(lines)


def write(found: Assessment, out: Path) -> list[Path]:
    """Appends the rows to metrics.csv in `out` and draws the plots; returns the paths.

    Raises:
        OSError: nothing can be written there.
    """
    written = [out / "metrics.csv"]
    append_rows(written[0], found.rows)
    label = found.rows[0].objective
    measured = found.evaluation
    if measured.prd is not None:
        written += [out / "prd.csv", out / "prd.png", out / "prd.pdf"]
        save_curve(written[1], measured.prd)
        for path in written[2:4]:
            plotting.save_prd(path, {label: measured.prd})
    if len(measured.shares):
        columns = {"generated": measured.shares, "real": measured.real_shares}
        names = found.class_names
        path = out / "classes.csv"
        rows = zip(names, *(values.tolist() for values in columns.values()), strict=True)
        write_csv(path, [dict(zip(("class", *columns), row, strict=True)) for row in rows])
        written.append(path)
        for suffix in ("png", "pdf"):
            written.append(out / f"classes.{suffix}")
            plotting.save_shares(written[-1], names, columns)
    return written
