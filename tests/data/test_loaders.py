"""Digits and MNIST at 32 pixels (UAC-GAN) agree with Pillow's bilinear resizing."""

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


def resized(images, size):
    return np.stack([Image.fromarray(x.astype(np.float32)).resize((size, size), 2) for x in images])


def test_digits_at_32_pixels():
    from sklearn.datasets import load_digits

    images, actual = pixels(20, dataset="digits", image_size=32)
    assert images.image_shape == (32, 32, 1) and len(images) == 1437
    expected = resized(load_digits().images * (255 / 16), 32)
    for image in actual:  # in an order set by the split into training and test images
        assert np.abs(expected - image).max(axis=(1, 2)).min() <= 1


def test_mnist_at_32_pixels(tfds_dir):
    common = {"dataset": "mnist", "data_dir": tfds_dir}
    images, actual = pixels(20, image_size=32, **common)
    original, original_pixels = pixels(20, image_size=28, **common)
    assert images.image_shape == (32, 32, 1) and images.fingerprint != original.fingerprint
    np.testing.assert_allclose(actual, resized(original_pixels, 32), atol=1)
    assert actual.max() == pytest.approx(255, abs=2)
