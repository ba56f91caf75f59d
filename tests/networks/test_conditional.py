import keras
import numpy as np
import pytest
import tensorflow as tf

from rumi_tf.networks.conditional import ConditionalDiscriminator, ConditionalGenerator
from rumi_tf.networks.mine import STATISTICS
from rumi_tf.networks.registry import conditional_pair
from rumi_tf.networks.resnet import OneHotGenerator, ResNetDiscriminator
from rumi_tf.networks.spectral import SpectralConv2D, SpectralDense

SHAPES = {
    "mnist": (28, 28, 1), "cifar10": (32, 32, 3), "celeba": (64, 64, 3), "uac_resnet": (32, 32, 3),
}  # fmt: skip
LABELS = tf.constant([0, 3, 9])


def test_parameter_counts_by_hand():
    """First map 7x7x(63 + 1); the dense layer of the noise has no bias, as without classes."""
    generator = ConditionalGenerator(network="mnist", image_shape=(28, 28, 1), num_classes=10)
    label = 10 * 50 + (50 + 1) * 49
    stem = 100 * 7 * 7 * 63 + 4 * 7 * 7 * 63
    tail = 25 * (64 * 128 + 128 * 64 + 64 * 32 + 32 + 1) + 4 * (128 + 64 + 32 + 1)
    assert generator.count_params() == label + stem + tail
    discriminator = ConditionalDiscriminator(
        network="mnist", image_shape=(28, 28, 1), num_classes=10, heads=("class", "twin")
    )
    trunk = 25 * (64 + 64 * 128 + 128 * 256) + 5 * (64 + 128 + 256) + (4 * 4 * 256 + 1) * 50
    assert discriminator.count_params() == trunk + 51 * (1 + 10 + 10)


def test_uac_parameter_counts_by_hand():
    generator = OneHotGenerator(network="uac_resnet", image_shape=(32, 32, 3), num_classes=10)
    convolutions = 16 * (384 * 192 + 192 * 96 + 96 * 48 + 48 * 3)
    assert generator.count_params() == 111 * 384 + convolutions + 4 * (192 + 96 + 48)
    discriminator = ResNetDiscriminator(
        network="uac_resnet", image_shape=(32, 32, 3), num_classes=10, heads=("class",)
    )

    def conv(i, o, k):
        return k * k * i * o + o + o  # kernel, bias, and the power iteration's vector

    count = conv(3, 64, 3) + conv(64, 64, 3) + conv(3, 64, 1)
    for i, o in ((64, 128), (128, 256), (256, 512)):
        count += conv(i, i, 3) + conv(i, o, 3) + conv(i, o, 1)
    assert discriminator.count_params() == count + 512 + 1 + 1 + 5120 + 10 + 10


@pytest.mark.parametrize("network", SHAPES)
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_shapes_ranges_and_precision(network, precision):
    generator_class, discriminator_class = conditional_pair(network)
    common = {"network": network, "image_shape": SHAPES[network], "num_classes": 10, "width": 0.05}
    common["dtype"] = precision
    noise = tf.random.stateless_normal((3, 100), (1, 2))
    generator = generator_class(**common)
    images = generator((noise, LABELS))
    assert images.shape == (3, *SHAPES[network]) and images.dtype == tf.float32
    assert np.abs(images).max() <= 1
    assert np.abs(images - generator((noise, LABELS[::-1])))[[0, 2]].max() > 1e-4
    discriminator = discriminator_class(heads=("class", "projection"), **common)
    out = discriminator(images, training=True)
    assert {k: v.shape[1:] for k, v in out.items()} == {
        "score": (), "features": (discriminator.features,), "class": (10,), "projection": (10,),
    }  # fmt: skip
    assert all(v.dtype == tf.float32 for v in out.values())


def test_projection_is_a_product_of_features_and_class_vectors():
    discriminator = ConditionalDiscriminator(
        network="mnist", image_shape=(28, 28, 1), num_classes=4, heads=("projection",), width=0.1
    )
    out = discriminator(tf.random.stateless_normal((5, 28, 28, 1), (1, 2)))
    v = discriminator.get_weights()[-1]
    phi = out["features"].numpy()
    assert v.shape == (discriminator.features, 4)
    np.testing.assert_allclose(out["projection"], phi @ v, rtol=1e-4, atol=1e-5)
    w, b = discriminator.get_weights()[-3:-1]
    np.testing.assert_allclose(out["score"], (phi @ w + b)[:, 0], rtol=1e-4, atol=1e-5)


def matrix(kernel):
    kernel = np.asarray(kernel, np.float32)
    return kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize(
    "make_layer, shape",
    [
        (lambda **k: SpectralDense(7, **k), (3, 5)),
        (lambda **k: SpectralConv2D(6, 3, padding="same", **k), (2, 8, 8, 4)),
    ],
)
@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-3), ("mixed_bfloat16", 1e-2)])
def test_normalised_kernel_has_unit_norm_and_the_stored_kernel_is_unchanged(
    make_layer, shape, precision, tolerance
):
    layer = make_layer(dtype=precision)
    x = tf.random.stateless_normal(shape, (1, 2))
    layer(x)
    before, vector = layer.kernel.numpy(), layer.vector.numpy()
    layer(x, training=False)
    np.testing.assert_array_equal(layer.vector, vector)
    for _ in range(200):
        layer(x, training=True)
    assert not np.array_equal(layer.vector, vector)
    np.testing.assert_array_equal(layer.kernel, before)
    normalised = matrix(tf.cast(layer.normalised_kernel(False), tf.float32))
    assert np.linalg.svd(normalised, compute_uv=False)[0] == pytest.approx(1, abs=tolerance)
    ratio = matrix(before) / normalised
    assert ratio.std() / ratio.mean() < tolerance


def test_gradient_goes_through_the_division():
    """The output does not depend on the kernel's scale, so the gradient is orthogonal to it."""
    layer = SpectralDense(7, use_bias=False)
    x = tf.random.stateless_normal((3, 5), (1, 2))
    for _ in range(200):
        layer(x, training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x)))
    gradient = tape.gradient(loss, layer.trainable_variables[0]).numpy()
    assert np.linalg.norm(gradient) > 1e-2
    assert abs(np.sum(gradient * layer.kernel.numpy())) < 1e-3 * np.linalg.norm(gradient)


def test_keras_file_round_trip(tmp_path):
    for network in ("mnist", "uac_resnet"):
        generator = conditional_pair(network)[0](
            network=network, image_shape=SHAPES[network], num_classes=3, latent_dim=4, width=0.1
        )
        generator.save(tmp_path / "g.keras")
        loaded = keras.models.load_model(tmp_path / "g.keras", safe_mode=True)
        inputs = tf.random.stateless_normal((2, 4), (1, 2)), tf.constant([0, 2])
        np.testing.assert_allclose(loaded(inputs), generator(inputs), atol=1e-6)


PHI = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)


def statistics_network(name):
    """A statistics network with random weights."""
    network = STATISTICS[name](
        network="mnist", image_shape=(28, 28, 1), num_classes=10, features=6, width=0.1
    )
    draw = np.random.default_rng(1)
    for v in network.trainable_variables:
        v.assign(draw.normal(size=v.shape))
    return network


def test_projection_statistics_against_numpy():
    y = LABELS.numpy()
    for name in ("projection", "projection_lse", "projection_label_disc"):
        network = statistics_network(name)
        weights = [v.numpy() for v in network.trainable_variables]
        v = next(w for w in weights if w.shape == (6, 10))
        products = PHI @ v
        expected = products[np.arange(3), y]
        if name == "projection":
            psi = next(w for w in weights if w.shape == (6, 1))
            bias = next(w for w in weights if w.shape == (1,))
            expected = expected + (PHI @ psi)[:, 0] + bias
        else:
            expected = expected - np.log(np.exp(products).sum(1))
        if name != "projection_label_disc":
            expected = expected + next(w for w in weights if w.shape == (10,))[y]
        np.testing.assert_allclose(network((tf.constant(PHI), LABELS)), expected, rtol=1e-4)


def test_concat_depends_on_image_and_label():
    network = statistics_network("concat")
    x = tf.random.stateless_normal((3, 28, 28, 1), (1, 2))
    values, reversed_labels = network((x, LABELS)), network((x, LABELS[::-1]))
    assert values.shape == (3,)
    assert float(values[1]) == pytest.approx(float(reversed_labels[1]))  # same image and label
    assert abs(float(values[0] - reversed_labels[0])) > 1e-4
    assert abs(float(values[1] - network((x * 0.5, LABELS))[1])) > 1e-4
