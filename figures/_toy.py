"""Trains a generator of points with the library's objectives and training step.

Near the equilibrium of a GAN the players circle around it. To reduce this, D learns faster than G
(two updates for one, at four times the rate and without momentum), so that it stays near its
optimum; G's learning rate decays to zero; and its weights are averaged over the last iterations.
"""

import keras
import numpy as np
import tensorflow as tf

from figures._mixtures import Mixture, Setting
from rumi_tf.objectives import OBJECTIVES, Objective
from rumi_tf.training.model import AdversarialModel, Schedule
from rumi_tf.utils import rng

LATENT, HIDDEN = 4, 64
BATCH, D_STEPS, G_RATE, D_RATE, MEAN_DECAY = 256, 2, 1e-3, 4e-3, 0.995
# Sampling noise alone puts a histogram at a total variation of 0.004 to 0.006 from the density for
# the 1D settings of figures._mixtures, and of 0.013 to 0.018 for the 2D ones.
SAMPLES = 200_000


class Layers(keras.Model):
    """A network of two hidden layers, (B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, seed: int, stream: str):
        super().__init__()
        seeds = rng.initializer_seeds(seed, stream, 3)
        initializers = [keras.initializers.HeNormal(number) for number in seeds]
        self.stack = keras.Sequential(
            [
                keras.layers.Dense(HIDDEN, "silu", kernel_initializer=initializers[0]),
                keras.layers.Dense(HIDDEN, "silu", kernel_initializer=initializers[1]),
                keras.layers.Dense(outputs, kernel_initializer=initializers[2]),
            ]
        )
        self.stack.build((None, inputs))
        self.built = True

    def call(self, x, training=False):
        """(B, outputs)."""
        return self.stack(x)


class PointGenerator(Layers):
    """(B, LATENT) noise -> (B, d) points."""

    latent_dim = LATENT


class PointDiscriminator(Layers):
    """(B, d) points -> `score`, (B,)."""

    def call(self, x, training=False):
        """The output `score`, (B,)."""
        return {"score": super().call(x)[:, 0]}


def learnt_density(setting: Setting, iterations: int, seed: int) -> np.ndarray:
    """Trains a generator and returns the density of its points, averaged over each cell.

    Deterministic on the same device.

    Returns:
        (n,) * d densities; points outside of the grid are missing from the integral.
    """
    generator = _train(setting, iterations, seed)
    counts: np.ndarray | float = 0.0
    chunk = 100_000
    for k in range(SAMPLES // chunk):
        points = generator(rng.normal((chunk, LATENT), seed, "toy/points", k)).numpy()
        counts = counts + np.histogramdd(points, [setting.edges] * points.shape[1])[0]
    return np.asarray(counts) / (SAMPLES * setting.volume)


def _train(setting: Setting, iterations: int, seed: int) -> PointGenerator:
    objective = OBJECTIVES[setting.objective](**setting.parameters)
    dimension = setting.positive.dimension
    generator = PointGenerator(LATENT, dimension, seed, "toy/generator")
    model = AdversarialModel(
        generator,
        PointDiscriminator(dimension, 1, seed, "toy/discriminator"),
        objective,
        Schedule(objective.schedule("joint", D_STEPS), "fresh"),
        batch_size=BATCH,
        seed=seed,
    )
    adam = {"beta_1": 0.0, "beta_2": 0.99}
    decay = keras.optimizers.schedules.CosineDecay(G_RATE, iterations)
    optimizer = keras.optimizers.Adam(decay, use_ema=True, ema_momentum=MEAN_DECAY, **adam)
    model.compile(optimizer, keras.optimizers.Adam(D_RATE, **adam))
    whole, rest = divmod(iterations, 50)
    for repeat, per_call in ((whole, 50), (1, rest)):
        start = iterations - rest if per_call == rest else 0
        if repeat * per_call:
            model.steps_per_execution = per_call  # calling a small step costs more than running it
            model.train_function = None
            model.fit(
                _batches(setting, objective, seed, start, start + repeat * per_call),
                verbose=0,
                shuffle=False,
            )
    optimizer.finalize_variable_values(generator.trainable_variables)
    return generator


def _batches(
    setting: Setting, objective: Objective, seed: int, start: int, stop: int
) -> tf.data.Dataset:
    """New points for every update of D, structured like `rumi_tf.data.pipeline.batch_stream`."""
    sources = {"positive": setting.positive, "negative": setting.negative}

    def iteration(step):
        return tuple(
            {
                role: {
                    "image": _points(sources[subset], seed, f"toy/{role}/{update}", step),
                    "label": tf.zeros(BATCH, tf.int32),
                }
                for role, subset in objective.subsets.items()
            }
            for update in range(D_STEPS)
        )

    return tf.data.Dataset.range(start, stop).map(iteration).prefetch(64)


def _points(mixture: Mixture, seed: int, stream: str, step: tf.Tensor) -> tf.Tensor:
    """(BATCH, d) points of a mixture."""
    uniform = 0.5 * (1 + tf.math.erf(rng.normal((BATCH,), seed, stream, step, draw=1) / 2**0.5))
    component = tf.searchsorted(np.cumsum(mixture.weights)[:-1].astype(np.float32), uniform)
    noise = rng.normal((BATCH, mixture.dimension), seed, stream, step)
    deviations = tf.gather(tf.constant(mixture.deviations, tf.float32), component)
    means = tf.gather(tf.constant(mixture.means, tf.float32), component)
    return means + noise * deviations[:, None]
