"""Augmentations and their gradients against NumPy, and their use in the training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.config.run import RunConfig
from rumi_tf.networks.diff_augment import AUGMENTATIONS, DiffAugment
from rumi_tf.networks.mine import STATISTICS
from rumi_tf.objectives import OBJECTIVES
from rumi_tf.runs.resolve import resolve
from rumi_tf.training import build
from rumi_tf.training.model import AdversarialModel, Schedule
from rumi_tf.utils import rng

BATCH, SIDE = 64, 17
FILL = -0.25


def pixels(channels=3, side=SIDE, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (BATCH, side, side, channels))


def numbers(count, stream):
    """(BATCH, count) uniform numbers in [0, 1). The first rows are 0 and 1 - 2**-23."""
    values = np.random.default_rng([count, len(stream)]).uniform(size=(BATCH, count))
    values[0], values[1] = 0.0, 1 - 2**-23
    return values.astype(np.float32)


def augmented(name, images):
    draw = lambda count, stream: tf.constant(numbers(count, stream))  # noqa: E731
    return DiffAugment([name], FILL)(tf.constant(images, tf.float32), draw).numpy()


def flipped(image, u):
    return image[:, ::-1] if u[0] < 0.5 else image


def colored(image, u):
    image = image + u[0] - 0.5
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * 2 * u[1]
    return image.mean() + (image - image.mean()) * (0.5 + u[2])


def shifted(image, u):
    side = len(image)
    max_shift = side // 8
    down, right = (int(v * (2 * max_shift + 1)) - max_shift for v in u)
    result = np.full_like(image, FILL)
    for y in range(side):
        for x in range(side):
            if 0 <= y - down < side and 0 <= x - right < side:
                result[y, x] = image[y - down, x - right]
    return result


def cut(image, u):
    side = len(image)
    length = side // 2
    top, left = (int(v * (side + 1 - length % 2)) - length // 2 for v in u)
    result = image.copy()
    result[max(0, top) : top + length, max(0, left) : left + length] = FILL
    return result


ORACLES = {
    "flip": (flipped, 1), "color": (colored, 3), "translation": (shifted, 2), "cutout": (cut, 2),
}  # fmt: skip


def test_every_augmentation_has_an_oracle():
    assert ORACLES.keys() == AUGMENTATIONS.keys()


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels, side", [(1, 28), (3, 17), (3, 32)])
def test_augmentations_equal_numpy(name, channels, side):
    images = pixels(channels, side)
    oracle, count = ORACLES[name]
    expected = [oracle(image, u) for image, u in zip(images, numbers(count, name), strict=True)]
    np.testing.assert_allclose(augmented(name, images), expected, atol=2e-6)


def test_fixed_order_with_filling_last():
    images = pixels()
    draw = lambda count, stream: tf.constant(numbers(count, stream))  # noqa: E731
    names = list(AUGMENTATIONS)
    result = DiffAugment(names[::-1], FILL)(tf.constant(images, tf.float32), draw)
    expected = images
    for name in ("flip", "color", "translation", "cutout"):
        oracle, count = ORACLES[name]
        rows = zip(expected, numbers(count, name), strict=True)
        expected = np.stack([oracle(image, u) for image, u in rows])
    np.testing.assert_allclose(result, expected, atol=5e-6)


def test_shifts_and_squares_have_the_stated_sizes_and_reach_every_pixel():
    """Counts the rows that a shift blanks in a white image, and the pixels a square can cover."""
    images = np.ones((4096, 32, 32, 1), np.float32)
    draw = lambda count, stream: rng.uniform((4096, count), 0, stream, 0)  # noqa: E731
    moved = DiffAugment(["translation"], -1.0)(tf.constant(images), draw).numpy()[..., 0]
    blank_rows = (moved == -1).all(axis=2).sum(axis=1)
    assert blank_rows.max() == 4 and set(blank_rows) == {0, 1, 2, 3, 4}
    unshifted = np.mean((moved == 1).all(axis=(1, 2)))
    assert unshifted == pytest.approx(
        1 / 81, abs=0.006
    )  # 9 shifts in each direction, equally likely
    cut_out = DiffAugment(["cutout"], -1.0)(tf.constant(images), draw).numpy()[..., 0] == -1
    assert cut_out.sum(axis=(1, 2)).max() == 16 * 16
    assert cut_out.any(axis=0).all()


@pytest.mark.parametrize("side, shift, square", [(28, 3, 14), (32, 4, 16), (64, 8, 32)])
def test_largest_shift_and_square_in_pixels(side, shift, square):
    images = np.ones((1, side, side, 1), np.float32)
    corner = lambda count, stream: tf.constant([[1 - 2**-23] * count])  # noqa: E731
    middle = lambda count, stream: tf.constant([[0.5] * count])  # noqa: E731
    moved = DiffAugment(["translation"], -1.0)(tf.constant(images), corner).numpy()[0, ..., 0]
    assert (moved[:shift] == -1).all() and (moved[:, :shift] == -1).all()
    assert (moved[shift:, shift:] == 1).all()
    cut_out = DiffAugment(["cutout"], -1.0)(tf.constant(images), middle).numpy()[0, ..., 0] == -1
    assert cut_out.any(axis=0).sum() == cut_out.any(axis=1).sum() == square


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradients_equal_finite_differences(name):
    """Uses float64 and a weighted sum of squares."""
    images = tf.constant(pixels(3, 16)[:3])
    weights = tf.constant(pixels(3, 16, seed=1)[:3])
    draw = lambda count, stream: tf.constant(numbers(count, stream)[2:5], tf.float64)  # noqa: E731

    def value(x):
        return tf.reduce_sum(weights * DiffAugment([name], FILL)(x, draw) ** 2)

    with tf.GradientTape() as tape:
        tape.watch(images)
        result = value(images)
    gradient = tape.gradient(result, images).numpy()
    indices = np.random.default_rng(2).integers(0, gradient.size, 40)
    for index in indices:
        step = np.zeros(gradient.size)
        step[index] = 1e-5
        step = tf.constant(step.reshape(images.shape))
        slope = (value(images + step) - value(images - step)) / 2e-5
        assert gradient.flat[index] == pytest.approx(float(slope), rel=1e-5, abs=1e-7)


def test_xla_equals_eager():
    images = tf.constant(pixels(3, 16), tf.float32)
    augment = DiffAugment(list(AUGMENTATIONS), FILL)

    def value_and_gradient(images):
        draw = lambda count, stream: tf.constant(numbers(count, stream))  # noqa: E731
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = augment(images, draw)
            squares = tf.reduce_sum(result**2)
        return result, tape.gradient(squares, images)

    compiled = tf.function(value_and_gradient, jit_compile=True)(images)
    for xla, eager in zip(compiled, value_and_gradient(images), strict=True):
        np.testing.assert_allclose(xla, eager, atol=1e-5)


# ----- in the training step -----------------------------------------------------------------------


class PixelGenerator(keras.Model):
    """Noise (B, 256) -> images (B, 16, 16, 1), with one weight per pixel."""

    latent_dim = 256

    def __init__(self):
        super().__init__()
        self.w = self.add_weight(shape=(256,), initializer="ones")

    def call(self, noise, training=False):
        return tf.reshape(noise * self.w, (-1, 16, 16, 1))


class Critic(keras.Model):
    """Scores images by a weighted sum of pixels, and records its inputs."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight(
            shape=(16, 16, 1), initializer=keras.initializers.RandomNormal(seed=1)
        )
        self.shown = []

    def call(self, images, training=False):
        self.shown.append(images.numpy())
        return {"score": tf.reduce_sum(images * self.w, axis=(1, 2, 3))}


def make_model(augment, d_schedule="split", fakes="shared", **values):
    objective = OBJECTIVES["rumi_lsgan"]()
    model = AdversarialModel(
        PixelGenerator(), Critic(), objective, Schedule(objective.schedule(d_schedule, 2), fakes),
        batch_size=8, seed=5, augment=augment, **values,
    )  # fmt: skip
    sgd = keras.optimizers.SGD
    model.compile(sgd(0.5), sgd(1e-9))
    model.run_eagerly = True
    return model


def part(value):
    return {"image": tf.fill((8, 16, 16, 1), value), "label": tf.zeros(8, tf.int32)}


BATCHES = ({"positive": part(1.0)}, {"negative": part(0.5)})
CUT = DiffAugment(["cutout"], -1.0)


def expected_cut(images, role, iteration, draw):
    """Expected output of `CUT` in NumPy, for (8, 16, 16, 1) images and the documented stream."""
    u = rng.uniform((8, 2), 5, f"augment/cutout/{role}", iteration, draw).numpy()
    result = np.array(images, np.float64)
    for image, (y, x) in zip(result, u, strict=True):
        top, left = int(y * 17) - 4, int(x * 17) - 4
        image[max(0, top) : top + 8, max(0, left) : left + 8] = -1.0
    return result


def test_d_sees_only_augmented_images_with_separate_draws():
    """Positives and fakes, negatives and fakes, then G's fakes, for two iterations."""
    model = make_model(CUT)
    for iteration in range(2):
        weights = model.generator.w.numpy()
        model.discriminator.shown.clear()
        model.train_step(BATCHES)
        noise = rng.normal((8, 256), 5, "noise", iteration, 0).numpy()
        fakes = (noise * weights).reshape(8, 16, 16, 1)
        ones = np.ones((8, 16, 16, 1))
        expected = [
            expected_cut(ones, "positive", iteration, 0),
            expected_cut(fakes, "fake", iteration, 0),
            expected_cut(ones / 2, "negative", iteration, 1),
            expected_cut(fakes, "fake", iteration, 1),
            expected_cut(fakes, "fake", iteration, 2),
        ]
        assert len(model.discriminator.shown) == len(expected)
        for shown, images in zip(model.discriminator.shown, expected, strict=True):
            np.testing.assert_allclose(shown, images, rtol=1e-5, atol=1e-6)
        # The squares differ between draws.
        assert len({(images == -1.0).tobytes() for images in expected}) == len(expected)


def test_gs_gradient_passes_through_the_augmentation():
    """Gradient of mean (D(T(G(z))) - 1.5)^2 by hand; it is 0 at pixels that T replaces."""
    model = make_model(CUT)
    weights, critic = model.generator.w.numpy().copy(), model.discriminator.w.numpy()
    model.train_step(BATCHES)
    noise = rng.normal((8, 256), 5, "noise", 0, 0).numpy().astype(np.float64)
    images = (noise * weights).reshape(8, 16, 16, 1)
    seen = expected_cut(images, "fake", 0, 2)
    unchanged = expected_cut(np.full_like(images, 7.0), "fake", 0, 2) == 7.0
    scores = (seen * critic).sum(axis=(1, 2, 3))
    slopes = 2 * (scores - 1.5) / 8
    gradient = (slopes[:, None] * noise * (unchanged * critic).reshape(8, 256)).sum(axis=0)
    np.testing.assert_allclose(model.generator.w, weights - 0.5 * gradient, rtol=1e-4, atol=1e-6)


PATTERN = np.full((28, 28, 1), -1.0, np.float32)
PATTERN[6:22, 9:19] = 1.0  # centred at (13.5, 13.5)


def learnt_samples(augmented_roles):
    """Trains G on one image, with D augmenting only `augmented_roles`; returns 64 samples."""
    config = resolve(RunConfig(
        objective="lsgan", split="even", width=0.1, batch_size=16, learning_rate=2e-3,
        d_augment=("translation", "cutout"),
    ))  # fmt: skip
    model = build.make_model(config, PATTERN.shape)
    augment = model._augment

    def augment_some(images, draw):
        augmented = augment(images, draw)
        return {role: (augmented if role in augmented_roles else images)[role] for role in images}

    model._augment = augment_some
    images = tf.constant(np.repeat(PATTERN[None], 16, axis=0))
    batch = {"real": {"image": images, "label": tf.zeros(16, tf.int32)}}
    step = tf.function(model.train_step)
    for _ in range(400):
        step((batch, batch))
    return model.sample(rng.normal((64, 100), 0, "any", 0)).numpy()


def centres(images):
    """(N, 2) centre of brightness of each image, in pixels."""
    brightness = (images[..., 0] + 1) / 2
    positions = np.indices(brightness.shape[1:])
    return (brightness[:, None] * positions).sum(axis=(2, 3)) / brightness.sum(axis=(1, 2))[:, None]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_generated_images_are_not_shifted_or_cut():
    samples = learnt_samples(["real", "fake"])
    assert np.abs(samples - PATTERN).mean() < 0.06
    np.testing.assert_allclose(centres(samples), 13.5, atol=0.6)
    # If only the real images are augmented, G learns the shifts and squares.
    leaked = learnt_samples(["real"])
    assert np.abs(leaked - PATTERN).mean() > 0.18
    assert centres(leaked).std(axis=0).min() > 0.8


def test_gradient_penalties_are_taken_between_augmented_images():
    objective = OBJECTIVES["wgan_gp"]()
    model = AdversarialModel(
        PixelGenerator(), Critic(), objective, Schedule(objective.schedule("joint", 1)),
        batch_size=8, seed=5, augment=CUT,
    )  # fmt: skip
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    model.train_step([{"real": part(1.0)}])
    real, fake, points, _ = (shown.reshape(8, -1) for shown in model.discriminator.shown)
    np.testing.assert_array_equal(
        real.reshape(8, 16, 16, 1), expected_cut(np.ones((8, 16, 16, 1)), "real", 0, 0)
    )
    between = ((points - real) * (fake - real)).sum(axis=1) / ((fake - real) ** 2).sum(axis=1)
    assert ((between >= 0) & (between < 1)).all() and len(set(between.round(4))) == 8
    np.testing.assert_allclose(points, real + between[:, None] * (fake - real), atol=1e-4)


def test_statistics_network_sees_augmented_images(monkeypatch):
    """T of UAC-GAN, in its update and in the generator's."""
    config = resolve(RunConfig(
        objective="uacgan", mine_network="concat", width=0.1, batch_size=8, split="all",
        d_augment=("cutout",), d_augment_fill=1.0,
    ))  # fmt: skip
    images, split = build.prepare(config)
    shares = build.make_class_shares(config, images, split)
    model = build.make_model(config, images.image_shape, shares)
    shown = []
    call = STATISTICS["concat"].call
    monkeypatch.setattr(
        STATISTICS["concat"], "call",
        lambda self, inputs, **kw: shown.append(inputs[0].numpy()) or call(self, inputs, **kw),
    )  # fmt: skip
    model.train_step(next(iter(build.make_batches(config, model, images, split, 0))))
    assert len(shown) == 4  # with joint and with independent labels, twice
    # Only blanked pixels are exactly 1. D's updates use draws 0 and 1, T's uses 2, G's uses 3.
    for seen, draw in zip(shown, (2, 2, 3, 3), strict=True):
        u = rng.uniform((8, 2), config.seed, "augment/cutout/fake", 0, draw).numpy()
        expected = [cut(np.zeros((28, 28, 1)), row) == FILL for row in u]
        np.testing.assert_array_equal(seen == 1.0, expected)
