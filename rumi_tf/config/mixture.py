"""`MixtureConfig`: settings of a set of runs on UAC-GAN's mixture of Gaussians."""

import dataclasses
import os
from pathlib import Path
from typing import ClassVar

from rumi_tf.config.fields import Config, option
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
    adversarial_loss: str = option(
        "sgan",
        choices=("sgan", "lsgan", "hinge"),
        help_text="Loss of the scores.",
    )
    classifier_on_fakes: bool = option(
        False,
        help_text="Whether D's classifier also learns from generated points (not cgan_pd).",
    )
    twin_weight: float = option(
        1.0, low=0, help_text="Weight of the twin classifier in G's loss (tacgan)."
    )
    mi_weight: float = option(
        1.0, low=0, help_text="Weight of the mutual information in G's loss (uacgan)."
    )
    mi_marginal: str = option(
        "permutation",
        choices=("permutation", "resample"),
        help_text="Independent labels of uacgan: the labels of the batch in random order, or new "
        "draws.",
    )
    mi_gradient_clip: bool = option(
        True,
        help_text="Whether the gradient of the mutual information is scaled down to the norm of "
        "the rest of G's gradient (uacgan).",
    )
    mine_network: str = option(
        "projection",
        choices=("concat", "projection", "projection_lse", "projection_label_disc"),
        help_text="Statistics network T of uacgan; see reproduce.train.",
    )
    mine_ema_rate: float = option(
        0.001,
        above=0,
        high=1,
        help_text="Rate of the moving average in the denominator of T's gradient in uacgan.",
    )
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
