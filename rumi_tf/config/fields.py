"""Base class of configurations, whose fields are declared with help and bounds."""

import dataclasses
import hashlib
import inspect
import json
import math
import numbers
from typing import Any, ClassVar, TypeVar

from absl import flags

from rumi_tf.utils.errors import InvalidInput
from rumi_tf.utils.io import is_text, parse_json

ConfigType = TypeVar("ConfigType", bound="Config")


def option(
    default: Any,
    help_text: str,
    *,
    section: str | None = None,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    identity: bool = True,
    hashed_default: Any = None,
    flag: bool = True,
) -> Any:
    """A field of a `Config`: its default, help and valid values.

    Args:
        default: the default; `None` means that the dataset or the objective decides.
        help_text: meaning, unit, and the paper's value, for `--help`.
        section: heading in `--help`; by default the class attribute `section`.
        choices: valid values of a string, or of each item of a list.
        low, high: inclusive bounds. above, below: exclusive bounds.
        identity: whether it affects the result, and so enters the hash of the run.
        hashed_default: a further value that is left out of the hash, for a field whose default
            became `None` later.
        flag: whether it has a flag; the others are computed.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "section": section,
            "choices": choices,
            "low": low,
            "high": high,
            "above": above,
            "below": below,
            "identity": identity,
            "hashed_default": hashed_default,
            "flag": flag,
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Immutable settings of a run, with fields declared by `option`.

    The constructor raises `InvalidInput`, naming the flag, for a value that is not valid.

    Class attributes:
        section: heading of the class's fields in `--help`.
    """

    section: ClassVar[str] = ""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    @classmethod
    def section_of(cls, name: str) -> str:
        """Heading of a field in `--help`."""
        owners: list[Any] = [c for c in cls.__mro__ if name in inspect.get_annotations(c)]
        return cls.__dataclass_fields__[name].metadata["section"] or owners[0].section

    def identity(self) -> dict[str, Any]:
        """The fields that affect the result."""
        keep = {f.name for f in dataclasses.fields(self) if f.metadata["identity"]}
        return {k: v for k, v in dataclasses.asdict(self).items() if k in keep}

    def hash(self) -> str:
        """Ten hexadecimal digits that identify the run.

        Fields at their defaults are left out, so that a field which is added later does not
        rename existing runs. For the same reason a default never changes.
        """
        fields = self.__dataclass_fields__
        chosen = {
            name: value
            for name, value in self.identity().items()
            if value not in (fields[name].default, fields[name].metadata["hashed_default"])
        }
        text = json.dumps(chosen, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def to_json(self) -> str:
        """Indented JSON; `from_json` is the inverse."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls: type[ConfigType], text: str) -> ConfigType:
        """Inverse of `to_json`.

        Raises:
            ValueError: not a JSON object, or an unknown field.
            InvalidInput: a value is not valid.
        """
        values = parse_json(text)
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
        unknown = set(values) - {f.name for f in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        return cls(**values)

    @classmethod
    def from_flags(
        cls: type[ConfigType], flag_values: flags.FlagValues, **others: Any
    ) -> ConfigType:
        """Reads the flags of `define_flags`; `others` gives the fields that have no flag."""
        named = {f.name for f in dataclasses.fields(cls) if f.metadata["flag"]} - set(others)
        return cls(**{name: flag_values[name].value for name in named}, **others)


def value_type(field: dataclasses.Field) -> type:
    """Type of a field's values other than `None`.

    Raises:
        TypeError: flags cannot have this type.
    """
    for kind in (tuple, bool, int, float, str):
        if str(field.type).replace("<class '", "").startswith(kind.__name__):
            return kind
    raise TypeError(f"no flag type for {field.name}: {field.type}")


def _text(field: dataclasses.Field, value: str) -> str:
    """Returns a value that can be encoded as UTF-8, else raises `InvalidInput`."""
    if not is_text(value):
        raise InvalidInput(field.name, f"{value!r} is not valid UTF-8")
    return value


def _check_choice(field: dataclasses.Field, value: Any) -> None:
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise InvalidInput(field.name, f"{value!r} is not one of {', '.join(choices)}")


def _checked(field: dataclasses.Field, value: Any) -> Any:
    """Returns the value in the field's type; raises `InvalidInput` if it is not valid."""
    kind: type = value_type(field)
    limits = field.metadata
    if value is None:
        if field.default is None:
            return None
        raise InvalidInput(field.name, "needs a value")
    if kind is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise InvalidInput(field.name, f"{value!r} is not a list of names")
        names = tuple(_text(field, v.strip()) for v in value if v.strip())
        for name in names:
            _check_choice(field, name)
        return names
    if isinstance(value, numbers.Real) and not isinstance(value, bool):  # also those of NumPy
        value = int(value) if isinstance(value, numbers.Integral) else float(value)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 2**1023 else math.inf
    if type(value) is not kind:
        raise InvalidInput(field.name, f"{value!r} is not of the type {kind.__name__}")
    if isinstance(value, str):
        _text(field, value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(field.name, f"{value} is not a finite number")
    _check_choice(field, value)
    for bound, wrong, words in (
        ("low", lambda b: value < b, "at least"),
        ("high", lambda b: value > b, "at most"),
        ("above", lambda b: value <= b, "greater than"),
        ("below", lambda b: value >= b, "less than"),
    ):
        if limits[bound] is not None and wrong(limits[bound]):
            raise InvalidInput(field.name, f"is {value}, must be {words} {limits[bound]:.12g}")
    return value
