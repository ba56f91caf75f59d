"""Creates `tf.distribute` strategies and coordinates the workers of a run."""

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rumi_tf.utils.errors import InvalidInput


@functools.cache
def make_strategy(name: str) -> tf.distribute.Strategy:
    """Creates the strategy for a value of --strategy, once per process.

    Must be called before TensorFlow does anything else. `multi_worker` blocks until all workers
    have started.

    Args:
        name: `none`: the default device; `mirrored`: all GPUs, or all logical CPUs if there is no
            GPU; `multi_worker`: the processes listed in TF_CONFIG.

    Raises:
        InvalidInput: `multi_worker`, and TF_CONFIG does not list this process, or its address
            cannot be used.
    """
    return _STRATEGIES[name]()


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> tf.distribute.Strategy:
    if "TF_CONFIG" not in os.environ:
        raise InvalidInput(
            "strategy",
            "multi_worker needs the environment variable TF_CONFIG, see docs/distributed.md",
        )
    address = _worker_address(os.environ["TF_CONFIG"])
    if not address:
        raise InvalidInput(
            "strategy",
            'TF_CONFIG is not {"cluster": {"worker": ["host:port", ...]}, "task": {"type": '
            '"worker", "index": i}} with i below the number of workers',
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.UnknownError as error:
        raise InvalidInput(
            "strategy",
            f"this worker cannot be reached at {address}, as TF_CONFIG says; if its port is in "
            "use, name a free one",
        ) from error


def _worker_address(tf_config: str) -> str:
    """host:port of this process; empty if TF_CONFIG is invalid or has other jobs than workers."""
    try:
        config = json.loads(tf_config)
        jobs, task = config["cluster"], config["task"]
        index = int(task["index"])
        if set(jobs) <= {"chief", "worker"} and all(map(_is_job, jobs.values())) and index >= 0:
            return jobs[task["type"]][index]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        pass
    return ""


def _is_job(addresses: Any) -> bool:
    return isinstance(addresses, list) and all(
        isinstance(address, str) and re.fullmatch(r"\S+:\d{1,5}", address) for address in addresses
    )


_STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "none": tf.distribute.get_strategy,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
}


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """True in the one process of the run that writes its files."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    resolver = strategy.cluster_resolver
    return resolver.task_type == "chief" or (
        "chief" not in resolver.cluster_spec().jobs and resolver.task_id == 0
    )


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Blocks until every process of the run has called it."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        barrier = tf.function(lambda: strategy.reduce("SUM", strategy.run(_one), axis=None))
        barrier().numpy()


def check_agreement(strategy: tf.distribute.Strategy, **values: int | str) -> None:
    """Makes sure that all processes of the run have the same values.

    Raises:
        InvalidInput: the workers disagree.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    local = tf.constant([[_number(value) for value in values.values()]], tf.int64)
    gather = tf.function(lambda: strategy.gather(strategy.run(lambda: local), axis=0))
    for name, gathered in zip(values, gather().numpy().T, strict=True):
        if len(set(gathered.tolist())) > 1:
            raise InvalidInput(
                "strategy",
                f"the workers differ in their {name}; start all of them with the same flags and "
                "images, and shared --runs_dir and --cache_dir",
            )


def _number(value: int | str) -> int:
    """An integer as it is; a 60-bit hash of a string."""
    if isinstance(value, int):
        return value
    return int(hashlib.sha256(value.encode()).hexdigest()[:15], 16)


def _one() -> tf.Tensor:
    return tf.constant(1.0)


def synchronise_batch_norm(network: keras.Model) -> None:
    """Makes batch normalisation use statistics of the whole batch, not of a replica's part."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
