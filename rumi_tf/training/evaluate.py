"""Evaluates the generator of a run, during training and afterwards."""

from collections.abc import Callable

import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.evaluator import Evaluator, provenance_of, requested_classes
from rumi_tf.evaluation.results import Row, append_rows, write_curve
from rumi_tf.export.sampler import evaluation_outputs
from rumi_tf.runs.directories import run_directory
from rumi_tf.runs.resolve import objective_class


def evaluation_identity(config: RunConfig, evaluator: Evaluator | None) -> str:
    """Settings that must agree between the workers of an evaluation; empty without one."""
    if evaluator is None:
        return ""
    protocol, embedding = evaluator.protocol, evaluator.embedding
    return f"{config.eval_every} {protocol} {embedding.identity} {embedding.class_identity}"


def measurer(
    config: RunConfig, generate: Callable, evaluator: Evaluator, strategy: tf.distribute.Strategy
) -> Callable:
    """Function of (iteration, whether it is the last) -> result rows and PRD curve.

    Each iteration has its own noise.

    Args:
        config: resolved.
        generate: like `Sampler.generate`.
        evaluator: evaluator of the run.
        strategy: divides generating and embedding over its devices.
    """
    total = evaluator.protocol.num_generated
    labels = None
    if objective_class(config).conditional:
        labels = requested_classes(evaluator.protocol, evaluator.split)
    outputs = evaluation_outputs(
        generate, evaluator.embedding.embed, config.latent_dim, config.seed, labels, strategy
    )

    def measure(iteration: int, last: bool) -> tuple[list[Row], tuple | None]:
        result = evaluator.evaluate_outputs(outputs(iteration, total), labels=labels, complete=last)
        return evaluator.rows(result, **provenance_of(config), iteration=iteration), result.prd

    return measure


def measure_once(config: RunConfig, evaluator: Evaluator, generate: Callable) -> None:
    """Evaluates the final generator and appends to metrics.csv, on one device of the chief.

    Args:
        config: resolved.
        evaluator: evaluator of the run.
        generate: like `Sampler.generate`, with the final weights.
    """
    measure = measurer(config, generate, evaluator, tf.distribute.get_strategy())
    rows, prd = measure(config.iterations, True)
    if prd is not None:
        write_curve(run_directory(config) / "prd.csv", prd)
    # Last, since these rows mark the evaluation as complete.
    append_rows(run_directory(config) / "metrics.csv", rows)
