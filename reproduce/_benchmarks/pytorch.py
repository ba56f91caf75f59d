"""An iteration of Rumi-LSGAN in PyTorch, run eagerly: our MNIST networks, losses and schedule.

A convolution of stride 2 that is padded as PyTorch users do it is the mirror image of TensorFlow's,
so with mirrored kernels these networks make and judge mirrored images, and compute the same.
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
import torch
from torch import nn

from reproduce._benchmarks.steps import ITERATIONS, prepared
from rumi_tf.config.run import RunConfig
from rumi_tf.networks.dcgan import DISCRIMINATORS, GENERATORS, KERNEL, scaled
from rumi_tf.utils.environment import environment

EPSILON = 1e-3  # of Keras's batch normalisation


def make_generator(width: float, latent_dim: int, image_shape: Sequence[int]) -> nn.Module:
    """Noise (B, latent_dim) -> images (B, C, H, W) in (-1, 1)."""
    spec, (size, _, channels) = GENERATORS["mnist"], image_shape
    base, filters = size // spec.upsampling, scaled(spec.stem, width)
    units = base * base * filters
    layers = [
        nn.Linear(latent_dim, units, bias=spec.bias),
        nn.BatchNorm1d(units, EPSILON, 1 - spec.momentum),
        nn.LeakyReLU(spec.slope),
        nn.Unflatten(1, (filters, base, base)),
    ]

    def convolution(stride: int) -> nn.Module:
        return nn.ConvTranspose2d(
            filters, made, KERNEL, stride, KERNEL // 2, output_padding=stride - 1, bias=spec.bias
        )

    for number, stride in spec.blocks:
        made = scaled(number, width) if number else channels
        layers += [
            convolution(stride),
            nn.BatchNorm2d(made, EPSILON, 1 - spec.momentum),
            nn.LeakyReLU(spec.slope),
        ]
        filters = made
    made = channels
    return nn.Sequential(*layers, convolution(spec.output_stride), nn.Tanh())


def make_discriminator(width: float, image_shape: Sequence[int]) -> nn.Module:
    """Images (B, C, H, W) in [-1, 1] -> scores (B, 1)."""
    spec, (size, _, channels) = DISCRIMINATORS["mnist"], image_shape
    layers = []
    for number in spec.filters:
        made = scaled(number, width)
        layers += [
            nn.Conv2d(channels, made, KERNEL, 2, KERNEL // 2),
            nn.BatchNorm2d(made, EPSILON, 1 - spec.momentum),
            nn.LeakyReLU(spec.slope),
        ]
        channels, size = made, (size + 1) // 2
    hidden = scaled(spec.hidden, width)
    layers += [
        nn.Flatten(),
        nn.Linear(channels * size * size, hidden),
        nn.LeakyReLU(spec.hidden_slope),
        nn.Linear(hidden, 1),
    ]
    return nn.Sequential(*layers)


class Trainer:
    """Both networks with their Adams; D sees positives, negatives and generated images apart.

    Args:
        config: resolved, of `rumi_lsgan` with `d_schedule` joint.
        image_shape: (H, W, C).
    """

    def __init__(self, config: RunConfig, image_shape: Sequence[int]):
        self.generator = make_generator(config.width, config.latent_dim, image_shape)
        self.discriminator = make_discriminator(config.width, image_shape)
        self._targets = {
            "positive": (config.beta_pos, config.label_b_pos),
            "negative": (config.beta_neg, config.label_b_neg),
            "fake": (1.0, config.label_a),
        }
        self._wanted = config.label_c
        self._adams = [
            torch.optim.Adam(
                network.parameters(), config.learning_rate, (config.beta_1, config.beta_2), 1e-7
            )
            for network in (self.generator, self.discriminator)
        ]

    def iterate(
        self, updates: Sequence[Mapping[str, torch.Tensor]], noise: torch.Tensor
    ) -> tuple[list[float], float]:
        """Updates of D on one batch of generated images, then G's.

        Args:
            updates: for every update of D, role -> (B, C, H, W) images.
            noise: (B, latent_dim).

        Returns:
            The losses of D's updates, and G's.
        """
        for_generator, for_discriminator = self._adams
        fakes, losses = self.generator(noise), []
        for images in updates:
            for_discriminator.zero_grad()
            loss = torch.zeros(())
            for role, batch in {**images, "fake": fakes.detach()}.items():
                weight, target = self._targets[role]
                loss = loss + weight * _least_squares(self.discriminator(batch), target)
            loss.backward()
            for_discriminator.step()
            losses.append(loss.detach())
        for_generator.zero_grad()
        loss = _least_squares(self.discriminator(fakes), self._wanted)
        loss.backward(inputs=list(self.generator.parameters()))
        for_generator.step()
        return [float(value) for value in losses], float(loss.detach())


def _least_squares(scores: torch.Tensor, target: float) -> torch.Tensor:
    return torch.mean((scores - target) ** 2)


def as_torch(images: tf.Tensor) -> torch.Tensor:
    """(B, H, W, C) -> (B, C, H, W)."""
    return torch.from_numpy(images.numpy()).permute(0, 3, 1, 2).contiguous()


def stepper(config: RunConfig) -> Callable[[], None]:
    """As `steps.stepper`: trains for `ITERATIONS` iterations, on as many threads as TensorFlow."""
    torch.set_num_threads(int(environment()["threads"]))
    _, batches = prepared(config)
    trainer = Trainer(config, next(batches)[0]["positive"]["image"].shape[1:])

    def train() -> None:
        for _ in range(ITERATIONS):
            updates = [
                {role: as_torch(part["image"]) for role, part in update.items()}
                for update in next(batches)
            ]
            trainer.iterate(updates, torch.randn(config.batch_size, config.latent_dim))

    train()
    return train
