"""A run from its configuration to its files: resolve, prepare, train or resume, export."""

import dataclasses
import hashlib
from pathlib import Path

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
)
from rumi_tf.checkpoints import Checkpoints
from rumi_tf.config import RunConfig
from rumi_tf.data.images import LabelledImages, explain
from rumi_tf.data.splits import Split
from rumi_tf.environment import read_starts, record_environment
from rumi_tf.errors import InvalidInput, WorkerLost
from rumi_tf.evaluation import Evaluator
from rumi_tf.export import export_generator
from rumi_tf.files import (
    remove_temporaries,
    write_json,
)
from rumi_tf.measuring import generating, measure_once, measurer
from rumi_tf.model import AdversarialModel
from rumi_tf.refusals import memory_told
from rumi_tf.resolving import check_parts, resolve
from rumi_tf.run_files import check_writable, read_summary, run_directory, working_place
from rumi_tf.run_results import check_measured, last_rows, sampler_of

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
    check_measured(config)
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
    with working_place(config, images, strategy) as place:
        done = read_summary(directory, config.iterations)
        if done:
            notes: tuple[str, ...] = ()
            # By the chief alone: the others cannot know what it finds there by then.
            if evaluator is not None and place == directory and not last_rows(config):
                measure_once(config, evaluator, sampler_of(config).generate)
                notes = ("it had not been evaluated so; that was done now",)
            return Run(directory, done, reused=True, notes=notes)
        return _train(config, place, images, split, evaluator, strategy)


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
        measure_once(config, evaluator, generating(model))
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
        measure = measurer(config, generating(model), evaluator, strategy)
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
