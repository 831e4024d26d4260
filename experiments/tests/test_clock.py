from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from keepset_experiments.clock import Clock


@pytest.fixture
def spend(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass: no others do."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def spend(seconds: float) -> None:
        now[0] += seconds

    return spend


def test_each_part_has_the_time_that_the_device_took_for_it(spend: Callable[[float], None]) -> None:
    given = [0.0]

    def settle() -> None:
        spend(given.pop())
        given.append(0.0)

    clock = Clock(settle)
    clock.go_on()
    given[0] = 1  # of the training's steps
    with clock.in_settled_sampler():
        spend(10)
    given[0] = 2
    with clock.in_scoring():
        spend(100)
        given[0] = 1000
    given[0] = 4
    clock.stop()
    assert clock.sampler == 10, "not what was computed before it"
    assert clock.scoring == 1100, "and all that it has computed itself"
    assert clock.total == 1 + 10 + 2 + 1100 + 4


def test_the_calls_of_a_batch_wait_for_no_device(spend: Callable[[float], None]) -> None:
    clock = Clock(lambda: spend(1))
    clock.go_on()
    with clock.in_sampler():
        spend(10)
    assert clock.sampler == 10
    clock.stop()
    assert clock.total == 11


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_has_nothing_left_to_do_when_a_part_begins_or_ends() -> None:
    clock = Clock(torch.cuda.synchronize)
    values = torch.rand(4096, 4096, device="cuda")

    def give() -> None:
        for _ in range(50):
            values.mm(values)

    give()
    with clock.in_settled_sampler():
        assert torch.cuda.current_stream().query()
    give()
    with clock.in_scoring():
        assert torch.cuda.current_stream().query()
        give()
    assert torch.cuda.current_stream().query()
