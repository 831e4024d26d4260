"""Reports of losses: what a trainer hands over, and the bytes that are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from keepset._proto.run_pb2 import MetricColumn
from keepset._proto.sampler_service_pb2 import LossReport, StreamReportsRequest
from keepset.client.checks import invalid


class PendingValues(Protocol):
    """Values of a batch, (B,), that are still on their way from a device: handed over at once, read later."""

    @property
    def size(self) -> int:
        """How many values there will be, B."""
        ...

    def read(self) -> npt.NDArray[Any]:
        """The values, (B,). Called once, on a thread of this library, which it may block until they are there."""
        ...


Values = npt.ArrayLike | PendingValues
"""Values of a batch, (B,): anything that `numpy.asarray` takes, or `PendingValues`."""


class Report:
    """The losses of one batch.

    Made on the trainer's thread, whose caches are full of the trainer's own data: each call there costs tens of
    microseconds. So it does no more than to copy the bytes of what is an array and to look at its shape and type. What
    is pending is read, and all is checked and encoded, when the report is sent first.
    """

    __slots__ = ("_encoded", "_indices", "_losses", "_metrics", "epoch", "rank", "sequence", "size")

    def __init__(self, epoch: int, rank: int, indices: Values, losses: Values, *, is_batch_loss: bool = False) -> None:
        """`is_batch_loss`: `losses` is one value, the mean of the batch."""
        self.epoch = epoch
        self.rank = rank
        self.sequence = 0
        self._metrics: dict[str, _Taken] | None = None
        self._encoded: bytes | None = None
        self._indices, self.size = _take("indices", indices, "iu")
        self._losses, count = _take("losses", _flat(losses) if is_batch_loss else losses, "fiub")
        if is_batch_loss:
            if count != 1:
                raise invalid("losses", f"must be one value, the batch's mean loss (score_source), got {count}")
        elif count != self.size:
            raise _other_size("losses", count, self.size)
        if count == 0:
            raise invalid("indices", "must hold at least one index")

    def add_metrics(self, metrics: Mapping[str, Values], names: tuple[str, ...]) -> None:
        """Adds columns, each one of the run's `names`."""
        self._metrics = {}
        for name, values in metrics.items():
            if name not in names:
                known = ", ".join(map(repr, names)) or "none: it was created without metrics="
                raise invalid(f"metrics[{name!r}]", f"is no metric of this run; it has {known}")
            column, count = _take(f"metrics[{name!r}]", values, "fiub")
            if count != self.size:
                raise _other_size(f"metrics[{name!r}]", count, self.size)
            self._metrics[name] = column

    def encode(self, run_id: str, generation: int, sample_count: int) -> bytes:
        """The request that carries it. Reads pending values the first time, and keeps what it made for a report that is
        sent again.
        """
        if self._encoded is None:
            metrics = (self._metrics or {}).items()
            report = LossReport(
                run_id=run_id,
                epoch=self.epoch,
                rank=self.rank,
                sequence=self.sequence,
                sample_indices=_index_bytes(_read("indices", self._indices, "iu"), sample_count),
                losses=_value_bytes(_read("losses", self._losses, "fiub")),
                generation=generation,
                metrics=[
                    MetricColumn(name=name, values=_value_bytes(_read(f"metrics[{name!r}]", values, "fiub")))
                    for name, values in metrics
                ],
            )
            self._encoded = StreamReportsRequest(report=report).SerializeToString()
            self._indices = self._losses = b"", _ANY
            self._metrics = None
        return self._encoded

    def __str__(self) -> str:
        return f"report {self.sequence} of epoch {self.epoch} and rank {self.rank}"


_Taken = tuple[bytes, np.dtype[Any]] | PendingValues
"""Values that were copied, as bytes and what they are, or that are still to come."""
_ANY = np.dtype(np.uint8)


def _take(field: str, values: Values, kinds: str) -> tuple[_Taken, int]:
    """A copy, so that the trainer may use its array again, or what is pending as it is; and how many there are."""
    given: Any = values
    if not isinstance(values, np.ndarray) and hasattr(values, "read"):
        return given, given.size
    array: npt.NDArray[Any] = np.asarray(given)
    dtype = array.dtype
    if array.ndim != 1 or dtype.kind not in kinds:
        _check_array(field, array, kinds)
    return (array.tobytes(), dtype), array.size


def _flat(value: Values) -> Values:
    """A scalar as the array that it is sent as."""
    given: Any = value
    return given if hasattr(value, "read") else np.atleast_1d(np.asarray(given))


def _check_array(field: str, array: npt.NDArray[Any], kinds: str) -> None:
    if array.ndim != 1:
        raise invalid(field, f"must have one value a sample, shape (B,), got shape {array.shape}")
    if array.dtype.kind not in kinds and array.size > 0:
        wanted = "numbers" if kinds != "iu" else "integers"
        if kinds == "iu" and array.dtype.kind == "f":
            wanted = "integers: a float does not hold every index exactly"
        raise invalid(field, f"must be {wanted}, got {array.dtype}")


def _other_size(field: str, count: int, index_count: int) -> Exception:
    return invalid(field, f"must have one value for each of the {index_count} indices, got {count}")


def _read(field: str, values: _Taken, kinds: str) -> npt.NDArray[Any]:
    if isinstance(values, tuple):
        return np.frombuffer(*values)
    array = np.asarray(values.read())
    _check_array(field, array, kinds)
    if array.size != values.size:
        raise invalid(field, f"came from their device with {array.size} values when {values.size} were announced")
    return array


def _index_bytes(indices: npt.NDArray[Any], sample_count: int) -> bytes:
    smallest, largest = int(indices.min()), int(indices.max())
    if smallest < 0 or largest >= sample_count:
        wrong = smallest if smallest < 0 else largest
        subset = "; those of a subset are places in the subset, so wrap it with keepset.indexed last"
        raise invalid(
            "indices",
            f"must be from 0 to {sample_count - 1}, as the data set of the run, got {wrong}"
            f"{subset if wrong >= sample_count else ''}",
        )
    return indices.astype("<u4", copy=False).tobytes()


def _value_bytes(values: npt.NDArray[Any]) -> bytes:
    with np.errstate(over="ignore"):  # what f32 cannot hold is infinite, and counted as such
        return values.astype("<f4", copy=False).tobytes()
