"""Time of an iteration of Rumi-LSGAN against other ways to run it and against peak throughput."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from reproduce._benchmarks.steps import ITERATIONS, config_of, prepared, stepper
from reproduce._benchmarks.timing import Comparison, medians
from rumi_tf.config.run import RunConfig

MATRIX = 2048  # rows and columns of the matrices whose products measure peak throughput
AUGMENTATIONS = ("translation", "cutout")
TARGETS = {
    "eager": "at most 0.40",
    "fresh fakes": "at most 0.75",
    "float32": "at most 0.70",
    "no augmentation": "at most 1.15",
    "ceiling": "at most 1.25, which is 80% of the rate",
}


def comparisons(width: float, batch_size: int, repetitions: int) -> Iterator[Comparison]:
    """Yields a comparison with each baseline, in seconds per iteration.

    Each update of G follows two joint updates of D on the same generated images: the published
    code's update, twice.
    """
    values = {"width": width, "batch_size": batch_size, "d_schedule": "joint"}
    config = config_of("rumi_lsgan", **values)
    what = f"an iteration of Rumi-LSGAN, width {width:g}, batch {batch_size}"
    baselines: dict[str, Callable[[], tuple]] = {
        "eager": lambda: ("compiled", stepper(config), stepper(config, eager=True)),
        "fresh fakes": lambda: (
            "shared fakes",
            stepper(config),
            stepper(config_of("rumi_lsgan", fakes="fresh", **values)),
        ),
        "float32": lambda: (
            "mixed_bfloat16",
            stepper(config_of("rumi_lsgan", precision="mixed_bfloat16", **values)),
            stepper(config),
        ),
        "no augmentation": lambda: (
            "augmentation",
            stepper(config_of("rumi_lsgan", d_augment=AUGMENTATIONS, **values)),
            stepper(config),
        ),
        "no augmentation, no average": lambda: (
            "augmentation, average",
            stepper(
                config_of("rumi_lsgan", d_augment=AUGMENTATIONS, generator_ema=0.999, **values)
            ),
            stepper(config),
        ),
        "XLA": lambda: ("without XLA", stepper(config), stepper(config, jit_compile=True)),
    }  # fmt: skip
    for other, make in baselines.items():
        ours, step, base = make()
        results = medians(step, base, repetitions)
        seconds, other_seconds = (median / ITERATIONS for median, _ in results)
        yield Comparison(what, ours, other, seconds, other_seconds, TARGETS.get(other, "none"))
        del step, base
        gc.collect()
    yield _ceiling(config, what, repetitions)


def _ceiling(config: RunConfig, what: str, repetitions: int) -> Comparison:
    """Compares with products of large matrices that take the same number of operations."""
    floats = operations(config)
    left, right = (tf.random.stateless_normal((MATRIX, MATRIX), (0, k)) for k in range(2))
    multiply = tf.function(lambda: tf.reduce_sum(left @ right))
    float(multiply())
    (seconds, _), (product, _) = medians(stepper(config), lambda: float(multiply()), repetitions)
    ours, products = seconds / ITERATIONS, product * floats / (2 * MATRIX**3)
    share = f"{floats / 1e9:.1f} GFLOP at {products / ours:.0%} of the rate"
    return Comparison(
        what, "compiled", f"products of {MATRIX} x {MATRIX} matrices", ours, products,
        TARGETS["ceiling"], share,
    )  # fmt: skip


def operations(config: RunConfig) -> int:
    """Floating-point operations of an iteration, as counted by TensorFlow's profiler."""
    model, batches = prepared(config)
    return operations_of(model.train_step, next(batches))


def operations_of(function: Callable, *arguments: Any) -> int:
    """Floating-point operations of a function of tensors."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(
        tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    )
    options = options.with_empty_output().build()
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
