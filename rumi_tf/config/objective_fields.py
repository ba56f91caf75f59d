"""Fields of `RunConfig` for the objective and its parameters, generated from the objectives."""

import dataclasses
import inspect
from typing import Any, ClassVar

from rumi_tf.config.fields import Config, option
from rumi_tf.objectives import OBJECTIVES


def _names(conditional: bool, roles: int) -> str:
    kinds = OBJECTIVES.items()
    return ", ".join(
        name for name, k in kinds if k.conditional == conditional and len(k.subsets) == roles
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveName(Config):
    """The objective."""

    section: ClassVar = "Objective"

    objective: str = option(
        "rumi_lsgan",
        help_text=f"Loss functions. Trained on the positives only: {_names(False, 1)}. On "
        f"positives and negatives: {_names(False, 2)}. On all images with their labels, with a "
        f"class-conditional generator: {_names(True, 1)}.",
    )


def parameter_option(name: str, default: Any = None) -> Any:
    """Field of a parameter that objectives declare, with their bounds and help.

    Args:
        name: name of the parameter.
        default: default of the field; `None` takes that of the objective, which the help states.

    Raises:
        TypeError: two objectives declare the parameter with different choices or bounds.
    """
    first, *others = [
        {key: getattr(kind.parameters[name], key) for key in ("choices", "low", "high", "above")}
        for kind in OBJECTIVES.values()
        if name in kind.parameters
    ]
    if any(limits != first for limits in others):
        raise TypeError(f"objectives declare {name} with different choices or bounds")
    return option(default, _parameter_help(name, with_default=default is None), **first)


def _parameter_help(name: str, with_default: bool) -> str:
    """Help of an objective's parameter: for which objectives, meaning, default."""
    groups: dict[str, list[str]] = {}
    for objective, kind in OBJECTIVES.items():
        if declared := kind.parameters.get(name):
            default = declared.default
            shown = f"{default:g}" if isinstance(default, float) else str(default).lower()
            text = declared.help
            if with_default and default is not None:
                text += f" Default: {shown}."
            groups.setdefault(text, []).append(objective)
    parts = []
    for text, names in groups.items():
        pairs = [n for n in names if f"rumi_{n}" in names]
        short = [f"[rumi_]{n}" if n in pairs else n for n in names if n[5:] not in pairs]
        parts.append(f"{', '.join(short)}: {text}")
    return " ".join(parts)


def _parameter_fields() -> list[tuple[str, Any, Any]]:
    """Name, type and field for each parameter of the objectives."""
    hints: dict[str, Any] = {}
    for kind in OBJECTIVES.values():
        for name in kind.parameters:
            declared = map(inspect.get_annotations, kind.__mro__)
            hints[name] = next(own[name] for own in declared if name in own)
    return [(name, hint, parameter_option(name)) for name, hint in hints.items()]


# A field for each parameter of `OBJECTIVES`; `None` takes the objective's default.
ObjectiveFields: Any = dataclasses.make_dataclass(
    "ObjectiveFields", _parameter_fields(), bases=(ObjectiveName,), frozen=True, kw_only=True
)
