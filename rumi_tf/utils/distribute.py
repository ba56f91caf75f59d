"""Strategies of `tf.distribute`, and what tells several processes of one run apart."""

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
    """The strategy of a value of --strategy, the same one at every call.

    It must be made before TensorFlow does anything else, and `multi_worker` waits here until all
    workers are there.

    Args:
        name: `none`: the default device; `mirrored`: all GPUs, or all logical CPUs where there is
            no GPU; `multi_worker`: the processes that TF_CONFIG names.

    Raises:
        InvalidInput: `multi_worker` without a TF_CONFIG that names this process.
    """
    return _STRATEGIES[name]()


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> tf.distribute.Strategy:
    if "TF_CONFIG" not in os.environ:
        raise InvalidInput(
            "strategy", "multi_worker needs the environment variable TF_CONFIG, see the README"
        )
    address = _own_address(os.environ["TF_CONFIG"])
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


def _own_address(place: str) -> str:
    """host:port of this process by a TF_CONFIG; empty if that is none of workers."""
    try:
        known = json.loads(place)
        jobs, task = known["cluster"], known["task"]
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
    """Whether this process is the one, of those of the run, that writes the run's files."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    place = strategy.cluster_resolver
    return place.task_type == "chief" or (
        "chief" not in place.cluster_spec().jobs and place.task_id == 0
    )


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every process of the run is here."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        together = tf.function(lambda: strategy.reduce("SUM", strategy.run(_one), axis=None))
        together().numpy()


def check_agreement(strategy: tf.distribute.Strategy, **values: int | str) -> None:
    """Makes sure that all processes of the run have the same values, numbers or texts.

    Raises:
        InvalidInput: they have not; what they computed together would be of nothing.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    own = tf.constant([[_number(value) for value in values.values()]], tf.int64)
    gather = tf.function(lambda: strategy.gather(strategy.run(lambda: own), axis=0))
    for name, found in zip(values, gather().numpy().T, strict=True):
        if len(set(found.tolist())) > 1:
            raise InvalidInput(
                "strategy",
                f"the workers differ in their {name}; start all of them with the same flags and "
                "images, and shared --runs_dir and --cache_dir",
            )


def _number(value: int | str) -> int:
    """A number itself, or one of 60 bits that stands for a text."""
    if isinstance(value, int):
        return value
    return int(hashlib.sha256(value.encode()).hexdigest()[:15], 16)


def _one() -> tf.Tensor:
    return tf.constant(1.0)


def synchronise_batch_norm(network: keras.Model) -> None:
    """Lets batch normalisation see the whole batch instead of a replica's part."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
