"""Trains, resumes, evaluates and exports a run."""

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
from rumi_tf.runs.cards import write_cards
from rumi_tf.runs.directories import (
    check_writable,
    read_summary,
    run_directory,
    working_directory,
)
from rumi_tf.runs.log import best_iteration, best_weights_path, saved_best_iterations
from rumi_tf.runs.outputs import (
    check_finished,
    check_metrics_file,
    last_rows,
    sampler_of,
)
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
from rumi_tf.utils.tf_errors import translate_oom, without_retracing_warnings

NUM_SAMPLES = 64  # images of a sample grid; `sample_std` in log.csv is computed from the same ones
REAL_FOR_DIVERSITY = 1000


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        directory: run directory.
        summary: content of summary.json.
        reused: whether the run was finished before.
        notes: remarks for the user.
    """

    directory: Path
    summary: dict
    reused: bool
    notes: tuple[str, ...] = ()

    @property
    def saved_model(self) -> Path:
        """SavedModel of the generator, for `reproduce.sample`."""
        return self.directory / "saved_model"

    @property
    def best_saved_model(self) -> Path:
        """SavedModel of the evaluation with the lowest Fréchet distance, if there were any."""
        return self.directory / "saved_model_best"

    @property
    def last_grid(self) -> Path:
        """Sample grid of the last iteration."""
        return self.directory / "samples" / f"iteration_{self.summary['iterations']:06d}.png"


def train(config: RunConfig) -> Run:
    """Trains a run, resumes it, or returns it if it is finished.

    Args:
        config: resolved or not.

    Raises:
        InvalidInput: the configuration, the data or the output directory cannot be used. Nothing
            has been written.
        RunBusy: another process is training this run.
        RunDamaged: files of the run are damaged or missing.
        TrainingDiverged: a loss or weight became NaN or infinite.
        WorkerLost: another process of the run has ended.
        OutOfMemory: the device or the host ran out of memory.
    """
    config = resolve(config)
    try:
        # First, because TensorFlow connects to other workers before it does anything else.
        strategy = distribute.make_strategy(config.strategy)
        check_batch_divides(config, strategy.num_replicas_in_sync)
        oom = translate_oom("use a smaller --batch_size or --width")
        with oom, without_retracing_warnings():
            return _reused_or_trained(config, strategy)
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise WorkerLost(
            "another worker of this run has ended; start all workers again to continue from the "
            "last checkpoint"
        ) from error


@dataclasses.dataclass(frozen=True)
class _Work:
    """Everything that training needs, made before it starts.

    Attributes:
        config: resolved.
        place: directory that this process writes to; the run directory for the chief.
        images, split: training data.
        evaluator: evaluates the generator; `None` without evaluations.
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
        """Run directory."""
        return run_directory(self.config)

    @property
    def by_chief(self) -> bool:
        """Whether this process writes to the run directory."""
        return self.place == self.directory


def _reused_or_trained(config: RunConfig, strategy: tf.distribute.Strategy) -> Run:
    directory = run_directory(config)
    check_metrics_file(config)
    done = read_summary(directory, config.iterations)
    measured = not config.eval_every or bool(done and last_rows(config))
    if done:
        check_finished(config, done)
    if done and measured:
        return Run(directory, done, reused=True)
    images, split = prepare(config)
    check_writable(config.runs_dir)
    evaluator = None if measured else Evaluator.for_run(config, images, split)
    with working_directory(config, images, strategy) as place:
        done = read_summary(directory, config.iterations)
        if not done:
            return _train(_Work(config, place, images, split, evaluator, strategy))
        notes: tuple[str, ...] = ()
        # Only by the chief: the other workers may see other files.
        if evaluator is not None and place == directory and not last_rows(config):
            measure_once(config, evaluator, sampler_of(config).generate)
            write_cards(config, done)
            notes = ("the finished run was evaluated with these settings now",)
        return Run(directory, done, reused=True, notes=notes)


def _train(work: _Work) -> Run:
    """Trains from the last checkpoint, if there is one, to the end."""
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
    metadata = _metadata(work, shares)
    generator = model.inference_generator
    export_saved_model(generator, directory / "saved_model", metadata)
    export_keras(generator, directory / "generator.keras")
    if work.evaluator is not None and not last_rows(config):  # killed before
        measure_once(config, work.evaluator, model.sample)
    best = _export_best(directory, generator, metadata)
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
    write_cards(config, summary)
    write_json(directory / "summary.json", summary)  # last, since it marks the run as finished
    return Run(directory, summary, reused=False, notes=tuple(notes))


def _record_start(work: _Work) -> list[str]:
    """Records the environment, after checking that the run can continue in it; returns notes."""
    parts = work.strategy.num_replicas_in_sync
    starts = read_starts(work.directory / "environment.json")
    before = starts[0].get("replicas", parts) if starts else parts
    if before != parts and not work.config.sync_batch_norm:
        raise InvalidInput(
            "sync_batch_norm",
            f"is false, so the run depends on the number of devices; it was started on {before}, "
            f"and this machine has {parts}",
        )
    return record_environment(work.place / "environment.json", parts)


def _restore(work: _Work, model: AdversarialModel, checkpoints: Checkpoints) -> list[str]:
    """Restores the last checkpoint, if there is one; returns notes.

    Noise and batches are functions of the iteration, so nothing else has to be restored.
    """
    notes = [f"{name} is damaged and was skipped" for name in checkpoints.restore()]
    checkpoints.remove_parts()
    start, steps = int(model.iteration.numpy()), work.config.steps_per_execution
    distribute.check_agreement(
        work.strategy,
        iteration=start,
        settings=work.config.hash(),
        images=work.images.fingerprint,
        evaluation=evaluation_identity(work.config, work.evaluator),
        # All workers read running means together, so all must save at the same iterations.
        checkpoint_every=work.config.checkpoint_every,
        sample_every=work.config.sample_every,
    )
    if start % steps:
        raise InvalidInput(
            "steps_per_execution",
            f"is {steps}, which does not divide {start}, where the run continues",
        )
    return [*notes, f"resumed at iteration {start}"] if start else notes


def _fit(work: _Work, model: AdversarialModel, checkpoints: Checkpoints) -> Clock:
    """Trains to the last iteration; returns the `Clock` that timed it."""
    config, start = work.config, int(model.iteration.numpy())
    *callbacks, clock = _callbacks(work, model, checkpoints)
    if not work.by_chief:
        callbacks = [each for each in callbacks if not isinstance(each, Progress)]
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
    """Callbacks in the order of their calls; the last one is the `Clock`."""
    config, last = work.config, work.config.iterations
    noise = rng.normal((NUM_SAMPLES, config.latent_dim), config.seed, "grid", 0)
    labels = None
    if model.class_shares is not None:  # the positive classes in turn
        labels = tf.constant(
            np.resize(np.array(work.split.positive_classes, np.int32), NUM_SAMPLES)
        )
    generate = tf.function(lambda: model.sample(noise, labels))
    real = real_positives(work.images, work.split, REAL_FOR_DIVERSITY, config.seed)
    title = f"{config.objective}, {config.dataset} {config.minority_class or config.split}"
    images_per_iteration = config.batch_size * sum(len(u) - 1 for u in model.schedule.d_updates)

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

    log = RunLog(work.place, config.log_every, last, sample, diversity(real), board)
    return [
        StopOnNaN(periods, last, checkpoints),
        Progress(last, images_per_iteration, title, paused, log.diversity),
        log,
        SampleGrids(work.place, config.sample_every, last, sample, title, board),
        *evaluate,
        SaveCheckpoint(config.checkpoint_every, last, checkpoints),
        Clock(paused),
    ]


def _metadata(work: _Work, shares: np.ndarray | None) -> dict:
    """Metadata stored in the exported generator."""
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


def _export_best(directory: Path, generator: keras.Model, metadata: dict) -> int | None:
    """Exports the generator with the lowest Fréchet distance, if its weights were saved.

    Changes the generator's weights, and deletes the saved weights of other evaluations.

    Returns:
        Iteration of that evaluation, or `None`.

    Raises:
        RunDamaged: the saved weights cannot be read.
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
        raise RunDamaged(
            f"{path} is damaged ({error}); delete it to continue without it"
        ) from error
    export_saved_model(generator, directory / "saved_model_best", {**metadata, "iteration": best})
    for other in set(saved_best_iterations(directory)) - {best}:
        best_weights_path(directory, other).unlink()
    return best
