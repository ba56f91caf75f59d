"""Evaluates the generator of a run, while it is trained and afterwards."""

from collections.abc import Callable

import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.evaluation.evaluator import Evaluator, provenance_of, wanted_classes
from rumi_tf.evaluation.results import Row, append_rows, write_curve
from rumi_tf.export.sampler import evaluation_outputs
from rumi_tf.runs.directories import run_directory
from rumi_tf.runs.resolve import objective_class


def evaluation_identity(config: RunConfig, evaluator: Evaluator | None) -> str:
    """All that processes must have in common to evaluate together; empty if they do not."""
    if evaluator is None:
        return ""
    protocol, embedding = evaluator.protocol, evaluator.embedding
    return f"{config.eval_every} {protocol} {embedding.identity} {embedding.class_identity}"


def measurer(
    config: RunConfig, generate: Callable, evaluator: Evaluator, strategy: tf.distribute.Strategy
) -> Callable:
    """(iteration, whether it is the last) -> what `Evaluate` writes; from new noise each time.

    Args:
        config: resolved.
        generate: as `Sampler.generate`.
        evaluator: of the run.
        strategy: over whose devices images are generated and embedded.
    """
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


def measure_once(config: RunConfig, evaluator: Evaluator, generate: Callable) -> None:
    """Evaluates the generator of the last iteration and adds its rows to those of the run.

    On one device, of the chief.

    Args:
        config: resolved.
        evaluator: of the run.
        generate: as `Sampler.generate`, after the last iteration.
    """
    measure = measurer(config, generate, evaluator, tf.distribute.get_strategy())
    rows, prd = measure(config.iterations, True)
    if prd is not None:
        write_curve(run_directory(config) / "prd.csv", prd)
    # Last, since they say that it was measured.
    append_rows(run_directory(config) / "metrics.csv", rows)
