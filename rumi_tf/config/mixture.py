"""`MixtureConfig`: settings of a set of runs on UAC-GAN's mixture of Gaussians."""

import dataclasses
import os
from pathlib import Path
from typing import ClassVar

from rumi_tf.config.fields import Config, option
from rumi_tf.config.objective_fields import parameter_option
from rumi_tf.utils.errors import InvalidInput

# Section 5.1. By the published code the second numbers are standard deviations.
MEANS = (0.0, 3.0, 6.0)
DEVIATIONS = (1.0, 2.0, 3.0)
NUM_CLASSES = len(MEANS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixtureConfig(Config):
    """Settings of a set of runs on the mixture. The defaults are variant V1."""

    section: ClassVar = "Mixture"

    objective: str = option(
        "acgan",
        choices=("acgan", "tacgan", "uacgan", "cgan_pd"),
        help_text="Loss functions.",
    )
    num_runs: int = option(
        100,
        low=1,
        high=10_000,
        help_text="Number of runs, each with its own data, weights and noise. Run r has the seed "
        "--seed + r. Table 1: 100.",
    )
    seed: int = option(0, low=0, high=2**30, help_text="Seed of the first run.")
    network: str = option(
        "points_v1",
        choices=("points_v1", "points_v2", "points_v3"),
        help_text="Networks and their initial weights: the three variants of the published code.",
    )
    samples: int = option(
        128_000,
        low=100,
        high=10_000_000,
        help_text="Number of data points per class.",
    )
    batch_size: int = option(
        384,
        low=3,
        high=65_536,
        help_text="Real points, and generated points, per update.",
    )
    stratified: bool = option(
        True,
        help_text="Whether a batch has the same number of real points of each class.",
    )
    epochs: int = option(20, low=1, high=10**6, help_text="Passes through the data.")
    iterations: int = option(
        100,
        low=1,
        help_text="Updates of G per epoch. With the default --d_steps, D has 1,000, as in V1.",
    )
    d_steps: int = option(
        10,
        low=1,
        high=100,
        help_text="Updates of D, and of each other network, per update of G.",
    )
    learning_rate: float = option(2e-3, above=0, high=1, help_text="Adam's learning rate.")
    beta_1: float = option(0.5, low=0, below=1, help_text="Adam's decay of the first moment.")
    beta_2: float = option(0.999, low=0, below=1, help_text="Adam's decay of the second moment.")
    adversarial_loss: str = parameter_option("adversarial_loss", "sgan")
    classifier_on_fakes: bool = parameter_option("classifier_on_fakes", False)
    twin_weight: float = parameter_option("twin_weight", 1.0)
    mi_weight: float = parameter_option("mi_weight", 1.0)
    mi_marginal: str = parameter_option("mi_marginal", "permutation")
    mi_gradient_clip: bool = parameter_option("mi_gradient_clip", True)
    mine_network: str = parameter_option("mine_network", "projection")
    mine_ema_rate: float = parameter_option("mine_ema_rate", 0.001)
    eval_samples: int = option(
        10_000,
        low=2,
        high=10_000_000,
        help_text="Generated points per class, of which 10,000 are drawn with replacement.",
    )
    runs_dir: str = option(
        "runs",
        section="Output",
        identity=False,
        help_text="Parent of the directories of sets of runs, which are named by their settings.",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.stratified and self.batch_size % NUM_CLASSES:
            raise InvalidInput(
                "batch_size",
                f"is {self.batch_size}; with --stratified it must be a multiple of {NUM_CLASSES}",
            )
        taken = -(-self.iterations * self.d_steps * self.batch_size // NUM_CLASSES)
        if taken > self.samples:
            raise InvalidInput(
                "iterations",
                f"an epoch needs {taken} points of each class, but --samples is {self.samples}",
            )

    def name(self) -> str:
        """Directory name, made unique by the hash."""
        return f"mixture-{self.objective}-{self.num_runs}runs-seed{self.seed}-{self.hash()}"

    @property
    def directory(self) -> Path:
        """Directory of the set of runs."""
        return Path(os.path.expanduser(self.runs_dir)) / self.name()

    @property
    def run_seeds(self) -> range:
        """Seeds of the runs."""
        return range(self.seed, self.seed + self.num_runs)
