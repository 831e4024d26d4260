"""Values that this library refuses before they are sent."""

from __future__ import annotations

import operator
from typing import Any

from keepset.client.errors import FieldViolation, InvalidArgumentError

MAX_U32 = 2**32 - 1
_MAX_U64 = 2**64 - 1


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


def _check_integer(field: str, value: Any, minimum: int, maximum: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not minimum <= number <= maximum:
        raise invalid(field, f"must be an integer from {minimum} to {maximum}, got {value!r}")
    return number
