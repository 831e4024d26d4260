import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from keepset import device_values
from keepset.device_values import (
    SMALLEST_BUFFER,
    DeviceRing,
    PendingCopy,
    StreamDevice,
    pending,
    pending_indices,
)

PATIENCE = 30
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class FakeEvent:
    """One queued copy and the mark behind it: nothing has moved until it fires."""

    def __init__(self, source: Tensor, target: Tensor) -> None:
        self.source, self.target = source, target
        self.awaited, self.fired = threading.Event(), threading.Event()

    def fire(self) -> None:
        self.target.copy_(self.source)
        self.fired.set()

    def synchronize(self) -> None:
        self.awaited.set()
        assert self.fired.wait(PATIENCE), "the device never came past the mark"


class FakeDevice:
    """A device whose work is done by hand, in the order in which it was queued."""

    def __init__(self) -> None:
        self.allocated: list[int] = []
        self.queue: Queue[FakeEvent] = Queue()

    def allocate(self, byte_count: int) -> Tensor:
        self.allocated.append(byte_count)
        return torch.full((byte_count,), 0xAA, dtype=torch.uint8)

    def copy(self, source: Tensor, target: Tensor) -> FakeEvent:
        assert source.dtype == target.dtype, "a copy that converts as well could take a kernel, or round"
        assert source.shape == target.shape
        event = FakeEvent(source, target)
        self.queue.put(event)
        return event

    def work(self) -> None:
        """Does all that is queued."""
        while not self.queue.empty():
            self.queue.get().fire()


class OnDevice(Tensor):
    """A tensor that says that it is on a GPU, and writes down what is asked of it."""

    device = property(lambda self: torch.device("cuda:0"))  # pyright: ignore
    is_cpu = property(lambda self: False)  # pyright: ignore
    asked: set[str]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.asked.add(getattr(func, "__name__", str(func)))
        return super().__torch_function__(func, types, args, kwargs)


def as_float32(values: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return values.float().numpy().copy()


def in_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """Starts call in a thread; the answer waits for its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()

    def join() -> Any:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the thread hangs"
        return results[0]

    return join


# The ring, with a device worked by hand.


def test_sends_without_waiting_for_the_device() -> None:
    device = FakeDevice()
    ring = DeviceRing(device)
    copies = [ring.send(torch.full((3,), float(batch)), as_float32) for batch in range(50)]
    assert [copy.size for copy in copies] == [3] * 50
    assert device.queue.qsize() == 50, "nothing has been waited for, nothing has moved"
    device.work()
    assert [copy.read().tolist() for copy in copies] == [[batch] * 3 for batch in range(50)]


def test_reading_waits_for_the_device() -> None:
    device = FakeDevice()
    copy = DeviceRing(device).send(torch.tensor([1.0, 2.0]), as_float32)
    event = device.queue.get()
    answer = in_thread(copy.read)
    assert event.awaited.wait(PATIENCE)
    event.fire()
    assert answer().tolist() == [1.0, 2.0]


def test_a_buffer_goes_round_only_after_it_was_read() -> None:
    device = FakeDevice()
    ring = DeviceRing(device)
    first = ring.send(torch.tensor([1.0]), as_float32)
    second = ring.send(torch.tensor([2.0]), as_float32)
    assert len(device.allocated) == 2
    device.work()
    kept = first.read()
    third = ring.send(torch.tensor([3.0]), as_float32)
    device.work()
    assert len(device.allocated) == 2, "the first buffer is used again"
    assert (kept.tolist(), second.read().tolist(), third.read().tolist()) == ([1.0], [2.0], [3.0])


def test_what_was_read_once_cannot_be_read_again() -> None:
    device = FakeDevice()
    copy = DeviceRing(device).send(torch.tensor([1.0]), as_float32)
    device.work()
    copy.read()
    with pytest.raises(RuntimeError, match="read already"):
        copy.read()


def test_sizes_grow_by_powers_of_two() -> None:
    device = FakeDevice()
    ring = DeviceRing(device)
    for size in (1, 1024, 1025, 0, 2048, 2049):
        copy = ring.send(torch.zeros(size), as_float32)
        device.work()
        assert copy.read().shape == (size,)
    assert device.allocated == [SMALLEST_BUFFER, 2 * SMALLEST_BUFFER, 4 * SMALLEST_BUFFER]


def test_keeps_no_more_than_its_limit() -> None:
    device = FakeDevice()
    ring = DeviceRing(device, kept_limit=3 * SMALLEST_BUFFER)
    copies = [ring.send(torch.zeros(8), as_float32) for _ in range(10)]
    device.work()
    for copy in copies:
        copy.read()
    assert ring.kept_bytes == 3 * SMALLEST_BUFFER
    copies = [ring.send(torch.zeros(8), as_float32) for _ in range(4)]
    assert len(device.allocated) == 11, "three of the four go round"
    assert ring.kept_bytes == 0


def test_copies_that_nobody_reads_cost_the_ring_nothing() -> None:
    device = FakeDevice()
    ring = DeviceRing(device)
    ring.send(torch.zeros(8), as_float32)
    device.work()
    assert ring.kept_bytes == 0
    copy = ring.send(torch.ones(8), as_float32)
    device.work()
    assert copy.read().tolist() == [1.0] * 8


def test_a_failed_copy_is_told_to_the_reader_and_its_buffer_given_up() -> None:
    class Broken(FakeEvent):
        def synchronize(self) -> None:
            raise RuntimeError("device-side assert")

    device = FakeDevice()
    device.copy = Broken
    ring = DeviceRing(device)
    copy = ring.send(torch.zeros(8), as_float32)
    with pytest.raises(RuntimeError, match="device-side assert"):
        copy.read()
    assert ring.kept_bytes == 0, "the device may still write into it"


def test_buffers_made_in_inference_mode_can_be_used_after_it() -> None:
    modes: list[bool] = []

    class Watched(FakeDevice):
        def allocate(self, byte_count: int) -> Tensor:
            modes.append(torch.is_inference_mode_enabled())
            return super().allocate(byte_count)

    device = Watched()
    ring = DeviceRing(device)
    with torch.inference_mode():
        copy = ring.send(torch.ones(2), as_float32)
        device.work()
        copy.read()
    copy = ring.send(torch.tensor([1.0, 2.0], requires_grad=True) * 2, as_float32)
    device.work()
    assert copy.read().tolist() == [2.0, 4.0]
    assert modes == [False], "one buffer, which torch lets anyone write to"


@given(sizes=st.lists(st.integers(0, 3000), max_size=30), waiting=st.integers(0, 5))
def test_every_batch_gets_its_own_values(sizes: list[int], waiting: int) -> None:
    device = FakeDevice()
    ring = DeviceRing(device, kept_limit=4 * SMALLEST_BUFFER)
    on_their_way: list[tuple[PendingCopy[np.float32], Tensor]] = []
    for size in sizes:
        values = torch.rand(size)
        on_their_way.append((ring.send(values, as_float32), values))
        if len(on_their_way) > waiting:
            device.work()
            copy, own = on_their_way.pop(0)
            assert copy.read().tolist() == own.tolist()
        assert ring.kept_bytes <= 4 * SMALLEST_BUFFER
    device.work()
    for copy, own in on_their_way:
        assert copy.read().tolist() == own.tolist()


def test_three_threads_at_once_mix_nothing_up() -> None:
    device = FakeDevice()
    ring = DeviceRing(device, kept_limit=2 * SMALLEST_BUFFER)
    sent: Queue[PendingCopy[np.float32]] = Queue(maxsize=8)
    count = 2000

    def work() -> None:
        for _ in range(count):
            device.queue.get(timeout=PATIENCE).fire()

    def read() -> list[list[float]]:
        return [sent.get(timeout=PATIENCE).read().tolist() for _ in range(count)]

    worked, received = in_thread(work), in_thread(read)
    for batch in range(count):
        sent.put(ring.send(torch.full((batch % 4,), float(batch)), as_float32), timeout=PATIENCE)
    worked()
    assert received() == [[float(batch)] * (batch % 4) for batch in range(count)]
    assert ring.kept_bytes <= 2 * SMALLEST_BUFFER


# From tensors of a device to the ring.


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    fake = FakeDevice()
    monkeypatch.setitem(device_values._rings, torch.device("cuda:0"), DeviceRing(fake))  # pyright: ignore
    return fake


def test_losses_of_a_device_ask_nothing_that_waits(device: FakeDevice) -> None:
    OnDevice.asked = set()
    losses = torch.tensor([1.5, -2.0], requires_grad=True).as_subclass(OnDevice)
    index = torch.tensor([3, 2**32 - 1]).as_subclass(OnDevice)
    values, indices = pending(losses), pending_indices(index)
    waiting = {
        "item",
        "tolist",
        "cpu",
        "to",
        "numpy",
        "__array__",
        "__bool__",
        "__len__",
        "nonzero",
        "any",
        "all",
        "max",
    }
    assert not OnDevice.asked & waiting
    assert isinstance(values, PendingCopy)
    assert isinstance(indices, PendingCopy)
    assert (values.size, indices.size) == (2, 2)
    device.work()
    assert values.read().tolist() == [1.5, -2.0]
    assert indices.read().tolist() == [3, 2**32 - 1]


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.int64]
)
def test_values_of_a_device_come_as_float32(device: FakeDevice, dtype: torch.dtype) -> None:
    OnDevice.asked = set()
    values = torch.tensor([0.0, 1.0, 0.1]).to(dtype)
    copy = pending(values.as_subclass(OnDevice))
    assert isinstance(copy, PendingCopy)
    device.work()
    answer = copy.read()
    assert answer.dtype == np.float32
    assert answer.tolist() == values.float().tolist()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64, torch.uint32])
def test_indices_of_a_device_come_exactly(device: FakeDevice, dtype: torch.dtype) -> None:
    OnDevice.asked = set()
    limit = min(torch.iinfo(dtype).max, 2**32 - 1)
    index = [0, 1, limit // 2 + 1, limit - 1, limit]
    copy = pending_indices(torch.tensor(index, dtype=dtype).as_subclass(OnDevice))
    assert isinstance(copy, PendingCopy)
    device.work()
    answer = copy.read()
    assert answer.dtype == np.uint32
    assert answer.tolist() == index


def test_a_wrong_index_of_a_device_is_told_when_it_is_read(device: FakeDevice) -> None:
    OnDevice.asked = set()
    copy = pending_indices(torch.tensor([2**32 + 5]).as_subclass(OnDevice))
    assert isinstance(copy, PendingCopy)
    device.work()
    with pytest.raises(ValueError, match="index holds 4294967301"):
        copy.read()


def test_marks_the_stream_of_the_tensors_own_device_after_the_copy() -> None:
    done: list[Any] = []

    class Target:
        def copy_(self, source: object, non_blocking: bool) -> None:
            done.append(("copy", non_blocking))

    class Event:
        def record(self, stream: object) -> None:
            done.append(("record", stream))

    class Module:
        def __init__(self) -> None:
            self.Event = Event

        def current_stream(self, device: torch.device) -> str:
            return f"stream of {device}"

    event = StreamDevice(Module()).copy(torch.zeros(1), Target())  # pyright: ignore
    assert isinstance(event, Event)
    assert done == [("copy", True), ("record", "stream of cpu")]


# Tensors of the CPU.


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8, torch.int64]
)
def test_values_of_the_cpu_come_at_once(dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, 1.0, 0.1]).to(dtype)
    answer = pending(values.requires_grad_() if dtype.is_floating_point else values)
    assert isinstance(answer, np.ndarray)
    assert answer.tolist() == values.tolist()


def test_takes_values_in_any_strides_and_modes() -> None:
    table = torch.arange(12.0).reshape(3, 4)
    for values in (table[:, 1], table[1].flip(0), torch.tensor([7.0]).expand(3), torch.empty(0)):
        answer = pending(values)
        assert isinstance(answer, np.ndarray)
        assert answer.tolist() == values.tolist()
    with torch.inference_mode():
        made = torch.ones(2)
        assert pending(made).size == 2
    assert pending(made).size == 2


def test_follows_no_default_device() -> None:
    with torch.device("meta"):
        assert isinstance(pending(torch.ones(2, device="cpu")), np.ndarray)


def test_keeps_what_is_not_finite() -> None:
    answer = pending(torch.tensor([torch.nan, torch.inf, -torch.inf]))
    assert isinstance(answer, np.ndarray)
    assert np.isnan(answer[0])
    assert answer[1:].tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize(
    "index", [torch.tensor([5, 2**32 - 1]), np.array([5, 2**32 - 1], np.uint32), [5, 2**32 - 1], (5, 2**32 - 1)]
)
def test_indices_of_the_host_come_at_once(index: Any) -> None:
    answer = pending_indices(index)
    assert isinstance(answer, np.ndarray)
    assert answer.tolist() == [5, 2**32 - 1]


def test_an_index_past_what_half_precision_can_count_is_exact() -> None:
    # InfoBatch sends index and loss in one tensor: beside float16 losses, 2,049 becomes 2,048.
    index = torch.arange(2040, 2060)
    losses = torch.rand(20).half()
    assert torch.cat([losses, index.half()])[20:].tolist() != index.tolist()
    answers = pending(losses), pending_indices(index)
    assert isinstance(answers[0], np.ndarray)
    assert isinstance(answers[1], np.ndarray)
    assert answers[0].tolist() == losses.tolist()
    assert answers[1].tolist() == index.tolist()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (torch.tensor(1.0), r'loss is a single number .*reduction="none"'),
        (torch.ones(8, 2), r"loss has shape \(8, 2\).*keepset\.per_sample\(loss\)"),
    ],
)
def test_refuses_values_that_are_not_one_for_each_sample(values: Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        pending(values, "loss")


def test_refuses_complex_values_of_a_device(device: FakeDevice) -> None:
    OnDevice.asked = set()
    with pytest.raises(TypeError, match=r"loss has dtype torch\.complex64"):
        pending(torch.ones(2, dtype=torch.complex64).as_subclass(OnDevice), "loss")


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        (torch.tensor([1.0]), TypeError, "torch.float32"),
        (torch.tensor([True]), TypeError, "torch.bool"),
        (torch.tensor(1), ValueError, r"shape \(\)"),
        (torch.tensor([[1]]), ValueError, r"shape \(1, 1\)"),
    ],
)
def test_refuses_indices_of_a_device_that_are_none(
    device: FakeDevice, index: Tensor, error: type[Exception], text: str
) -> None:
    OnDevice.asked = set()
    with pytest.raises(error, match=text):
        pending_indices(index.as_subclass(OnDevice))


# On a GPU.


def busy() -> None:
    """Work of about a second for the GPU."""
    torch.cuda._sleep(2_000_000_000)  # pyright: ignore


@needs_cuda
def test_cuda_values_come_without_a_wait_on_the_calling_thread() -> None:
    losses = torch.rand(256, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    index = torch.arange(2**32 - 256, 2**32, device="cuda")
    expected = losses.float().tolist()
    first = pending(losses)  # Makes the buffers, which may take its time.
    assert isinstance(first, PendingCopy)
    assert first.read().tolist() == expected
    previous = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        busy()
        mark = torch.cuda.Event()
        mark.record()
        values, indices = pending(losses * 1), pending_indices(index)
        assert not mark.query(), "the GPU is still busy with what came before"
    finally:
        torch.cuda.set_sync_debug_mode(previous)
    assert isinstance(values, PendingCopy)
    assert isinstance(indices, PendingCopy)
    assert in_thread(values.read)().tolist() == expected
    assert in_thread(indices.read)().tolist() == list(range(2**32 - 256, 2**32))


@needs_cuda
def test_cuda_values_are_those_of_the_moment_on_any_stream() -> None:
    for stream in (torch.cuda.current_stream(), torch.cuda.Stream()):
        with torch.cuda.stream(stream):
            losses = torch.zeros(100, device="cuda")
            copies: list[Any] = []
            for batch in range(300):
                losses.fill_(batch)
                copies.append(pending(losses))
        assert [copy.read().tolist() for copy in copies] == [[float(batch)] * 100 for batch in range(300)]


@needs_cuda
def test_cuda_values_may_have_any_strides() -> None:
    table = torch.arange(12.0, device="cuda").reshape(3, 4)
    for values in (table[:, 1], torch.tensor([7.0], device="cuda").expand(3), table[0, :0]):
        copy = pending(values)
        assert isinstance(copy, PendingCopy)
        assert copy.read().tolist() == values.tolist()
