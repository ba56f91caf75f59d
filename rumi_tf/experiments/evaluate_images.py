"""Measures a SavedModel, or images from anywhere, and writes what was found."""

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
from rumi_tf.evaluation.evaluator import Evaluation, Evaluator, provenance_of, wanted_classes
from rumi_tf.evaluation.features import describe, reference_features
from rumi_tf.evaluation.protocols import Protocol, protocol_for
from rumi_tf.evaluation.results import Row, append_rows, check_rows, write_curve
from rumi_tf.export.sampler import Sampler, evaluation_batches, load_sampler
from rumi_tf.runs import resolve
from rumi_tf.training import build
from rumi_tf.utils.console import aligned
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import digest_of, remove_leftovers, write_csv
from rumi_tf.utils.rng import numpy_generator


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
    """Images to be measured: a stream of them, how many, where from, and of which classes."""

    flag: str
    title: str
    batches: Iterable[np.ndarray]
    total: int
    provenance: dict[str, str | int]
    notes: list[str]
    labels: Sequence[int] | None = None


# What says which images of a data set are meant: given anew, it takes the place of all that a
# SavedModel's run was given.
_CHOICE = ("dataset", "split", "minority_class", "positive_classes", "negative_classes",
           "attribute")  # fmt: skip


def assess(
    *,
    saved_model: Path | None,
    images: Path | None,
    reference: Path | None,
    given: Mapping[str, Any],
    image_range: str | None = None,
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
    known = _trained_with(sampler)
    config = _config(known, given, needs_data=reference is None)
    data = split = None
    if config is not None:
        config = resolve.resolve(config)
        data, split = build.prepare(config)
    else:
        config = RunConfig(**{"embedding": "inception", **given})
    channels = data.image_shape[-1] if data is not None else None
    judged = load_unlabelled("images", images, image_range, channels) if images else None
    real = load_unlabelled("reference", reference, image_range, channels) if reference else None
    if data is not None:
        for flag, shape in (
            ("images", judged.image_shape if judged else None),
            ("reference", real.image_shape if real else None),
            ("saved_model", (sampler and tuple(sampler.metadata.get("image_shape", ()))) or None),
        ):
            _check_shape(flag, shape, data)
    evaluator = _evaluator(config, data, split, real, reference, refresh)
    if sampler:
        generated = _of_sampler(sampler, saved_model, known, config, evaluator, data)
    else:
        generated = _of_images(judged, images, config if data else None, evaluator.protocol)
    try:
        evaluation = evaluator(
            generated.batches, total=generated.total, labels=generated.labels,
            extrapolate=extrapolate,
        )  # fmt: skip
    except ValueError as error:
        raise InvalidInput(generated.flag, str(error)) from error
    notes = [*generated.notes, *(m.note for m in evaluation.measurements)]
    rows = [
        dataclasses.replace(row, note="; ".join(filter(None, [row.note, *generated.notes])))
        for row in evaluator.rows(evaluation, **generated.provenance)
    ]
    return Assessment(
        generated.title, evaluator.reference_name, evaluation, rows,
        evaluator.embedding.class_names, tuple(dict.fromkeys(filter(None, notes))),
    )  # fmt: skip


def _trained_with(sampler: Sampler | None) -> RunConfig | None:
    """The configuration that a SavedModel was trained with, if it says so."""
    known = sampler.metadata.get("config") if sampler else None
    if known is None:
        return None
    try:
        return RunConfig.from_json(json.dumps(known))
    except ValueError as error:
        raise InvalidInput("saved_model", f"its configuration is damaged: {error}") from error


def _check_shape(flag: str, shape: Sequence[int] | None, data: LabelledImages) -> None:
    """Raises now what the classifier of the data set would raise once it is trained."""
    if shape is not None and shape != tuple(data.image_shape):
        raise InvalidInput(
            flag,
            f"images are {describe(shape)}, those of the data set {describe(data.image_shape)}",
        )


def _config(
    known: RunConfig | None, given: Mapping[str, Any], needs_data: bool
) -> RunConfig | None:
    """That of the SavedModel, with what was given in its place; else what was given.

    `None` if no data set is known and none is needed.
    """
    if known is None and "dataset" not in given:
        if needs_data:
            raise InvalidInput("dataset", "it is not known what to compare with; name the data set")
        for field in dataclasses.fields(RunConfig):
            if field.name in given and field.metadata["section"] == "Data":
                raise InvalidInput(field.name, "has no effect without --dataset")
        return None
    if known is None:
        return RunConfig(**given)
    # Of the network nothing is needed but that it fits the images that it is compared with.
    reset = {"protocol", "embedding", "eval_samples", "inception_weights", "cache_dir", "network"}
    if any(name in given for name in _CHOICE):
        reset |= {f.name for f in dataclasses.fields(RunConfig) if f.metadata["section"] == "Data"}
        reset -= {"dataset"} if "dataset" in given else {"dataset", "data_dir", "image_size"}
    defaults = {f.name: f.default for f in dataclasses.fields(RunConfig) if f.name in reset}
    return dataclasses.replace(known, **{**defaults, "runs_dir": "runs", **given})


def _evaluator(
    config: RunConfig,
    data: LabelledImages | None,
    split: Split | None,
    real: LabelledImages | None,
    path: Path | None,
    refresh: bool,
) -> Evaluator:
    if real is None:
        return Evaluator.for_run(config, data, split, refresh)
    if config.protocol != "auto":
        raise InvalidInput("protocol", "has no effect with --reference")
    # Counts as of the papers; all images of the reference, whatever they are.
    protocol = dataclasses.replace(
        protocol_for(config), name="images", num_reference=None, reference="all"
    )
    embedding = load_embedding(config, data, protocol.embedding, refresh)
    order = protocol.reference_indices(real.labels, Split((), (), {}))
    try:
        features = reference_features(
            embedding, real, order, protocol, cache_dir=cache_directory(config), refresh=refresh
        )
    except ValueError as error:
        raise InvalidInput("reference", str(error)) from error
    return Evaluator(protocol, embedding, features, split, f"{path} {real.fingerprint[:10]}")


def _of_sampler(
    sampler: Sampler,
    path: Path,
    known: RunConfig | None,
    config: RunConfig,
    evaluator: Evaluator,
    data: LabelledImages | None,
) -> _Generated:
    """Images of a SavedModel, from the noise that its run's own evaluation had."""
    total, notes = evaluator.protocol.num_generated, []
    provenance: dict[str, Any] = _foreign(
        str(path), digest_of(path / "saved_model.pb"), config if data else None
    )
    if known is not None:
        trained = {k: provenance_of(known)[k] for k in ("objective", "config_hash", "seed")}
        provenance |= {**trained, "iteration": sampler.iteration or known.iterations}
        if data is not None and sampler.metadata.get("data_fingerprint") != data.fingerprint:
            notes.append("the real images are not of the data that the generator was trained on")
    labels = None
    if sampler.conditional:
        labels = (
            wanted_classes(evaluator.protocol, evaluator.split)
            if evaluator.split
            else range(int(sampler.metadata.get("num_classes", 1)))
        )
    batches = evaluation_batches(
        sampler.generate, sampler.latent_dim, total, provenance["seed"], provenance["iteration"],
        labels,
    )  # fmt: skip
    title = f"{sampler.title()} ({path})"
    return _Generated("saved_model", title, batches, total, provenance, notes, labels)


def _of_images(
    judged: LabelledImages, path: Path, config: RunConfig | None, protocol: Protocol
) -> _Generated:
    order = numpy_generator(protocol.seed, "judged images").permutation(len(judged))
    order, notes = order[: protocol.num_generated], []
    if len(order) < protocol.num_generated:
        notes.append(f"the protocol asks for {protocol.num_generated:,} generated images")
    provenance = _foreign(str(path), judged.fingerprint, config)
    batches = image_batches(judged, order)
    return _Generated("images", str(path), batches, len(order), provenance, notes)


def _foreign(path: str, digest: str, config: RunConfig | None) -> dict[str, str | int]:
    """Provenance of images that are no run's."""
    return {
        **dict.fromkeys(("dataset", "split", "target"), ""),
        **(provenance_of(config) if config else {}),
        "objective": path,
        "config_hash": digest[:10],
        "seed": 0,
        "iteration": 0,
    }


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
    """Adds the rows to metrics.csv in `out` and draws the plots; returns the paths.

    Curves and plots are named by the hash of what was measured, so that those of other images
    stay.

    Raises:
        OSError: nothing can be written there.
    """
    remove_leftovers(out)
    append_rows(out / "metrics.csv", found.rows)
    written = [out / "metrics.csv"]
    first = found.rows[0]
    name, label = first.config_hash, Path(first.objective).name[-40:]
    if first.iteration:  # of a run there may be two generators
        name += f"_{first.iteration}"
    measured = found.evaluation
    if measured.prd is not None:
        paths = [out / f"prd_{name}.{suffix}" for suffix in ("csv", "png", "pdf")]
        write_curve(paths[0], measured.prd)
        for path in paths[1:]:
            plotting.save_prd(path, {label.lstrip("_"): measured.prd})
        written += paths
    if len(measured.shares):
        paths = [out / f"classes_{name}.{suffix}" for suffix in ("csv", "png", "pdf")]
        columns = {"generated": measured.shares, "real": measured.real_shares}
        names = found.class_names
        rows = zip(names, *(values.tolist() for values in columns.values()), strict=True)
        write_csv(paths[0], [dict(zip(("class", *columns), row, strict=True)) for row in rows])
        for path in paths[1:]:
            plotting.save_shares(path, [shortened(n) for n in names], columns)
        written += paths
    return written


def shortened(name: str, limit: int = 24) -> str:
    """A name that fits under a bar."""
    return name if len(name) <= limit else f"{name[: limit - 3]}..."


def check_output(out: Path) -> None:
    """Raises `InvalidInput` if `write` could not add to what is in `out`."""
    try:
        check_rows(out / "metrics.csv")
    except ValueError as error:
        raise InvalidInput("out", str(error)) from error
