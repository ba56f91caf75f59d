"""Noise vectors of requested images, as pure functions of their seeds."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from scipy.special import ndtr, ndtri

from rumi_tf.utils.rng import normal

# Images are generated in chunks of this size, and the surplus is dropped, so image k of a seed does
# not depend on the number of images.
CHUNK = 100


@dataclasses.dataclass(frozen=True)
class Latents:
    """Noise vectors of `num` images.

    Attributes:
        num: number of images.
        chunk: (latent_dim, number of the chunk) -> (CHUNK, latent_dim) float32; rows after the
            last image are not used.
        name: number of an image -> name of its file, without suffix.
    """

    num: int
    chunk: Callable[[int, int], tf.Tensor]
    name: Callable[[int], str]


def of_seed(num: int, seed: int, truncation: float | None = None) -> Latents:
    """Noise of `num` images from one seed.

    Args:
        num: number of images, at least 1.
        seed: seed of the noise.
        truncation: see `truncated`; `None` for standard normal noise.
    """

    def chunk(latent_dim: int, number: int) -> tf.Tensor:
        return truncated(normal((CHUNK, latent_dim), seed, "sample", number), truncation)

    return Latents(num, chunk, lambda k: f"seed{seed}_{k:07d}")


def of_seeds(seeds: Sequence[int], truncation: float | None = None) -> Latents:
    """Noise of one image per seed: the first image of each seed; otherwise as `of_seed`."""

    def chunk(latent_dim: int, number: int) -> tf.Tensor:
        rows = [_first(latent_dim, s) for s in seeds[number * CHUNK : (number + 1) * CHUNK]]
        return truncated(tf.stack(rows + rows[-1:] * (CHUNK - len(rows))), truncation)

    return Latents(len(seeds), chunk, lambda k: f"seed{seeds[k]}")


def between(start: int, end: int, num: int, truncation: float | None = None) -> Latents:
    """Noise on the way from the first image of one seed to that of another.

    The directions follow the great circle at constant speed (slerp; Shoemake, 1985), and the norms
    change linearly. Points on the straight line have smaller norms than noise in training.

    Args:
        start, end: the seeds.
        num: number of images, with both ends; at least 2.
        truncation: see `truncated`; applies to both ends.
    """

    def chunk(latent_dim: int, number: int) -> tf.Tensor:
        ends = tf.stack([_first(latent_dim, seed) for seed in (start, end)])
        first, last = truncated(ends, truncation).numpy().astype(np.float64)
        steps = np.minimum(number * CHUNK + np.arange(CHUNK), num - 1) / (num - 1)
        return tf.constant(_slerp(first, last, steps), tf.float32)

    return Latents(num, chunk, lambda k: f"seeds{start}-{end}_{k:07d}")


def truncated(noise: tf.Tensor, limit: float | None) -> tf.Tensor:
    """Maps standard normal noise to the normal distribution truncated to [-limit, limit].

    The truncation trick of BigGAN (Brock et al., ICLR 2019): a lower limit gives more typical and
    less varied images. The map is monotone in every coordinate, so the image of a seed keeps its
    main features.

    Args:
        noise: float32, any shape.
        limit: above 0; `None` returns the noise.
    """
    if limit is None:
        return noise
    low, high = ndtr(-limit), ndtr(limit)
    values = ndtri(low + (high - low) * ndtr(np.asarray(noise, np.float64)))
    return tf.constant(np.clip(values, -limit, limit), tf.float32)


def _first(latent_dim: int, seed: int) -> tf.Tensor:
    """(latent_dim,) noise of the first image of a seed."""
    return normal((CHUNK, latent_dim), seed, "sample", 0)[0]


def _slerp(first: np.ndarray, last: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(n, d) points for (n,) steps from 0 to 1 between two vectors of shape (d,)."""
    norms = np.linalg.norm(first), np.linalg.norm(last)
    a, b = first / norms[0], last / norms[1]
    angle = np.arctan2(np.linalg.norm(b - a * (a @ b)), a @ b)
    steps = steps[:, None]
    if np.sin(angle) < 1e-9:  # parallel: there is no unique great circle
        return (1 - steps) * first + steps * last
    directions = (np.sin((1 - steps) * angle) * a + np.sin(steps * angle) * b) / np.sin(angle)
    return directions * ((1 - steps) * norms[0] + steps * norms[1])
