"""The moving average of the generator."""

import keras
import numpy as np
import pytest

from rumi_tf import plotting
from rumi_tf.config.run import RunConfig
from rumi_tf.export.sampler import load_sampler
from rumi_tf.runs.resolve import resolve
from rumi_tf.training import build, train
from rumi_tf.training.checkpoints import Checkpoints
from rumi_tf.utils import rng


def settings(**values):
    return resolve(RunConfig(**{
        "split": "even", "width": 0.1, "batch_size": 8, "iterations": 3, "generator_ema": 0.9,
        **values,
    }))  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return build.prepare(settings())


def weights(network):
    return [variable.numpy().astype(np.float64) for variable in network.variables]


def test_average_matches_its_definition(digits):
    """Worked out from the generator's weights and batch statistics after every iteration."""
    config = settings(iterations=4, generator_ema=0.3)
    model = build.make_model(config, digits[0].image_shape)
    expected = weights(model.generator)
    for t, batch in enumerate(build.make_batches(config, model, *digits, start=0), start=1):
        model.train_step(batch)
        decay = min(0.3, (1 + t) / (10 + t))  # 0.18, 0.25, then 0.3
        new = weights(model.generator)
        expected = [decay * a + (1 - decay) * b for a, b in zip(expected, new, strict=True)]
        for ours, by_hand in zip(weights(model.average), expected, strict=True):
            np.testing.assert_allclose(ours, by_hand, rtol=1e-5, atol=1e-6)


def test_the_average_is_sampled_and_training_does_not_depend_on_it(digits):
    runs = []
    for decay in (0.0, 0.9):
        config = settings(generator_ema=decay)
        model = build.make_model(config, digits[0].image_shape)
        model.train_step(next(iter(build.make_batches(config, model, *digits, start=0))))
        runs.append(model)
    without, with_average = runs
    for a, b in zip(weights(without.generator), weights(with_average.generator), strict=True):
        np.testing.assert_array_equal(a, b)
    noise = rng.normal((4, 100), 0, "any", 0)
    assert without.inference_generator is without.generator
    sampled = with_average.sample(noise)
    np.testing.assert_array_equal(sampled, with_average.average(noise, training=False))
    assert np.abs(sampled - with_average.generator(noise, training=False)).max() > 1e-4


def test_it_is_part_of_the_checkpointed_state(digits):
    with_average, without = (
        build.make_model(settings(generator_ema=decay), digits[0].image_shape).state()
        for decay in (0.9, 0.0)
    )
    assert len(with_average["average"]) == len(with_average["generator"])
    assert "average" not in without


@pytest.mark.slow
def test_a_run_exports_the_average(tmp_path):
    """The SavedModel, the Keras file and the last grid, against the weights in the checkpoint."""
    config = settings(runs_dir=str(tmp_path), sample_every=3, generator_ema=0.5)
    directory = train.train(config).directory
    images, _ = build.prepare(config)
    model = build.make_model(config, images.image_shape)
    Checkpoints(directory / "checkpoints", model.state()).restore()
    noise = rng.normal((4, 100), 0, "any", 0)
    expected = model.average(noise, training=False).numpy()
    assert np.abs(expected - model.generator(noise, training=False)).max() > 1e-4
    exported = load_sampler(directory / "saved_model").generate(noise)
    keras_file = keras.saving.load_model(directory / "generator.keras")
    for found in (exported, keras_file(noise, training=False)):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    grid = model.sample(rng.normal((64, 100), config.seed, "grid", 0)).numpy()
    again = tmp_path / "again.png"
    plotting.save_grid(again, grid, f"{config.objective}, digits even, iteration 3")
    assert again.read_bytes() == (directory / "samples" / "iteration_000003.png").read_bytes()
