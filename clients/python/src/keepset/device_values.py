"""Values of a batch on their way from a tensor to the sender's thread, without a wait on the calling thread.

Tensors of the CPU are handed over as views, which a report copies at once. Those of a device with streams (CUDA, ROCm,
XPU) are copied by the device itself into page-locked buffers, behind the work that is queued already; the sender's
thread waits for that. Any other device (MPS, for one) has no such copy here: its values are fetched at once, and the
calling thread waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from keepset.indices import to_indices

Scalar = TypeVar("Scalar", bound=np.generic)

# One page: 1,024 losses or 512 indices of int64. Any usual batch falls into the first size.
SMALLEST_BUFFER = 4096
# What a ring keeps at most for the next batches, in bytes.
KEPT_LIMIT = 16 * 1024 * 1024


class Event(Protocol):
    """A mark in the device's queue of work."""

    def synchronize(self) -> object:
        """Waits until the device has come past the mark."""
        ...


class Device(Protocol):
    """What a ring asks of a device. Neither may wait for the work that is queued there."""

    def allocate(self, byte_count: int) -> Tensor:
        """A buffer in host memory, uint8, shape (byte_count,), into which the device can write by itself."""
        ...

    def copy(self, source: Tensor, target: Tensor) -> Event:
        """Queues a copy of source into target, a buffer of the same dtype and shape, and a mark behind it."""
        ...


class StreamDevice:
    """A device of torch with streams and events. module: torch.cuda (CUDA and ROCm) or torch.xpu."""

    def __init__(self, module: Any) -> None:
        self._module = module
        # A blocking event lets the waiting thread sleep; the other kind would keep a core busy. XPU has no choice.
        self._new_event: Callable[[], Any] = (
            partial(torch.cuda.Event, blocking=True) if module is torch.cuda else module.Event
        )

    def allocate(self, byte_count: int) -> Tensor:
        return torch.empty(byte_count, dtype=torch.uint8, device="cpu", pin_memory=True)

    def copy(self, source: Tensor, target: Tensor) -> Event:
        target.copy_(source, non_blocking=True)
        event = self._new_event()
        event.record(self._module.current_stream(source.device))
        return event


class PendingCopy(Generic[Scalar]):
    """Values of which a device still has to write the last. Attribute: size, their number."""

    def __init__(
        self, event: Event, values: Tensor, convert: Callable[[Tensor], npt.NDArray[Scalar]], done: Callable[[], None]
    ) -> None:
        self.size = values.numel()
        self._event = event
        self._values: Tensor | None = values
        self._convert = convert
        self._done = done

    def read(self) -> npt.NDArray[Scalar]:
        """Waits for the device, then answers the values as an array of its own, shape (size,). Once only."""
        values, self._values = self._values, None
        if values is None:
            raise RuntimeError("these values were read already, and their buffer belongs to another batch now")
        self._event.synchronize()
        array = self._convert(values)
        self._done()
        return array


class DeviceRing:
    """Page-locked buffers that go round between the calling thread, one device and the sender's thread.

    A batch takes a free buffer of its size (a power of two); where none is free a new one is made, so that a batch
    never waits. A buffer that was read is kept for the next batch while the free ones are kept_limit bytes at most,
    and is given up otherwise. Safe to use from several threads.
    """

    def __init__(self, device: Device, *, kept_limit: int = KEPT_LIMIT) -> None:
        self._device = device
        self._kept_limit = kept_limit
        self._kept_bytes = 0
        self._free: dict[int, list[Tensor]] = {}
        self._lock = Lock()

    @property
    def kept_bytes(self) -> int:
        """Bytes in free buffers."""
        return self._kept_bytes

    def send(self, values: Tensor, convert: Callable[[Tensor], npt.NDArray[Scalar]]) -> PendingCopy[Scalar]:
        """Queues the copy of values, shape (B,), and returns. convert makes an array of its own of what has come."""
        source = values.detach()
        byte_count = source.numel() * source.element_size()
        buffer = self._take(max(SMALLEST_BUFFER, 1 << (byte_count - 1).bit_length()))
        target = buffer[:byte_count].view(source.dtype)
        event = self._device.copy(source, target)
        return PendingCopy(event, target, convert, partial(self._give_back, buffer))

    def _take(self, size: int) -> Tensor:
        with self._lock:
            free = self._free.get(size)
            if free:
                self._kept_bytes -= size
                return free.pop()
        # A buffer that is made in inference mode could not be written outside of it later.
        with torch.inference_mode(False):
            return self._device.allocate(size)

    def _give_back(self, buffer: Tensor) -> None:
        size = buffer.numel()
        with self._lock:
            if self._kept_bytes + size <= self._kept_limit:
                self._free.setdefault(size, []).append(buffer)
                self._kept_bytes += size


def pending(values: Tensor, name: str = "losses") -> npt.NDArray[Any] | PendingCopy[np.float32]:
    """Losses or another column of a batch, shape (B,), any real dtype: on the CPU a view (bfloat16, which numpy does
    not know, as a float32 copy), else float32 to come.

    name: what the errors call them. Raises ValueError for another shape, TypeError for complex values.
    """
    if values.ndim != 1:
        raise _no_column(values, name)
    ring = None if values.is_cpu else _ring(values.device)
    if ring is None:
        return _to_numpy(values)
    if values.is_complex():
        raise TypeError(f"{name} has dtype {values.dtype}: it must be real.")
    return ring.send(values, _copied_losses)


def pending_indices(index: Tensor | npt.NDArray[Any] | Sequence[int]) -> npt.NDArray[Any] | PendingCopy[np.uint32]:
    """The sample indices of a batch, shape (B,), exactly as they are: on the CPU a view, else to come.

    Looks at no array, which the report does itself. Raises ValueError for a tensor of another shape, TypeError for one
    of another dtype.
    """
    if isinstance(index, np.ndarray):
        return index
    if not isinstance(index, Tensor):
        return np.asarray(index)
    if index.is_floating_point() or index.is_complex() or index.dtype is torch.bool:
        raise TypeError(
            f"index has dtype {index.dtype}: sample indices must be integers, as other types lose digits. "
            "Keep the index out of tensors that hold losses and out of autocast."
        )
    if index.ndim != 1:
        raise ValueError(
            f"index has shape {tuple(index.shape)}: one whole number for each sample is needed, shape (batch size,). "
            "Pass the index of the batch as the loader gives it."
        )
    ring = None if index.is_cpu else _ring(index.device)
    return index.numpy(force=True) if ring is None else ring.send(index, _copied_indices)


_rings: dict[torch.device, DeviceRing] = {}


def _ring(device: torch.device) -> DeviceRing | None:
    """None where values are fetched at once."""
    if device.type not in ("cuda", "xpu"):
        return None
    ring = _rings.get(device)
    if ring is None:
        ring = _rings.setdefault(device, DeviceRing(StreamDevice(getattr(torch, device.type))))
    return ring


def _to_numpy(values: Tensor) -> npt.NDArray[Any]:
    try:
        return values.numpy(force=True)
    except TypeError:  # bfloat16 and its like, which numpy does not know
        return values.detach().float().numpy(force=True)


def _copied_losses(values: Tensor) -> npt.NDArray[np.float32]:
    return torch.empty(values.shape, dtype=torch.float32, device="cpu").copy_(values).numpy()


def _copied_indices(values: Tensor) -> npt.NDArray[np.uint32]:
    return to_indices(values.numpy())


def _no_column(values: Tensor, name: str) -> ValueError:
    if values.ndim == 0:
        return ValueError(
            f"{name} is a single number (shape ()): one for each sample is needed, shape (batch size,). Change the "
            'loss to reduction="none", as in F.cross_entropy(logits, y, reduction="none").'
        )
    return ValueError(
        f"{name} has shape {tuple(values.shape)}: one number for each sample is needed, shape (batch size,). "
        f"keepset.per_sample({name}) reduces the rest."
    )
