"""`RunConfig`: all settings of a training run."""

import dataclasses
from typing import Any, ClassVar

from absl import flags

from rumi_tf.config.fields import Config, option
from rumi_tf.config.objective_fields import ObjectiveFields
from rumi_tf.config.recipes import recipe_settings
from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import file_name

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "celeba", "folder")
# In order of application. Implemented in `rumi_tf.networks.diff_augment`.
AUGMENTATIONS = ("flip", "color", "translation", "cutout")
FILLED_AUGMENTATIONS = {"translation", "cutout"}  # those that use --d_augment_fill
SPLITS = (
    "even",
    "odd",
    "overlap",
    "single",
    "unbalanced",
    "animals",
    "attribute",
    "classes",
    "all",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFields(Config):
    """Images and their split."""

    section: ClassVar = "Data"

    dataset: str = option(
        "digits",
        choices=DATASETS,
        help_text="Images to learn from. digits: scikit-learn's 8x8 digits resized to 28x28, "
        "needs no download. folder: your own, one sub-folder of PNG or JPEG files per class. "
        "Paper: mnist, fashion_mnist, cifar10, celeba.",
    )
    data_dir: str = option(
        "",
        identity=False,
        help_text="Directory of the data. For mnist, fashion_mnist, cifar10: the TFDS directory, "
        "where missing data is downloaded to (default: TFDS's own). For celeba: the same, or the "
        "directory with img_align_celeba/ and list_attr_celeba. For folder: the directory "
        "with one sub-folder per class.",
    )
    data_digest: str = option(
        "",
        flag=False,
        help_text="Digest of the images of a folder (names and contents) or of CelebA (names and "
        "sizes).",
    )
    split: str | None = option(
        None,
        choices=SPLITS,
        help_text="Which images are positive (to learn) and which negative (to avoid). "
        "even, odd: by digit. overlap: 1,2,4,5,7,9 against 0,2,3,6,8,9. single: the one class in "
        "--positive_classes against all others. unbalanced: --minority_size images of "
        "--minority_class against all others. animals: CIFAR-10 classes 2-7 against the rest. "
        "attribute: CelebA images with --attribute against those without. classes: "
        "--positive_classes against --negative_classes. all: every class positive, for objectives "
        "without negatives. Default: unbalanced if --minority_class is given, classes if "
        "--positive_classes is; else attribute for celeba, classes for folder, even "
        "for the others. Paper: even, overlap, unbalanced.",
    )
    positive_classes: tuple[str, ...] = option(
        (),
        help_text="Comma-separated classes to learn, by name or index (splits classes, single). "
        "Put a name that contains a comma in double quotes. Paper: those of --split=even and "
        "overlap.",
    )
    negative_classes: tuple[str, ...] = option(
        (),
        help_text="Comma-separated classes to avoid, by name or index (split classes). They may "
        "overlap with the positive classes. Default: all classes that are not positive. Paper: "
        "those of --split=even and overlap.",
    )
    minority_class: str | None = option(
        None,
        help_text="The under-represented class to learn, by name or index (split unbalanced). "
        "Paper: each MNIST digit, each CIFAR-10 class, Female and Male of CelebA.",
    )
    minority_size: int | None = option(
        None,
        low=0,
        help_text="Number of images of the minority class to keep, drawn at random by --seed. 0 "
        "keeps all. Default: 200 for mnist and fashion_mnist, 5% of the class for "
        "cifar10 (250) and celeba, 50 for digits, all for folder. Paper: 200 for MNIST, 5% for "
        "CIFAR-10 and CelebA.",
    )
    holdout: float = option(
        0.0,
        low=0,
        below=1,
        help_text="Fraction of the images of each class, in [0, 1), to exclude from training, "
        "drawn at random by --seed before --minority_size is applied. Use them as a test set. "
        "Paper: 0.",
    )
    attribute: str | None = option(
        None,
        help_text="CelebA attribute that defines the two classes, by its name in the attribute "
        "list, e.g. Male, Bald, Wearing_Hat. Default: Male (classes Female and Male).",
    )
    image_size: int | None = option(
        None,
        low=16,
        high=256,
        help_text="Height and width of the training images in pixels. 28 (default) or "
        "32 for digits, mnist and fashion_mnist; 32 for cifar10. celeba: 32, 64 or "
        "128 (default 64). folder: 28, or a multiple of 16 (default 64). Paper: the data sets' "
        "own sizes; for celeba not stated. UAC-GAN: 32.",
    )
    skip_unreadable: bool = option(
        False,
        help_text="Skip images of a folder that cannot be read, and report how many, instead "
        "of stopping.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkFields(Config):
    """Architectures."""

    section: ClassVar = "Networks"

    network: str = option(
        "auto",
        choices=("auto", "mnist", "cifar10", "celeba", "uac_resnet"),
        help_text="DCGAN generator and discriminator; class-conditional for conditional "
        "objectives. auto: celeba for the dataset celeba, else mnist at 28 pixels, cifar10 at 32, "
        "celeba at other sizes. uac_resnet: UAC-GAN's networks, for conditional objectives at 32 "
        "pixels; D is a ResNet without batch normalisation.",
    )
    width: float = option(
        1.0,
        above=0,
        high=4,
        help_text="Multiplier of the number of filters of every layer. Paper: 1.",
    )
    latent_dim: int = option(
        100,
        low=1,
        high=4096,
        help_text="Dimension of the Gaussian noise. Paper: 100.",
    )
    d_batch_norm: str | None = option(
        None,
        choices=("separate", "joint", "none"),
        hashed_default="separate",
        help_text="Batch normalisation in D. separate: positives, negatives and generated images "
        "are normalised one after another (as in the published code). joint: together. none: D has "
        "no batch normalisation. Default: none for wgan*, dragan and their rumi_ forms, else "
        "separate. The paper does not say.",
    )
    precision: str = option(
        "float32",
        choices=("float32", "mixed_bfloat16"),
        help_text="Arithmetic of the networks. mixed_bfloat16 is faster if the processor supports "
        "bf16, else slower. Paper: float32.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingFields(Config):
    """The training step and its budget."""

    section: ClassVar = "Training"

    iterations: int = option(
        10_000,
        low=1,
        high=10**9,
        help_text="Generator updates. Paper: 10,000 for unbalanced MNIST, 50,000 for unbalanced "
        "CIFAR-10 and CelebA, else 100 epochs.",
    )
    batch_size: int = option(
        100,
        low=2,
        high=2**16,
        help_text="Images of each kind (positive, negative, generated) in an update. Paper: 100.",
    )
    learning_rate: float = option(
        1e-4,
        above=0,
        high=1,
        help_text="Adam's learning rate, for all networks. Paper: 1e-4. UAC-GAN: 2e-4.",
    )
    beta_1: float = option(
        0.5,
        low=0,
        below=1,
        help_text="Adam's decay of the first moment. Paper: 0.5.",
    )
    beta_2: float = option(
        0.999,
        low=0,
        below=1,
        help_text="Adam's decay of the second moment. Paper: 0.999.",
    )
    d_steps: int = option(
        2,
        low=1,
        high=100,
        help_text="Discriminator updates per generator update. Paper: 2.",
    )
    d_schedule: str = option(
        "split",
        choices=("split", "joint"),
        help_text="Data of a discriminator update of a Rumi objective. split: positives and "
        "negatives in turn (the paper's text). joint: both at once (the published code).",
    )
    fakes: str = option(
        "shared",
        choices=("shared", "fresh"),
        help_text="shared: all updates of an iteration use one batch of generated images (as in "
        "the published code, and faster). fresh: each update generates new images. The paper does "
        "not say.",
    )
    update: str = option(
        "sequential",
        choices=("sequential", "simultaneous"),
        help_text="sequential: G's gradient is taken after D's last update. simultaneous: before "
        "it (as in the published code).",
    )
    seed: int = option(
        0,
        low=0,
        high=2**31 - 1,
        help_text="Seed of all random numbers.",
    )
    jit: str = option(
        "auto",
        choices=("auto", "on", "off"),
        help_text="XLA compilation of the training step. auto: on for one GPU, off for several "
        "and on a CPU, where it takes about three times as long.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FewImagesFields(Config):
    """Remedies for small data sets."""

    section: ClassVar = "Few images"

    d_augment: tuple[str, ...] = option(
        (),
        choices=AUGMENTATIONS,
        help_text="Comma-separated random transformations of every image that D sees, real or "
        "generated (DiffAugment). This keeps D from memorising a small training set. translation: "
        "shifts by up to 1/8 of the side. cutout: blanks a square of half the side. color: changes "
        "brightness, saturation and contrast. flip: mirrors left to right with probability 1/2; G "
        "may then generate mirror images. Gradient penalties are taken at the transformed images. "
        "Paper and default: none.",
    )
    d_augment_fill: float | None = option(
        None,
        low=-1,
        high=1,
        help_text="Value of the pixels that translation uncovers and cutout blanks, from -1 "
        "(black) to 1 (white). Default: -1 for digits, mnist and fashion_mnist, whose background "
        "is black; 0 for the others. Use 1 for drawings or scans on white.",
    )
    generator_ema: float = option(
        0.0,
        low=0,
        below=1,
        help_text="Decay of an exponential moving average of G's weights and batch statistics, "
        "which is then sampled, evaluated and exported in place of G. After t iterations the decay "
        "is at most (1 + t) / (10 + t). 0: no average. Typical: 0.999. Paper and default: 0.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceFields(Config):
    """Devices that the training step runs on."""

    section: ClassVar = "Devices"

    strategy: str = option(
        "none",
        choices=("none", "mirrored", "multi_worker"),
        identity=False,
        help_text="tf.distribute strategy, which divides every batch over devices. none: one "
        "device. mirrored: all GPUs of this machine. multi_worker: the processes listed in the "
        "environment variable TF_CONFIG. The result is the same up to rounding, unless XLA draws "
        "other noise on one GPU (--jit=off prevents that).",
    )
    sync_batch_norm: bool = option(
        True,
        help_text="With --strategy, whether batch normalisation uses the whole batch, as on one "
        "device. If false, it uses the part on its device, which is faster, but the result "
        "depends on the number of devices. Paper: one device.",
    )
    steps_per_execution: int = option(
        1,
        low=1,
        high=1000,
        identity=False,
        help_text="Iterations per call of the compiled step. It must divide --iterations and all "
        "--..._every. Saves time if iterations are short; the result is the same. Must be 1 with "
        "--strategy.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputFields(Config):
    """Files of a run."""

    section: ClassVar = "Output"

    runs_dir: str = option(
        "runs",
        identity=False,
        help_text="Parent of the run directories, which are named by their settings.",
    )
    checkpoint_every: int = option(
        500,
        low=1,
        high=10**9,
        identity=False,
        help_text="Iterations between checkpoints; a killed run resumes from the last.",
    )
    sample_every: int = option(
        500,
        low=1,
        high=10**9,
        identity=False,
        help_text="Iterations between sample grids (PNG).",
    )
    log_every: int = option(
        50,
        low=1,
        high=10**9,
        help_text="Iterations averaged into one row of log.csv and one point in TensorBoard.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationFields(Config):
    """Metrics during training."""

    section: ClassVar = "Evaluation"

    eval_every: int = option(
        0,
        low=0,
        high=10**9,
        identity=False,
        help_text="Iterations between evaluations of the generator, written to metrics.csv. The "
        "last iteration is always evaluated. 0: no evaluations. Paper: 500.",
    )
    embedding: str | None = option(
        None,
        choices=("classifier", "inception", "inception_299"),
        identity=False,
        help_text="Network whose features the metrics use. classifier: trained on the labels of "
        "the data set, needs no download; its scores cannot be compared with published ones. "
        "inception: InceptionV3 at 80x80, the paper's. inception_299: the UAC-GAN paper's. "
        "Default: that of --protocol if given, else classifier.",
    )
    protocol: str = option(
        "auto",
        choices=("auto", "rumi_unbalanced", "rumi_subset", "uac_images"),
        identity=False,
        help_text="Sample counts and reference images. rumi_unbalanced: 10,000 generated against "
        "all images of the minority class. rumi_subset: 10,000 against all of the positive "
        "classes. uac_images: 10,240 of all classes against all training images. auto: "
        "rumi_unbalanced for --split=unbalanced, else rumi_subset.",
    )
    eval_samples: int | None = option(
        None,
        low=2,
        high=10**7,
        identity=False,
        help_text="Number of images to generate for an evaluation. Default: the papers' numbers, "
        "10,000, or 10,240 for uac_images.",
    )
    inception_weights: str = option(
        "",
        identity=False,
        help_text="File with the ImageNet weights of Keras's InceptionV3, for machines without "
        "internet: without the top for inception, with it for inception_299.",
    )
    cache_dir: str = option(
        "~/.cache/rumi_tf",
        identity=False,
        help_text="Directory for trained classifiers and statistics of real images. If "
        "empty, nothing is kept.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig(
    # A dataclass lists the fields of its last base first.
    EvaluationFields, OutputFields, DeviceFields, FewImagesFields, TrainingFields, NetworkFields,
    ObjectiveFields, DataFields,
):  # fmt: skip
    """All settings of a training run on images.

    `rumi_tf.runs.resolve.resolve` fills in fields that are `None` with the paper's values for the
    data set and objective.
    """

    @classmethod
    def from_flags(cls, flag_values: flags.FlagValues, **others: Any) -> "RunConfig":
        """Reads the flags. If the command has --recipe, it sets flags that were not given.

        Raises:
            InvalidInput: a value is not valid, or --data_dir is given without --dataset.
        """
        recipe = recipe_settings(flag_values, others.get("dataset"))
        config = super().from_flags(flag_values, **{**recipe, **others})
        if config.data_dir and not ("dataset" in others or flag_values["dataset"].present):
            raise InvalidInput(
                "data_dir", "has no effect with --dataset=digits, which is the default; your own "
                "images are --dataset=folder"
            )  # fmt: skip
        return config

    def name(self) -> str:
        """Directory name of the run, made unique by its hash."""
        what = self.minority_class if self.split == "unbalanced" else None
        parts = [self.dataset, self.split, what, self.objective, f"seed{self.seed}", self.hash()]
        return "-".join(file_name(str(part)) for part in parts if part)
