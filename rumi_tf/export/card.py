"""Model card of an exported generator: its data, metrics and settings, and how to sample."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from rumi_tf import __version__
from rumi_tf.utils.console import markdown, printable

DATA_TERMS = {
    "digits": "The page of scikit-learn's digits names their source and no licence.",
    "mnist": "The page of MNIST names no licence.",
    "fashion_mnist": "Fashion-MNIST is under the MIT licence.",
    "cifar10": "The page of CIFAR-10 names no licence.",
    "celeba": "CelebA is for non-commercial research only.",
    "folder": "The owner of the training images decides on what may be done with the model.",
}


def model_card(
    metadata: Mapping[str, Any],
    settings: Mapping[str, Any],
    counts: Mapping[str, int],
    metrics: Mapping[str, float | None],
    evaluation: str,
    keras_file: bool = False,
) -> str:
    """Markdown text for a file beside the model.

    Args:
        metadata: stored in the SavedModel by `reproduce.train`.
        settings: fields of the configuration that affect the result.
        counts: number of training images, "positive" and "negative".
        metrics: values by metric; empty without an evaluation.
        evaluation: description of the evaluation of `metrics`.
        keras_file: describes a .keras file instead of the SavedModel of the card's directory.
    """
    height, width, channels = metadata["image_shape"]
    names = [_literal(name) for name in metadata["class_names"]]
    facts = {
        "objective": settings["objective"],
        "data set": settings["dataset"],
        "positives": _images(counts["positive"], metadata["positive_classes"], names),
        "negatives": _images(counts["negative"], metadata["negative_classes"], names),
        "iterations": f"{metadata['iteration']:,}",
        "images": f"{height}x{width} pixels, {'grey' if channels == 1 else 'RGB'}, in [-1, 1]",
        "noise": f"{settings['latent_dim']} independent standard normal numbers",
    }
    label = None
    if trained := metadata["trained_classes"]:
        label = metadata["positive_classes"][0]
        facts["labels"] = ", ".join(f"{k} ({names[k]})" for k in trained)
    rows = [{"property": name, "value": value} for name, value in facts.items()]
    return "\n".join(
        [
            f"# {facts['objective']} generator, {facts['data set']}\n",
            f"Generator of a GAN, trained with rumi_tf {__version__}. {_place(keras_file)}\n",
            markdown(rows),
            "## Metrics\n",
            _metrics(metrics, evaluation),
            "## Sampling\n",
            _sampling(settings["latent_dim"], label, keras_file),
            "## Terms of the data\n",
            f"{DATA_TERMS[settings['dataset']]}\n",
            "## Settings\n",
            f"```json\n{json.dumps(dict(settings), indent=2, ensure_ascii=False)}\n```\n",
        ]
    )


def _images(count: int, classes: list[int], names: list[str]) -> str:
    return f"{count:,} images ({', '.join(names[k] for k in classes)})" if count else "none"


def _literal(name: str) -> str:
    """A name that Markdown shows as it is."""
    # An underscore inside a word is no markup.
    return re.sub(
        r"([\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_]))",
        r"\\\1",
        html.escape(printable(name), quote=False),
    )


def _place(keras_file: bool) -> str:
    if keras_file:
        return "This card describes `generator.keras`; `saved_model/` has its own."
    return "This card describes the SavedModel in its directory."


def _metrics(metrics: Mapping[str, float | None], evaluation: str) -> str:
    if not metrics:
        return "The model was not evaluated.\n"
    rows = [
        {"metric": _literal(name), "value": "undefined" if value is None else f"{value:.4g}"}
        for name, value in metrics.items()
    ]
    return f"{evaluation}\n\n{markdown(rows)}"


def _sampling(latent_dim: int, label: int | None, keras_file: bool) -> str:
    noise = f"noise = tf.random.normal((64, {latent_dim}))"
    if keras_file:
        inputs = "noise" if label is None else f"(noise, tf.fill((64,), {label}))"
        lines = [
            "import keras",
            "import rumi_tf  # registers the classes of the networks",
            "import tensorflow as tf",
            "",
            'generator = keras.models.load_model("generator.keras")',
            noise,
            f"images = generator({inputs}, training=False)",
        ]
        return "\n".join(["```python", *lines, "```", ""])
    inputs = "noise" if label is None else f"noise, label=tf.fill((64,), {label})"
    lines = [
        noise,
        'model = tf.saved_model.load("DIR")',
        f"images = model.serve({inputs})",
    ]
    return "\n".join(
        [
            "`DIR` is the directory of this file.\n",
            "```bash",
            "rumi sample --saved_model=DIR --num=64 --grid=grid.png --images=images",
            "```\n",
            "```python",
            "import rumi_tf",
            "",
            'images = rumi_tf.load_generator("DIR").sample(64, seed=0)  # (64, H, W, C) in [-1, 1]',
            "```\n",
            "Without rumi_tf:\n",
            "```python",
            "import tensorflow as tf",
            "",
            *lines,
            "```",
            "",
        ]
    )
