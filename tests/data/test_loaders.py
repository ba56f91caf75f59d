"""Digits and MNIST at UAC-GAN's 32 pixels, against Pillow's bilinear resizing."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from rumi_tf.config.run import RunConfig
from rumi_tf.data.loaders import load_images
from rumi_tf.runs.resolve import resolve


def pixels(count, **values):
    config = resolve(RunConfig(split="even", **values))
    images = load_images(config)
    return images, (images.gather(tf.range(count)).numpy()[..., 0] + 1) * 127.5


def resized(grey, size):
    made = [Image.fromarray(g.astype(np.float32)).resize((size, size), 2) for g in grey]
    return np.stack([np.asarray(g) for g in made])


def test_digits_at_32_pixels():
    from sklearn.datasets import load_digits

    images, found = pixels(20, dataset="digits", image_size=32)
    assert images.image_shape == (32, 32, 1) and len(images) == 1437
    every = resized(load_digits().images * (255 / 16), 32)
    for image in found:  # the order is that of the split into training and test images
        assert np.abs(every - image).max(axis=(1, 2)).min() <= 1


def test_mnist_at_32_pixels(tfds_dir):
    common = {"dataset": "mnist", "data_dir": tfds_dir}
    images, found = pixels(20, image_size=32, **common)
    plain, small = pixels(20, image_size=28, **common)
    assert images.image_shape == (32, 32, 1) and images.fingerprint != plain.fingerprint
    np.testing.assert_allclose(found, resized(small, 32), atol=1)
    assert found.max() == pytest.approx(255, abs=2)
