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
    """7x7 (63 + 1): z's dense layer without bias, as in the unconditional network."""
    made = ConditionalGenerator(network="mnist", image_shape=(28, 28, 1), num_classes=10)
    label = 10 * 50 + (50 + 1) * 49
    stem = 100 * 7 * 7 * 63 + 4 * 7 * 7 * 63
    tail = 25 * (64 * 128 + 128 * 64 + 64 * 32 + 32 + 1) + 4 * (128 + 64 + 32 + 1)
    assert made.count_params() == label + stem + tail
    made = ConditionalDiscriminator(
        network="mnist", image_shape=(28, 28, 1), num_classes=10, heads=("class", "twin")
    )
    trunk = 25 * (64 + 64 * 128 + 128 * 256) + 5 * (64 + 128 + 256) + (4 * 4 * 256 + 1) * 50
    assert made.count_params() == trunk + 51 * (1 + 10 + 10)


def test_uac_parameter_counts_by_hand():
    made = OneHotGenerator(network="uac_resnet", image_shape=(32, 32, 3), num_classes=10)
    convolutions = 16 * (384 * 192 + 192 * 96 + 96 * 48 + 48 * 3)
    assert made.count_params() == 111 * 384 + convolutions + 4 * (192 + 96 + 48)
    made = ResNetDiscriminator(
        network="uac_resnet", image_shape=(32, 32, 3), num_classes=10, heads=("class",)
    )

    def conv(i, o, k):
        return k * k * i * o + o + o  # kernel, bias, and the power iteration's vector

    count = conv(3, 64, 3) + conv(64, 64, 3) + conv(3, 64, 1)
    for i, o in ((64, 128), (128, 256), (256, 512)):
        count += conv(i, i, 3) + conv(i, o, 3) + conv(i, o, 1)
    assert made.count_params() == count + 512 + 1 + 1 + 5120 + 10 + 10


@pytest.mark.parametrize("network", SHAPES)
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_shapes_ranges_and_precision(network, precision):
    generator, discriminator = conditional_pair(network)
    common = {"network": network, "image_shape": SHAPES[network], "num_classes": 10, "width": 0.05}
    common["dtype"] = precision
    noise = tf.random.stateless_normal((3, 100), (1, 2))
    made = generator(**common)
    images = made((noise, LABELS))
    assert images.shape == (3, *SHAPES[network]) and images.dtype == tf.float32
    assert np.abs(images).max() <= 1
    assert np.abs(images - made((noise, LABELS[::-1])))[[0, 2]].max() > 1e-4
    judge = discriminator(heads=("class", "projection"), **common)
    out = judge(images, training=True)
    assert {k: v.shape[1:] for k, v in out.items()} == {
        "score": (), "features": (judge.features,), "class": (10,), "projection": (10,),
    }  # fmt: skip
    assert all(v.dtype == tf.float32 for v in out.values())


def test_projection_is_a_product_of_features_and_class_vectors():
    judge = ConditionalDiscriminator(
        network="mnist", image_shape=(28, 28, 1), num_classes=4, heads=("projection",), width=0.1
    )
    out = judge(tf.random.stateless_normal((5, 28, 28, 1), (1, 2)))
    v = judge.get_weights()[-1]
    phi = out["features"].numpy()
    assert v.shape == (judge.features, 4)
    np.testing.assert_allclose(out["projection"], phi @ v, rtol=1e-4, atol=1e-5)
    w, b = judge.get_weights()[-3:-1]
    np.testing.assert_allclose(out["score"], (phi @ w + b)[:, 0], rtol=1e-4, atol=1e-5)


def matrix(kernel):
    kernel = np.asarray(kernel, np.float32)
    return kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda **k: SpectralDense(7, **k), (3, 5)),
        (lambda **k: SpectralConv2D(6, 3, padding="same", **k), (2, 8, 8, 4)),
    ],
)
@pytest.mark.parametrize("precision, exact", [("float32", 1e-3), ("mixed_bfloat16", 1e-2)])
def test_largest_singular_value_is_one_and_the_stored_kernel_stays(layer, shape, precision, exact):
    made = layer(dtype=precision)
    x = tf.random.stateless_normal(shape, (1, 2))
    made(x)
    before, vector = made.kernel.numpy(), made.vector.numpy()
    made(x, training=False)
    np.testing.assert_array_equal(made.vector, vector)
    for _ in range(200):
        made(x, training=True)
    assert not np.array_equal(made.vector, vector)
    np.testing.assert_array_equal(made.kernel, before)
    used = matrix(tf.cast(made.normalised_kernel(False), tf.float32))
    assert np.linalg.svd(used, compute_uv=False)[0] == pytest.approx(1, abs=exact)
    ratio = matrix(before) / used
    assert ratio.std() / ratio.mean() < exact


def test_gradient_goes_through_the_division():
    """The output does not depend on the kernel's scale, so the gradient is orthogonal to it."""
    made = SpectralDense(7, use_bias=False)
    x = tf.random.stateless_normal((3, 5), (1, 2))
    for _ in range(200):
        made(x, training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(made(x)))
    gradient = tape.gradient(loss, made.trainable_variables[0]).numpy()
    assert np.linalg.norm(gradient) > 1e-2
    assert abs(np.sum(gradient * made.kernel.numpy())) < 1e-3 * np.linalg.norm(gradient)


def test_generators_survive_a_keras_file(tmp_path):
    for network in ("mnist", "uac_resnet"):
        made = conditional_pair(network)[0](
            network=network, image_shape=SHAPES[network], num_classes=3, latent_dim=4, width=0.1
        )
        made.save(tmp_path / "g.keras")
        again = keras.models.load_model(tmp_path / "g.keras", safe_mode=True)
        inputs = tf.random.stateless_normal((2, 4), (1, 2)), tf.constant([0, 2])
        np.testing.assert_allclose(again(inputs), made(inputs), atol=1e-6)


PHI = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)


def statistics(name):
    made = STATISTICS[name](
        network="mnist", image_shape=(28, 28, 1), num_classes=10, features=6, width=0.1
    )
    draw = np.random.default_rng(1)
    for v in made.trainable_variables:
        v.assign(draw.normal(size=v.shape))
    return made, {v.name: v.numpy() for v in made.trainable_variables}


def test_projection_statistics_against_numpy():
    y = LABELS.numpy()
    for name in ("projection", "projection_lse", "projection_label_disc"):
        made, _ = statistics(name)
        weights = [v.numpy() for v in made.trainable_variables]
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
        np.testing.assert_allclose(made((tf.constant(PHI), LABELS)), expected, rtol=1e-4)


def test_concat_sees_image_and_label():
    made, _ = statistics("concat")
    x = tf.random.stateless_normal((3, 28, 28, 1), (1, 2))
    one, two = made((x, LABELS)), made((x, LABELS[::-1]))
    assert one.shape == (3,) and float(one[1]) == pytest.approx(float(two[1]))
    assert abs(float(one[0] - two[0])) > 1e-4
    assert abs(float(one[1] - made((x * 0.5, LABELS))[1])) > 1e-4
