"""Trains a generator of points with the library's own objective and training step.

At the equilibrium of a GAN the players circle around it. Everything here damps that: large
batches, two updates of D per update of G, learning rates that fall to zero, and a mean over the
generator's last weights.
"""

import keras
import numpy as np
import tensorflow as tf

from figures._mixtures import Mixture, Setting
from rumi_tf import randomness
from rumi_tf.model import AdversarialModel, Schedule
from rumi_tf.objectives import OBJECTIVES

BATCH, LATENT, HIDDEN = 512, 4, 64
SAMPLES = 200_000


def draw(mixture: Mixture, count: int, seed: int, stream: str, step) -> tf.Tensor:
    """(count, d) points, a pure function of the arguments."""
    key = tf.constant([seed, randomness.stream_number(stream)], tf.int32)
    key = tf.random.experimental.stateless_fold_in(key, tf.cast(step, tf.int32))
    logits = tf.math.log(tf.constant([mixture.weights]))
    chosen = tf.random.stateless_categorical(logits, count, key)[0]
    noise = randomness.normal((count, mixture.dimension), seed, stream, step, draw=1)
    means = tf.gather(tf.constant(mixture.means, tf.float32), chosen)
    return means + noise * tf.gather(tf.constant(mixture.deviations), chosen)[:, None]


class Layers(keras.Model):
    """Two hidden layers."""

    def __init__(self, outputs: int, seed: int, stream: str):
        super().__init__()
        seeds = randomness.initializer_seeds(seed, stream, 3)
        self.stack = [
            keras.layers.Dense(
                width, activation, kernel_initializer=keras.initializers.HeNormal(number)
            )
            for width, activation, number in zip(
                (HIDDEN, HIDDEN, outputs), ("silu", "silu", None), seeds, strict=True
            )
        ]

    def call(self, x, training=False):
        for layer in self.stack:
            x = layer(x)
        return x


class PointGenerator(Layers):
    latent_dim = LATENT


class PointDiscriminator(Layers):
    def call(self, x, training=False):
        return {"score": super().call(x)[:, 0]}


def train(setting: Setting, iterations: int, seed: int, learning_rate: float = 2e-3,
          d_steps=2, decay=0.995, batch=BATCH, beta_1=0.5) -> np.ndarray:
    objective = OBJECTIVES[setting.objective](**setting.parameters)
    mixtures = {"positive": setting.positive, "negative": setting.negative}
    dimension = setting.positive.dimension
    generator = PointGenerator(dimension, seed, "toy generator")
    discriminator = PointDiscriminator(1, seed, "toy discriminator")
    generator(tf.zeros((1, LATENT)))
    discriminator(tf.zeros((1, dimension)))
    model = AdversarialModel(
        generator, discriminator, objective,
        Schedule(objective.schedule("joint", d_steps), "fresh"), batch_size=batch, seed=seed,
    )
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, iterations)
    rate_d = keras.optimizers.schedules.CosineDecay(learning_rate, iterations * d_steps, alpha=0.1)
    g_adam = keras.optimizers.Adam(rate, beta_1, 0.99, use_ema=True, ema_momentum=decay)
    model.compile(g_adam, keras.optimizers.Adam(rate_d, beta_1, 0.99))

    def batches(step):
        return tuple(
            {
                role: {
                    "image": draw(mixtures[subset], batch, seed, f"toy/{role}/{k}", step),
                    "label": tf.zeros(batch, tf.int32),
                }
                for role, subset in objective.subsets.items()
            }
            for k in range(d_steps)
        )

    stream = tf.data.Dataset.range(iterations).map(batches)
    model.fit(stream, steps_per_epoch=iterations, verbose=0, shuffle=False)
    g_adam.finalize_variable_values(generator.trainable_variables)
    noise = randomness.normal((SAMPLES, LATENT), seed, "toy samples", 0)
    return generator(noise).numpy()


def histogram(points, edges):
    return np.histogramdd(points, [edges] * points.shape[1])[0] / len(points)
