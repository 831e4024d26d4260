"""How long a training takes, and what for."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


def _no_wait() -> None:
    """A processor has done what it was given."""


@dataclass
class Clock:
    """Seconds of the training, without those of the tests, and of them those of its parts.

    A GPU computes on its own: the part that waits for it first would have the time of all that it was given before.
    """

    settle: Callable[[], None] = _no_wait
    """Waits until the device has done what it was given."""
    total: float = 0.0
    cpu: float = 0.0
    """On processors, of this process."""
    sampler: float = 0.0
    """In which it waited for the sampler."""
    scoring: float = 0.0
    """Of the forward passes over what was left out."""
    _begin: float = field(default_factory=time.perf_counter)
    _begin_cpu: float = field(default_factory=time.process_time)

    def stop(self) -> None:
        """Before a test."""
        self.settle()
        self.total += time.perf_counter() - self._begin
        self.cpu += time.process_time() - self._begin_cpu

    def go_on(self) -> None:
        """After it."""
        self._begin, self._begin_cpu = time.perf_counter(), time.process_time()

    @contextmanager
    def in_sampler(self) -> Generator[None]:
        """Around calls of the sampler that wait for no device, such as those of each batch."""
        begin = time.perf_counter()
        yield
        self.sampler += time.perf_counter() - begin

    @contextmanager
    def in_settled_sampler(self) -> Generator[None]:
        """Around calls of the sampler that wait for losses, which the device may have to compute yet."""
        self.settle()
        with self.in_sampler():
            yield

    @contextmanager
    def in_scoring(self) -> Generator[None]:
        """Around the forward passes over what was left out."""
        self.settle()
        begin = time.perf_counter()
        yield
        self.settle()
        self.scoring += time.perf_counter() - begin
