"""A run from its configuration to its files: built, trained or resumed, measured, exported."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.data.dataset import LabelledImages, translate_decoding_error
from rumi_tf.data.splits import Split
from rumi_tf.evaluation.evaluator import Evaluator
from rumi_tf.export.write import export_keras, export_saved_model
from rumi_tf.metrics.diversity import diversity
from rumi_tf.runs.directories import (
    check_writable,
    read_summary,
    run_directory,
    working_directory,
)
from rumi_tf.runs.log import best_iteration, best_weights_path, saved_best_iterations
from rumi_tf.runs.outputs import check_finished, check_metrics_file, last_rows, sampler_of
from rumi_tf.runs.resolve import check_batch_divides, resolve
from rumi_tf.training.build import (
    make_batches,
    make_class_shares,
    make_model,
    prepare,
    real_positives,
)
from rumi_tf.training.callbacks import (
    Callbacks,
    Clock,
    Evaluate,
    Progress,
    RunLog,
    SampleGrids,
    SaveCheckpoint,
    StopOnNaN,
    TensorBoard,
)
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.training.evaluate import evaluation_identity, measure_once, measurer
from rumi_tf.training.model import AdversarialModel
from rumi_tf.utils import distribute, rng
from rumi_tf.utils.environment import read_starts, record_environment
from rumi_tf.utils.errors import InvalidInput, RunDamaged, WorkerLost
from rumi_tf.utils.io import read_csv, read_npz, remove_temporaries, write_json
from rumi_tf.utils.tf_errors import translate_oom

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
    def best_saved_model(self) -> Path:
        """The generator of the evaluation with the lowest FID; of runs that are evaluated while
        they are trained.
        """
        return self.directory / "saved_model_best"

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
    try:
        # Before TensorFlow does anything else: that is when it connects to other workers.
        strategy = distribute.make_strategy(config.strategy)
        check_batch_divides(config, strategy.num_replicas_in_sync)
        with translate_oom("a smaller --batch_size or --width needs less"):
            return _reused_or_trained(config, strategy)
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise WorkerLost(
            "another worker of this run has ended; start all of them again, and it goes on from "
            "its last checkpoint"
        ) from error


@dataclasses.dataclass(frozen=True)
class _Work:
    """What there is before a run is trained.

    Attributes:
        config: resolved.
        place: where this process writes: the run's directory, unless it is not the chief.
        images, split: what is to be learnt.
        evaluator: measures the generator; `None` if that is not asked for.
        strategy: divides a batch over devices.
    """

    config: RunConfig
    place: Path
    images: LabelledImages
    split: Split
    evaluator: Evaluator | None
    strategy: tf.distribute.Strategy

    @property
    def directory(self) -> Path:
        """Of the run."""
        return run_directory(self.config)

    @property
    def by_chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.place == self.directory


def _reused_or_trained(config: RunConfig, strategy: tf.distribute.Strategy) -> Run:
    directory = run_directory(config)
    check_metrics_file(config)
    done = read_summary(directory, config.iterations)
    # Anybody can change a folder, so there a finished run counts only for the same images.
    measured = not config.eval_every or bool(done and last_rows(config))
    if done:
        check_finished(config, done)
    if done and measured and config.dataset != "folder":
        return Run(directory, done, reused=True)
    images, split = prepare(config)
    check_writable(config.runs_dir)
    evaluator = None if measured else Evaluator.for_run(config, images, split)
    with working_directory(config, images, strategy) as place:
        done = read_summary(directory, config.iterations)
        if not done:
            return _train(_Work(config, place, images, split, evaluator, strategy))
        notes: tuple[str, ...] = ()
        # By the chief alone: the others cannot know what it finds there by then.
        if evaluator is not None and place == directory and not last_rows(config):
            measure_once(config, evaluator, sampler_of(config).generate)
            notes = ("it had not been evaluated so; that was done now",)
        return Run(directory, done, reused=True, notes=notes)


def _train(work: _Work) -> Run:
    """Goes on from the last checkpoint, if there is one, to the end."""
    config, directory, images = work.config, work.directory, work.images
    remove_temporaries(work.place)
    notes = [images.note] if images.note else []
    notes += _record_start(work)
    shares = make_class_shares(config, images, work.split)
    with work.strategy.scope():
        model = make_model(config, images.image_shape, shares)
    checkpoints = Checkpoints(directory / "checkpoints", model.state(), work.place / "checkpoints")
    notes += _restore(work, model, checkpoints)
    start = int(model.iteration.numpy())
    clock = _fit(work, model, checkpoints)
    if not work.by_chief:
        return Run(directory, {"iterations": config.iterations}, reused=False, notes=tuple(notes))
    known = _known_to_users(work, shares)
    generator = model.inference_generator
    export_saved_model(generator, directory / "saved_model", known)
    export_keras(generator, directory / "generator.keras")
    if work.evaluator is not None and not last_rows(config):  # killed after the last checkpoint
        measure_once(config, work.evaluator, model.sample)
    best = _export_best(directory, generator, known)
    summary = {
        "iterations": config.iterations,
        "resumed_at": start,
        "iterations_timed": clock.iterations,
        "milliseconds_per_iteration": clock.milliseconds(),
        "seconds_evaluating": clock.paused(),
        "positives": len(work.split.indices["positive"]),
        "negatives": len(work.split.indices["negative"]),
        "best_iteration": best,
    }
    write_json(directory / "summary.json", summary)
    return Run(directory, summary, reused=False, notes=tuple(notes))


def _record_start(work: _Work) -> list[str]:
    """Writes the environment down, if the run can go on in it; returns what is to be noted."""
    parts = work.strategy.num_replicas_in_sync
    starts = read_starts(work.directory / "environment.json")
    before = starts[0].get("replicas", parts) if starts else parts
    if before != parts and not work.config.sync_batch_norm:
        raise InvalidInput(
            "sync_batch_norm",
            f"is false, so that a run depends on the number of devices; this one was begun on "
            f"{before}, here are {parts}",
        )
    return record_environment(work.place / "environment.json", parts)


def _restore(work: _Work, model: AdversarialModel, checkpoints: Checkpoints) -> list[str]:
    """Takes the state from the last checkpoint, if there is one; returns what is to be noted."""
    notes = [f"{name} was damaged and passed over" for name in checkpoints.restore()]
    checkpoints.remove_parts()
    start, steps = int(model.iteration.numpy()), work.config.steps_per_execution
    distribute.check_agreement(
        work.strategy,
        iteration=start,
        settings=work.config.hash(),
        images=work.images.fingerprint,
        evaluation=evaluation_identity(work.config, work.evaluator),
        # Running means are read together, so all must write down at the same iterations.
        checkpoint_every=work.config.checkpoint_every,
        sample_every=work.config.sample_every,
    )
    if start % steps:
        raise InvalidInput(
            "steps_per_execution",
            f"is {steps}, and the run stands at iteration {start}, which is no multiple of it",
        )
    return [*notes, f"resumed at iteration {start}"] if start else notes


def _fit(work: _Work, model: AdversarialModel, checkpoints: Checkpoints) -> Clock:
    """Trains to the last iteration, if the model is not there yet; returns what timed it."""
    config, start = work.config, int(model.iteration.numpy())
    *callbacks, clock = _callbacks(work, model, checkpoints)
    if not work.by_chief:
        callbacks = [own for own in callbacks if not isinstance(own, Progress)]
    if start >= config.iterations:
        return clock
    try:
        model.fit(
            make_batches(config, model, work.images, work.split, start),
            steps_per_epoch=config.iterations - start,
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=Callbacks([*callbacks, clock], add_history=True, model=model),
        )
    except (tf.errors.UnavailableError, tf.errors.AbortedError):
        raise  # another worker is lost
    except tf.errors.OpError as error:
        translate_decoding_error(error, work.images)
    return clock


def _callbacks(
    work: _Work, model: AdversarialModel, checkpoints: Checkpoints
) -> list[keras.callbacks.Callback]:
    """In the order in which they are to be called; the last one is the `Clock`."""
    config, last = work.config, work.config.iterations
    noise = rng.normal((GRID, config.latent_dim), config.seed, "grid", 0)
    labels = None
    if model.class_shares is not None:  # the classes that are wanted, in turn
        labels = tf.constant(np.resize(np.array(work.split.positive_classes, np.int32), GRID))
    generate = tf.function(lambda: model.sample(noise, labels))
    real = real_positives(work.images, work.split, REAL_FOR_DIVERSITY, config.seed)
    what = config.minority_class or config.split
    title = f"{config.objective}, {config.dataset} {what}"
    taken = config.batch_size * sum(len(u) - 1 for u in model.schedule.updates)

    def sample() -> np.ndarray:
        return generate().numpy()

    board = TensorBoard(work.place)
    evaluate, periods = [], [config.log_every, config.sample_every, config.checkpoint_every]
    if work.evaluator is not None:
        measure = measurer(config, model.sample, work.evaluator, model.distribute_strategy)
        evaluate = [Evaluate(work.place, config.eval_every, last, measure, board, checkpoints)]
        periods.append(config.eval_every)

    def paused() -> float:
        return sum(callback.seconds for callback in evaluate)

    return [
        StopOnNaN(periods, last, checkpoints),
        Progress(last, taken, title, paused),
        RunLog(work.place, config.log_every, last, sample, diversity(real), board),
        SampleGrids(work.place, config.sample_every, last, sample, title, board),
        *evaluate,
        SaveCheckpoint(config.checkpoint_every, last, checkpoints),
        Clock(paused),
    ]


def _known_to_users(work: _Work, shares: np.ndarray | None) -> dict:
    """What somebody should know who has the generator alone."""
    images, split = work.images, work.split
    return {
        "config": dataclasses.asdict(work.config),
        "config_hash": work.config.hash(),
        "iteration": work.config.iterations,
        "data_fingerprint": images.fingerprint,
        "image_shape": list(images.image_shape),
        "class_names": list(images.class_names),
        "num_classes": len(images.class_names),
        "trained_classes": [] if shares is None else np.flatnonzero(shares).tolist(),
        "positive_classes": list(split.positive_classes),
        "negative_classes": list(split.negative_classes),
    }


def _export_best(directory: Path, generator: keras.Model, known: dict) -> int | None:
    """Exports the generator of the evaluation with the lowest FID, if its weights were kept.

    Changes the generator's weights. Of those that were kept the best alone stay.

    Returns:
        The iteration of that evaluation.

    Raises:
        RunDamaged: its weights cannot be used.
    """
    best = best_iteration(read_csv(directory / "metrics.csv"))
    if best is None or best not in saved_best_iterations(directory):
        return None
    path = best_weights_path(directory, best)
    try:
        weights = read_npz(path)
        for k, variable in enumerate(generator.variables):
            variable.assign(weights[f"arr_{k}"])
    except (OSError, ValueError, KeyError) as error:
        raise RunDamaged(f"{path} is damaged ({error}); delete it to go on without it") from error
    export_saved_model(generator, directory / "saved_model_best", {**known, "iteration": best})
    for other in set(saved_best_iterations(directory)) - {best}:
        best_weights_path(directory, other).unlink()
    return best
