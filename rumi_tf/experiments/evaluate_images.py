"""Evaluates images of a SavedModel, an array, a directory or an NPZ file; writes the results."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rumi_tf import plotting
from rumi_tf.config.run import RunConfig
from rumi_tf.data.arrays import load_unlabelled
from rumi_tf.data.dataset import LabelledImages
from rumi_tf.data.splits import Split
from rumi_tf.evaluation.embeddings import cache_directory, image_batches, load_embedding
from rumi_tf.evaluation.evaluator import Evaluation, Evaluator, provenance_of, requested_classes
from rumi_tf.evaluation.features import describe, reference_features
from rumi_tf.evaluation.protocols import Protocol, protocol_for
from rumi_tf.evaluation.results import Row, append_rows, check_rows, write_curve
from rumi_tf.export.sampler import Sampler, evaluation_batches, load_sampler
from rumi_tf.runs import resolve
from rumi_tf.training import build
from rumi_tf.utils.console import format_table
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import digest_of, remove_dead_temporaries, write_csv
from rumi_tf.utils.rng import numpy_generator


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """Results of an evaluation.

    Attributes:
        generated, reference: descriptions of the generated and of the real images.
        evaluation: the measurements.
        rows: the measurements with their provenance.
        class_names: names of the classes of the class shares.
        notes: messages for the user.
    """

    generated: str
    reference: str
    evaluation: Evaluation
    rows: list[Row]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Generated:
    """Images to evaluate.

    Attributes:
        flag: flag that names their source, for error messages.
        title: description of their source.
        batches: arrays (n, H, W, C) in [-1, 1].
        total: number of images.
        provenance: columns of their rows.
        notes: messages for the user.
        labels: classes that they were generated with, in turn.
    """

    flag: str
    title: str
    batches: Iterable[np.ndarray]
    total: int
    provenance: dict[str, str | int]
    notes: list[str]
    labels: Sequence[int] | None = None


# Fields that select images of a data set. Giving one resets the data fields of a SavedModel's run.
_SELECTION = ("dataset", "split", "minority_class", "positive_classes", "negative_classes",
              "attribute")  # fmt: skip


def evaluate(
    *,
    saved_model: Path | None,
    images: Path | np.ndarray | None,
    reference: Path | np.ndarray | None,
    given: Mapping[str, Any],
    value_range: str | Sequence[float] | None = None,
    extrapolate: bool = False,
    refresh: bool = False,
) -> EvaluationReport:
    """Evaluates the images of a SavedModel, an array, a directory or an NPZ file.

    Args:
        saved_model: directory of a SavedModel; give either this or `images`.
        images: array, directory of image files, or NPZ file; see `load_unlabelled`.
        reference: real images in the same forms; `None` takes those of the data set.
        given: fields of `RunConfig` that the user set; they override those of the SavedModel.
        value_range: value range of floating-point images in an array or NPZ file.
        extrapolate: whether to add the extrapolated Frechet distance.
        refresh: whether to recompute the classifier and the statistics of real images.

    Raises:
        InvalidInput: an input cannot be used; it names the flag.
    """
    sampler = load_sampler(saved_model) if saved_model else None
    trained = _trained_config(sampler)
    config = _evaluation_config(trained, given, needs_data=reference is None)
    data = split = None
    if config is not None:
        config = resolve.resolve(config)
        data, split = build.prepare(config)
    else:
        config = RunConfig(**{"embedding": "inception", **given})
    channels = data.image_shape[-1] if data is not None else None
    loaded, real = (
        None if source is None else load_unlabelled(flag, source, value_range, channels)
        for flag, source in (("images", images), ("reference", reference))
    )
    if data is not None:
        _check_shape("images", loaded.image_shape if loaded else None, data)
        _check_shape("reference", real.image_shape if real else None, data)
        trained_shape = sampler.metadata.get("image_shape") if sampler else None
        _check_shape("saved_model", trained_shape, data)
    evaluator = _evaluator(config, data, split, real, reference, refresh)
    data_config = config if data is not None else None
    if sampler:
        generated = _from_sampler(sampler, saved_model, trained, data_config, evaluator, data)
    else:
        generated = _from_files(loaded, images, data_config, evaluator.protocol)
    try:
        evaluation = evaluator(
            generated.batches, total=generated.total, labels=generated.labels,
            extrapolate=extrapolate,
        )  # fmt: skip
    except InvalidInput:
        raise
    except ValueError as error:
        raise InvalidInput(generated.flag, str(error)) from error
    return _report(generated, evaluator, evaluation)


def _report(
    generated: _Generated, evaluator: Evaluator, evaluation: Evaluation
) -> EvaluationReport:
    notes = [*generated.notes, *(m.note for m in evaluation.measurements)]
    rows = [
        dataclasses.replace(row, note="; ".join(filter(None, [row.note, *generated.notes])))
        for row in evaluator.rows(evaluation, **generated.provenance)
    ]
    return EvaluationReport(
        generated.title, evaluator.reference_name, evaluation, rows,
        evaluator.embedding.class_names, tuple(dict.fromkeys(filter(None, notes))),
    )  # fmt: skip


def _trained_config(sampler: Sampler | None) -> RunConfig | None:
    """Configuration that a SavedModel was trained with, if it is in the metadata."""
    values = sampler.metadata.get("config") if sampler else None
    if values is None:
        return None
    try:
        return RunConfig.from_json(json.dumps(values))
    except ValueError as error:
        raise InvalidInput("saved_model", f"has an invalid configuration: {error}") from error


def _check_shape(flag: str, shape: Sequence[int] | None, data: LabelledImages) -> None:
    """Raises before the classifier of the data set is trained if the images do not fit it."""
    if shape and tuple(shape) != tuple(data.image_shape):
        raise InvalidInput(
            flag,
            f"images are {describe(shape)}, but the data set has {describe(data.image_shape)}",
        )


def _evaluation_config(
    trained: RunConfig | None, given: Mapping[str, Any], needs_data: bool
) -> RunConfig | None:
    """Configuration of the evaluation: the SavedModel's, overridden by the given fields.

    `None` if no data set is named and none is needed.
    """
    if trained is None and "dataset" not in given:
        if needs_data:
            raise InvalidInput("dataset", "name the data set to compare with, or give --reference")
        for field in dataclasses.fields(RunConfig):
            if field.name in given and RunConfig.section_of(field.name) == "Data":
                raise InvalidInput(field.name, "has no effect without --dataset")
        return None
    if trained is None:
        return RunConfig(**given)
    # The network is reset: an evaluation only needs images of the right shape, checked elsewhere.
    reset = {"protocol", "embedding", "eval_samples", "inception_weights", "cache_dir", "network"}
    if any(name in given for name in _SELECTION):
        names = [f.name for f in dataclasses.fields(RunConfig)]
        reset |= {name for name in names if RunConfig.section_of(name) == "Data"}
        reset -= {"dataset"} if "dataset" in given else {"dataset", "data_dir", "image_size"}
    defaults = {f.name: f.default for f in dataclasses.fields(RunConfig) if f.name in reset}
    return dataclasses.replace(trained, **{**defaults, "runs_dir": "runs", **given})


def _evaluator(
    config: RunConfig,
    data: LabelledImages | None,
    split: Split | None,
    real: LabelledImages | None,
    source: Path | np.ndarray | None,
    refresh: bool,
) -> Evaluator:
    if real is None:
        return Evaluator.for_run(config, data, split, refresh)
    if config.protocol != "auto":
        raise InvalidInput("protocol", "has no effect with --reference")
    # The protocol's counts, but all reference images, whatever their number and classes.
    protocol = dataclasses.replace(
        protocol_for(config), name="images", num_reference=None, reference="all"
    )
    embedding = load_embedding(config, data, protocol.embedding, refresh)
    order = protocol.reference_indices(real.labels, Split((), (), {}))
    try:
        features = reference_features(
            embedding, real, order, protocol, cache_dir=cache_directory(config), refresh=refresh
        )
    except InvalidInput:
        raise
    except ValueError as error:
        raise InvalidInput("reference", str(error)) from error
    name = f"{_name(source)} {real.fingerprint[:10]}"
    return Evaluator(protocol, embedding, features, split, name)


def _name(source: Path | np.ndarray | None) -> str:
    return "array" if isinstance(source, np.ndarray) else str(source)


def _from_sampler(
    sampler: Sampler,
    path: Path,
    trained: RunConfig | None,
    config: RunConfig | None,
    evaluator: Evaluator,
    data: LabelledImages | None,
) -> _Generated:
    """Images of a SavedModel, from the same noise as in an evaluation during its run."""
    total, notes = evaluator.protocol.num_generated, []
    digest = digest_of(path / "saved_model.pb")
    provenance: dict[str, Any] = _external_provenance(str(path), digest, config)
    if trained is not None:
        known = {k: provenance_of(trained)[k] for k in ("objective", "config_hash", "seed")}
        provenance |= {**known, "iteration": sampler.iteration or trained.iterations}
        if data is not None and sampler.metadata.get("data_fingerprint") != data.fingerprint:
            notes.append("the real images are not the data that the generator was trained on")
    labels = None
    if sampler.conditional:
        labels = (
            requested_classes(evaluator.protocol, evaluator.split)
            if evaluator.split
            else range(int(sampler.metadata.get("num_classes", 1)))
        )
    batches = evaluation_batches(
        sampler.generate, sampler.latent_dim, total, provenance["seed"], provenance["iteration"],
        labels,
    )  # fmt: skip
    title = f"{sampler.title()} ({path})"
    return _Generated("saved_model", title, batches, total, provenance, notes, labels)


def _from_files(
    images: LabelledImages,
    source: Path | np.ndarray,
    config: RunConfig | None,
    protocol: Protocol,
) -> _Generated:
    """A random sample of the images, as many as the protocol needs."""
    order = numpy_generator(protocol.seed, "judged images").permutation(len(images))
    order, notes = order[: protocol.num_generated], []
    if len(order) < protocol.num_generated:
        notes.append(f"the protocol asks for {protocol.num_generated:,} generated images")
    provenance = _external_provenance(_name(source), images.fingerprint, config)
    batches = image_batches(images, order)
    return _Generated("images", _name(source), batches, len(order), provenance, notes)


def _external_provenance(path: str, digest: str, config: RunConfig | None) -> dict[str, str | int]:
    """Provenance columns of images that do not come from a run."""
    return {
        **dict.fromkeys(("dataset", "split", "target"), ""),
        **(provenance_of(config) if config else {}),
        "objective": path,
        "config_hash": digest[:10],
        "seed": 0,
        "iteration": 0,
    }


# ----- output -------------------------------------------------------------------------------------


def as_table(report: EvaluationReport) -> str:
    """Formats the measurements as aligned lines."""
    evaluation = report.evaluation
    lines = [
        f"generated: {report.generated}, {evaluation.n_generated:,} images",
        f"real:      {report.reference}, {evaluation.n_reference:,} images",
        f"embedding: {report.rows[0].embedding}   protocol: {report.rows[0].protocol}   "
        f"seconds: {evaluation.seconds:.1f}",
        "",
    ]
    numbers = {note: k for k, note in enumerate(report.notes, start=1)}
    cells = [
        (
            m.metric,
            "-" if m.value is None else f"{m.value:.5g}",
            "" if m.std is None else f"± {m.std:.2g}",
            f"[{numbers[m.note]}]" if m.note else "",
        )
        for m in evaluation.measurements
    ]
    lines.append(format_table(cells))
    lines += [f"[{k}] {note}" for note, k in numbers.items()]
    return "\n".join(lines)


def write(report: EvaluationReport, out: Path) -> list[Path]:
    """Appends the rows to metrics.csv in `out` and draws the plots; returns the paths.

    The names of curves and plots contain the hash of the images, so that results of other images
    are not overwritten.

    Raises:
        OSError: `out` is not writable.
    """
    remove_dead_temporaries(out)
    append_rows(out / "metrics.csv", report.rows)
    written = [out / "metrics.csv"]
    first = report.rows[0]
    name, label = first.config_hash, Path(first.objective).name[-40:]
    if first.iteration:  # a run may have two generators
        name += f"_{first.iteration}"
    evaluation = report.evaluation
    if evaluation.prd is not None:
        csv_path, *plot_paths = [out / f"prd_{name}.{suffix}" for suffix in ("csv", "png", "pdf")]
        write_curve(csv_path, evaluation.prd)
        for path in plot_paths:
            plotting.save_prd(path, {label.lstrip("_"): evaluation.prd})
        written += [csv_path, *plot_paths]
    if len(evaluation.shares):
        csv_path, *plot_paths = [
            out / f"classes_{name}.{suffix}" for suffix in ("csv", "png", "pdf")
        ]
        columns = {"generated": evaluation.shares, "real": evaluation.real_shares}
        names = report.class_names
        rows = zip(names, *(values.tolist() for values in columns.values()), strict=True)
        write_csv(csv_path, [dict(zip(("class", *columns), row, strict=True)) for row in rows])
        for path in plot_paths:
            plotting.save_shares(path, [_shorten(n) for n in names], columns)
        written += [csv_path, *plot_paths]
    return written


def _shorten(name: str, limit: int = 24) -> str:
    """Cuts a class name to the width of a bar."""
    return name if len(name) <= limit else f"{name[: limit - 3]}..."


def check_output(out: Path) -> None:
    """Raises `InvalidInput` if `write` cannot append to metrics.csv in `out`."""
    try:
        check_rows(out / "metrics.csv")
    except ValueError as error:
        raise InvalidInput("out", str(error)) from error
