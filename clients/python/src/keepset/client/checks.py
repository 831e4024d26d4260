"""Values that this library refuses before they are sent."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, TypeVar

from keepset.client.errors import FieldViolation, InvalidArgumentError

MAX_U32 = 2**32 - 1
_MAX_U64 = 2**64 - 1

Key = TypeVar("Key", bound=str)
Value = TypeVar("Value")


def invalid(field: str, description: str) -> InvalidArgumentError:
    """The error of a value that is refused. `field` is its path in the proto, or the name of the option."""
    return InvalidArgumentError(
        f"{field}: {description}",
        code="INVALID_ARGUMENT",
        reason="INVALID_ARGUMENT",
        field_violations=(FieldViolation(field, description),),
    )


def check_u32(field: str, value: Any, minimum: int = 0) -> int:
    """An integer (NumPy's too) that fits the wire's u32."""
    return _check_integer(field, value, minimum, MAX_U32)


def check_u64(field: str, value: Any) -> int:
    """An integer that fits the wire's u64."""
    return _check_integer(field, value, 0, _MAX_U64)


def check_seconds(option: str, value: Any) -> float:
    """A time in seconds above 0 that may be infinite."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if seconds > 0:
        return seconds
    raise invalid(option, f"must be a positive number of seconds (math.inf: without end), got {value!r}")


def check_float(field: str, value: Any) -> float:
    """A number of any type that Python makes a float of."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise invalid(field, f"must be a number, got {value!r}") from None


def check_bool(field: str, value: Any) -> bool:
    """True or False."""
    if isinstance(value, bool):
        return value
    raise invalid(field, f"must be True or False, got {value!r}")


def one_of(field: str, table: Mapping[Key, Value], key: Key) -> Value:
    """What a table has for a name."""
    if key in table:
        return table[key]
    raise invalid(field, f"must be one of {', '.join(map(repr, table))}, got {key!r}")


def _check_integer(field: str, value: Any, minimum: int, maximum: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not minimum <= number <= maximum:
        raise invalid(field, f"must be an integer from {minimum} to {maximum}, got {value!r}")
    return number
