"""Hyper-parameters of the Rumi-GAN paper's models, from its text or its published code."""

from typing import Any

from absl import flags

from rumi_tf.config.flags import flagfile_fields
from rumi_tf.utils.paths import FLAGFILES

SETTINGS = ("paper", "authors_code")
# Where the published scripts differ from flags/authors_code.flags.
_OBJECTIVES = {"rumi_lsgan": "rumi_lsgan_authors_code"}
_FIELDS: dict[str, dict[str, Any]] = {
    "fashion_mnist": {"learning_rate": 2e-4},
    "celeba": {"learning_rate": 2e-4, "image_size": 32},
}
_FIELDS_OF_MODEL = {("celeba", "rumi_lsgan"): {"image_size": 128}}


def define_settings_flag(section: str) -> None:
    """Defines --settings, listed under the heading `section`."""
    flags.DEFINE_enum(
        "settings", "paper", SETTINGS, "Hyper-parameters of the paper's text, or of its published "
        "code. Other flags override them.", module_name=section,
    )  # fmt: skip


def hyperparameters(settings: str, dataset: str, model: str) -> tuple[str, dict[str, Any]]:
    """Settings of a model of the paper on a data set.

    Args:
        settings: one of `SETTINGS`. The paper's are the defaults of `RunConfig`.
        dataset: of `rumi_tf.experiments.paper_grid.DATASETS`.
        model: of `rumi_tf.experiments.paper_grid.MODELS`.

    Returns:
        A name for `rumi_tf.experiments.sweep.objective_config`, and fields of `RunConfig`.
    """
    if settings == "paper":
        return model, {}
    fields = flagfile_fields(FLAGFILES / f"{settings}.flags")
    fields |= _FIELDS.get(dataset, {}) | _FIELDS_OF_MODEL.get((dataset, model), {})
    return _OBJECTIVES.get(model, model), fields
