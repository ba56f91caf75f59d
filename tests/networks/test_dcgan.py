import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.networks.dcgan import Discriminator, Generator, network_for, size_fits

SHAPES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3), "celeba": (64, 64, 3)}


@pytest.mark.parametrize(
    "network, generator, discriminator",
    [("mnist", 2_381_501, 412_581), ("cifar10", 5_590_403, 4_412_901)],
)
def test_published_parameter_counts(network, generator, discriminator):
    shape = SHAPES[network]
    assert Generator(network=network, image_shape=shape).count_params() == generator
    assert Discriminator(network=network, image_shape=shape).count_params() == discriminator


def test_celeba_parameter_counts_by_hand():
    def conv(i, o):
        return 25 * i * o + o

    def norm(c):
        return 4 * c

    generator = (100 + 1) * 4 * 4 * 1024 + conv(1024, 512) + conv(512, 256) + conv(256, 128)
    generator += conv(128, 3) + norm(512) + norm(256) + norm(128)
    discriminator = conv(3, 64) + conv(64, 128) + conv(128, 256) + conv(256, 512)
    discriminator += norm(64) + norm(128) + norm(256) + norm(512) + 4 * 4 * 512 + 1
    shape = SHAPES["celeba"]
    assert Generator(network="celeba", image_shape=shape).count_params() == generator
    assert Discriminator(network="celeba", image_shape=shape).count_params() == discriminator


@pytest.mark.parametrize(
    "network, shape",
    [
        ("mnist", (28, 28, 1)), ("mnist", (28, 28, 3)), ("cifar10", (32, 32, 3)),
        ("cifar10", (32, 32, 1)), ("celeba", (32, 32, 3)), ("celeba", (64, 64, 1)),
        ("celeba", (128, 128, 3)), ("celeba", (48, 48, 3)),
    ],
)  # fmt: skip
def test_shapes_and_ranges(network, shape):
    images = Generator(network=network, image_shape=shape, width=0.05)(tf.random.normal((3, 100)))
    assert images.shape == (3, *shape) and images.dtype == tf.float32
    assert np.abs(images).max() < 1 and np.std(images) > 0
    out = Discriminator(network=network, image_shape=shape, width=0.05)(images)
    assert set(out) == {"score"} and out["score"].shape == (3,)


def test_seed_decides_the_initial_weights():
    def weights(seed):
        generator = Generator(network="mnist", image_shape=SHAPES["mnist"], width=0.1, seed=seed)
        return [w for w in generator.get_weights() if w.ndim > 1]

    for a, b, c in zip(weights(0), weights(0), weights(1), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_initial_weights_are_glorot_uniform():
    kernel = Generator(network="mnist", image_shape=SHAPES["mnist"]).get_weights()[0]
    limit = np.sqrt(6 / (100 + 7 * 7 * 256))
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)


def test_width_scales_filters():
    half = Generator(network="mnist", image_shape=SHAPES["mnist"], width=0.5)
    kernels = [w.shape for w in half.get_weights() if w.ndim == 4]
    assert [k[2] for k in kernels] == [64, 32, 16, 1, 1]


def test_discriminator_without_batch_norm():
    network = Discriminator(network="mnist", image_shape=SHAPES["mnist"], batch_norm=False)
    assert not any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in network._flatten_layers()
    )
    assert network.count_params() == 412_581 - 4 * (64 + 64 + 128)


@pytest.mark.parametrize("network", SHAPES)
def test_keras_file_round_trip_in_safe_mode(network, tmp_path):
    shape = SHAPES[network]
    noise = tf.random.normal((4, 7))
    for model, batch in (
        (Generator(network=network, image_shape=shape, latent_dim=7, width=0.1, seed=3), noise),
        (
            Discriminator(network=network, image_shape=shape, width=0.1, seed=3),
            tf.random.uniform((4, *shape), -1, 1),
        ),
    ):
        model.save(tmp_path / "m.keras")
        loaded = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
        tf.nest.map_structure(np.testing.assert_array_equal, model(batch), loaded(batch))


def test_mixed_precision_keeps_float32_weights_and_outputs():
    shape = SHAPES["mnist"]
    generator = Generator(network="mnist", image_shape=shape, width=0.1, dtype="mixed_bfloat16")
    float32_generator = Generator(network="mnist", image_shape=shape, width=0.1)
    assert {v.dtype for v in generator.variables} == {"float32"}
    noise = tf.random.normal((16, 100))
    images = generator(noise)
    assert images.dtype == tf.float32
    difference = np.abs(images - float32_generator(noise)).max()
    assert 0 < difference < 0.05  # rounding only
    discriminator = Discriminator(
        network="mnist", image_shape=shape, width=0.1, dtype="mixed_bfloat16"
    )
    assert discriminator(images)["score"].dtype == tf.float32


def test_auto_network_and_supported_sizes():
    chosen = [network_for(d, s) for d, s in (("mnist", 28), ("cifar10", 32), ("folder", 64))]
    assert chosen == ["mnist", "cifar10", "celeba"]
    assert network_for("celeba", 32) == "celeba"
    assert size_fits("cifar10", 32) and not size_fits("cifar10", 64)
    assert size_fits("celeba", 48) and not size_fits("celeba", 28)
