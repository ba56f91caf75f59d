"""A run from its configuration to its files: resolve, prepare, train or resume, export."""

import contextlib
import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import keras
import numpy as np
import tensorflow as tf

from rumi_tf import randomness, workers
from rumi_tf.building import make_batches, make_class_shares, make_model, prepare, real_positives
from rumi_tf.callbacks import (
    Clock,
    Evaluate,
    Progress,
    RunLog,
    SampleGrids,
    SaveCheckpoint,
    StopOnNaN,
    TensorBoard,
    diversity,
    rows_until,
)
from rumi_tf.checkpoints import Checkpoints
from rumi_tf.config import RunConfig
from rumi_tf.data.images import LabelledImages, explain
from rumi_tf.data.splits import Split
from rumi_tf.environment import read_starts, record_environment
from rumi_tf.errors import InvalidInput, RunBusy, RunDamaged, WorkerLost
from rumi_tf.evaluation import Evaluator, provenance_of, wanted_classes
from rumi_tf.export import export_generator
from rumi_tf.files import (
    is_foreseen,
    read_json,
    remove_temporaries,
    write_json,
    write_text,
)
from rumi_tf.metrics import prd_f_scores
from rumi_tf.model import AdversarialModel
from rumi_tf.protocols import protocol_for
from rumi_tf.refusals import memory_told
from rumi_tf.resolving import check_parts, objective_class, resolve
from rumi_tf.results import (
    Row,
    append_rows,
    by_evaluation,
    check_rows,
    read_curve,
    read_rows,
    write_curve,
)
from rumi_tf.sampling import Sampler, evaluation_outputs, load_sampler

GRID = 64  # images in a sample grid, and in the measure of diversity
REAL_FOR_DIVERSITY = 1000


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        directory: where its files are.
        summary: what summary.json says.
        reused: whether it had been finished before.
        notes: what the user should know about how it went.
    """

    directory: Path
    summary: dict
    reused: bool
    notes: tuple[str, ...] = ()

    @property
    def saved_model(self) -> Path:
        """The exported generator, for `reproduce.sample`."""
        return self.directory / "saved_model"

    @property
    def last_grid(self) -> Path:
        """The sample grid of the last iteration."""
        return self.directory / "samples" / f"iteration_{self.summary['iterations']:06d}.png"


def run_directory(config: RunConfig) -> Path:
    """Where the run of a resolved configuration lives."""
    return Path(config.runs_dir) / config.name()


def train(config: RunConfig) -> Run:
    """Trains the run that `config` describes, resumes it, or returns it if it is finished.

    Args:
        config: resolved or not.

    Raises:
        InvalidInput: the configuration, the data or the output directory cannot be used; nothing
            has been written.
        RunBusy: another process is training this run.
        RunDamaged: what the run left on disk cannot be used.
        TrainingDiverged: a loss or weight became NaN or infinite.
        WorkerLost: another process of the run has ended.
        OutOfMemory: the device has too little memory.
    """
    config = resolve(config)
    # Before TensorFlow does anything else: that is when it connects to other workers.
    strategy = workers.make_strategy(config.strategy)
    check_parts(config, strategy.num_replicas_in_sync)
    try:
        with memory_told("a smaller --batch_size or --width needs less"):
            return _reused_or_trained(config, strategy)
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise WorkerLost(
            "another worker of this run has ended; start all of them again, and it goes on from "
            "its last checkpoint"
        ) from error


def _reused_or_trained(config: RunConfig, strategy: tf.distribute.Strategy) -> Run:
    directory = run_directory(config)
    _check_measured(config)
    done = read_summary(directory, config.iterations)
    # Anybody can change a folder, so there a finished run counts only for the same images.
    measured = not config.eval_every or bool(done and last_rows(config))
    if done and measured and config.dataset != "folder":
        return Run(directory, done, reused=True)
    images, split = prepare(config)
    check_writable(config.runs_dir)
    evaluator = None
    if not measured:
        evaluator = Evaluator.for_run(config, images, split)
    with _place(config, images, strategy) as place:
        done = read_summary(directory, config.iterations)
        if done:
            notes: tuple[str, ...] = ()
            # By the chief alone: the others cannot know what it finds there by then.
            if evaluator is not None and place == directory and not last_rows(config):
                _measure_once(config, evaluator, sampler_of(config).generate)
                notes = ("it had not been evaluated so; that was done now",)
            return Run(directory, done, reused=True, notes=notes)
        return _train(config, place, images, split, evaluator, strategy)


@contextlib.contextmanager
def _place(
    config: RunConfig, images: LabelledImages, strategy: tf.distribute.Strategy
) -> Iterator[Path]:
    """Where this process writes: the run's directory, claimed; if it is not the chief, elsewhere.

    All processes of a run do the same, since they compute some of what they write together.
    """
    directory = run_directory(config)
    if workers.is_chief(strategy):
        with locked(directory):
            _claim(config, directory, images)
            workers.wait_for_all(strategy)
            yield directory
            workers.wait_for_all(strategy)
    else:
        with tempfile.TemporaryDirectory() as elsewhere:
            workers.wait_for_all(strategy)
            yield Path(elsewhere)
            workers.wait_for_all(strategy)


def evaluations(config: RunConfig) -> dict[int, list[Row]]:
    """What was measured of a run, by iteration, in their order.

    Evaluations under another protocol, embedding or number of samples than the configuration asks
    for are left out; of several at one iteration the last counts. A file that is damaged has none.
    """
    protocol = protocol_for(config)
    try:
        rows: list[Row] = read_rows(run_directory(config) / "metrics.csv")
    except ValueError:
        return {}
    found: dict[int, list[Row]] = {}
    for evaluation in by_evaluation(rows):
        first = evaluation[0]
        if (
            first.protocol == protocol.name
            and first.n_generated == protocol.num_generated
            and first.embedding.startswith(f"{protocol.embedding}-")
        ):
            found[first.iteration] = evaluation
    return dict(sorted(found.items()))


def last_rows(config: RunConfig) -> list[Row]:
    """What `evaluations` finds of the last iteration; empty if it was not measured so."""
    return evaluations(config).get(config.iterations, [])


def last_curve(config: RunConfig) -> tuple[np.ndarray, np.ndarray] | None:
    """Precision and recall, each (n,), that belong to `last_rows`; `None` if they are not there.

    A run keeps the curve of one evaluation. Its F scores tell whether it is that of the rows.
    """
    values = {row.metric: row.value for row in last_rows(config)}
    try:
        curve = read_curve(run_directory(config) / "prd.csv")
        scores = prd_f_scores(*curve)
    except ValueError:
        return None
    measured = [values.get(name) for name in ("prd_f8", "prd_f1/8")]
    return curve if None not in measured and np.allclose(scores, measured, rtol=1e-9) else None


def _check_measured(config: RunConfig) -> None:
    """Raises now what would make rows that are added to metrics.csv be of no use."""
    try:
        if config.eval_every:
            check_rows(run_directory(config) / "metrics.csv")
    except ValueError as error:
        raise RunDamaged(f"{error}; delete it to go on without its rows") from error


def last_logged(config: RunConfig) -> dict[str, str]:
    """The last row of log.csv of a finished run.

    Raises:
        RunDamaged: there is none.
    """
    path = run_directory(config) / "log.csv"
    rows = rows_until(path, config.iterations)
    if not rows:
        raise RunDamaged(f"{path} has no rows")
    return rows[-1]


def sampler_of(config: RunConfig) -> Sampler:
    """The exported generator of a finished run.

    Raises:
        RunDamaged: it cannot be used.
    """
    directory = run_directory(config)
    try:
        return load_sampler(directory / "saved_model")
    except InvalidInput as error:
        raise RunDamaged(
            f"{error.problem}; delete {directory / 'summary.json'} and train once more, which "
            "exports it anew"
        ) from error


def _measure_once(config: RunConfig, evaluator: Evaluator, generate: Callable) -> None:
    """Evaluates the generator of the last iteration and adds its rows to those of the run.

    On one device, of the chief.
    """
    measure = _measurer(config, generate, evaluator, tf.distribute.get_strategy())
    rows, prd = measure(config.iterations, True)
    if prd is not None:
        write_curve(run_directory(config) / "prd.csv", prd)
    # Last, since they say that it was measured.
    append_rows(run_directory(config) / "metrics.csv", rows)


def _train(
    config: RunConfig,
    place: Path,
    images: LabelledImages,
    split: Split,
    evaluator: Evaluator | None,
    strategy: tf.distribute.Strategy,
) -> Run:
    directory = run_directory(config)
    remove_temporaries(place)
    starts = read_starts(directory / "environment.json")
    parts = strategy.num_replicas_in_sync
    if not config.sync_batch_norm and starts and starts[0].get("replicas", parts) != parts:
        raise InvalidInput(
            "sync_batch_norm",
            f"is false, so that a run depends on the number of devices; this one was begun on "
            f"{starts[0]['replicas']}, here are {parts}",
        )
    notes = [images.note] if images.note else []
    notes += record_environment(place / "environment.json", parts)
    shares = make_class_shares(config, images, split)
    with strategy.scope():
        model = make_model(config, images.image_shape, shares)
    checkpoints = Checkpoints(directory / "checkpoints", model.state(), place / "checkpoints")
    notes += [f"{name} was damaged and passed over" for name in checkpoints.restore()]
    checkpoints.remove_parts()
    start = int(model.iteration.numpy())
    workers.check_agreement(
        strategy, iteration=start, settings=_number(config.hash()),
        images=_number(images.fingerprint), evaluation=_evaluation_number(config, evaluator),
    )  # fmt: skip
    if start % config.steps_per_execution:
        raise InvalidInput(
            "steps_per_execution",
            f"is {config.steps_per_execution}, and the run stands at iteration {start}, which is "
            "no multiple of it",
        )
    if start:
        notes.append(f"resumed at iteration {start}")
    *callbacks, clock = _callbacks(config, place, model, checkpoints, images, split, evaluator)
    if place != directory:
        callbacks = [own for own in callbacks if not isinstance(own, Progress)]
    if start < config.iterations:
        try:
            model.fit(
                make_batches(config, model, images, split, start),
                steps_per_epoch=config.iterations - start,
                epochs=1,
                verbose=0,
                shuffle=False,
                callbacks=[*callbacks, clock],
            )
        except (tf.errors.UnavailableError, tf.errors.AbortedError):
            raise  # another worker is lost
        except tf.errors.OpError as error:
            explain(error, images)
    if place != directory:
        return Run(directory, {"iterations": config.iterations}, reused=False, notes=tuple(notes))
    export_generator(
        model.generator,
        directory / "saved_model",
        directory / "generator.keras",
        {
            "config": dataclasses.asdict(config),
            "config_hash": config.hash(),
            "data_fingerprint": images.fingerprint,
            "image_shape": list(images.image_shape),
            "class_names": list(images.class_names),
            "num_classes": len(images.class_names),
            "trained_classes": [] if shares is None else np.flatnonzero(shares).tolist(),
            "positive_classes": list(split.positive_classes),
            "negative_classes": list(split.negative_classes),
        },
    )
    if evaluator is not None and not last_rows(config):  # killed after the last checkpoint
        _measure_once(config, evaluator, _generating(model))
    summary = {
        "iterations": config.iterations,
        "resumed_at": start,
        "iterations_timed": clock.iterations,
        "milliseconds_per_iteration": clock.milliseconds(),
        "seconds_evaluating": clock.paused(),
        "positives": len(split.indices["positive"]),
        "negatives": len(split.indices["negative"]),
    }
    write_json(directory / "summary.json", summary)
    return Run(directory, summary, reused=False, notes=tuple(notes))


def _callbacks(
    config: RunConfig,
    directory: Path,
    model: AdversarialModel,
    checkpoints: Checkpoints,
    images: LabelledImages,
    split: Split,
    evaluator: Evaluator | None,
) -> list[keras.callbacks.Callback]:
    last = config.iterations
    noise = randomness.normal((GRID, config.latent_dim), config.seed, "grid", 0)
    labels = None
    if model.class_shares is not None:  # the classes that are wanted, in turn
        labels = tf.constant(np.resize(np.array(split.positive_classes, np.int32), GRID))
    generate = tf.function(lambda: model.images(noise, labels, training=False))
    real_std = diversity(real_positives(images, split, REAL_FOR_DIVERSITY, config.seed))
    what = config.minority_class or config.split
    title = f"{config.objective}, {config.dataset} {what}"
    taken = config.batch_size * sum(len(u) - 1 for u in model.schedule.updates)

    def sample() -> np.ndarray:
        return generate().numpy()

    board = TensorBoard(directory)
    evaluate = []
    if evaluator is not None:
        strategy = model.distribute_strategy
        measure = _measurer(config, _generating(model), evaluator, strategy)
        evaluate = [Evaluate(directory, config.eval_every, last, measure, board, checkpoints)]

    def paused() -> float:
        return sum(callback.seconds for callback in evaluate)

    return [
        StopOnNaN(checkpoints),
        Progress(last, taken, title, paused),
        RunLog(directory, config.log_every, last, sample, real_std, board),
        SampleGrids(directory, config.sample_every, last, sample, title, board),
        *evaluate,
        SaveCheckpoint(config.checkpoint_every, last, checkpoints),
        Clock(paused),
    ]


def _generating(model: AdversarialModel) -> Callable[..., tf.Tensor]:
    """(noise, and labels if the generator takes them) -> images, as a SavedModel has it."""
    return lambda noise, labels=None: model.images(noise, labels, training=False)


def _measurer(
    config: RunConfig, generate: Callable, evaluator: Evaluator, strategy: tf.distribute.Strategy
) -> Callable:
    """(iteration, whether it is the last) -> what `Evaluate` writes; from new noise each time."""
    total = evaluator.protocol.num_generated
    labels = None
    if objective_class(config).conditional:
        labels = wanted_classes(evaluator.protocol, evaluator.split)
    outputs = evaluation_outputs(
        generate, evaluator.embedding.embed, config.latent_dim, config.seed, labels, strategy
    )

    def measure(iteration: int, last: bool) -> tuple[list[Row], tuple | None]:
        found = evaluator.of_outputs(outputs(iteration, total), labels=labels, complete=last)
        return evaluator.rows(found, **provenance_of(config), iteration=iteration), found.prd

    return measure


def check_writable(runs_dir: str) -> None:
    """Raises `InvalidInput` before long work that could not be written down."""
    place = Path(runs_dir).resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK) or place.is_relative_to("/proc"):
        raise InvalidInput("runs_dir", f"cannot write to {runs_dir}: {place} is not writable")


def is_busy(config: RunConfig) -> bool:
    """Whether a process is working on the run of a resolved configuration right now."""
    path = run_directory(config) / "lock"
    try:
        with filelock.FileLock(path, timeout=0) if path.exists() else contextlib.nullcontext():
            return False
    except filelock.Timeout:
        return True


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Makes the directory and holds its lock; a killed holder's lock is free again.

    Raises:
        RunBusy: another process holds it.
        InvalidInput: it cannot be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / "lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise RunBusy(f"another process is working on {directory}; wait for it to end") from None
    except OSError as error:
        if not is_foreseen(error):
            raise
        raise InvalidInput("runs_dir", f"cannot write to {directory}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def _claim(config: RunConfig, directory: Path, images: LabelledImages) -> None:
    """Writes what the run is; raises if the directory holds another one or other data."""
    data = {"fingerprint": images.fingerprint, "images": len(images)}
    try:
        before = read_json(directory / "data.json")
        known = RunConfig.from_json((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_text(directory / "config.json", config.to_json())
        write_json(directory / "data.json", data)
        return
    except (ValueError, InvalidInput) as error:
        raise RunDamaged(f"config.json or data.json in {directory} is damaged: {error}") from error
    if known.identity() != config.identity():
        raise RunDamaged(f"{directory} belongs to a run with other settings; see its config.json")
    if before != data:
        raise RunDamaged(
            f"the images have changed since {directory} was begun; train with another --runs_dir, "
            "or delete that directory"
        )


def read_summary(directory: Path, iterations: int) -> dict | None:
    """What a run of so many iterations says of itself; `None` while it is not finished.

    A summary that is damaged is none: it is written anew by what goes on from the checkpoint.
    """
    try:
        found = read_json(directory / "summary.json")
        return found if found["iterations"] == iterations else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _number(text: str) -> int:
    """A 63-bit number that stands for a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _evaluation_number(config: RunConfig, evaluator: Evaluator | None) -> int:
    """A number that stands for all that processes must have in common to evaluate together."""
    if evaluator is None:
        return 0
    protocol, embedding = evaluator.protocol, evaluator.embedding
    return _number(
        f"{config.eval_every} {protocol} {embedding.identity} {embedding.class_identity}"
    )
