"""Learning rates that are multiplied for the time of a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import keepset
from support.sampler_process import SamplerProcess

N = 20
LOGITS = 9.0 * torch.eye(2)[torch.arange(N) % 2]


@pytest.fixture
def second_epoch(sampler: SamplerProcess, run_id: str) -> keepset.Sampler:
    """In an epoch whose factor is 2."""
    policy = keepset.Kakurenbo()
    made = keepset.Sampler(N, policy=policy, prune_rate=0.5, address=sampler.address, run_id=run_id)
    index = torch.tensor(list(made))
    made.report(index, index.float(), logits=LOGITS[index], targets=index % 2)
    made.set_epoch(1)
    return made


def make_optimizer() -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    return weight, torch.optim.SGD([weight], lr=0.1)


def test_a_step_is_as_large_as_the_plan_says(second_epoch: keepset.Sampler) -> None:
    weight, optimizer = make_optimizer()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    rates = keepset.ScaledRates(second_epoch, [optimizer])
    assert second_epoch.learning_rate_factor == 1, "it has no plan yet"
    optimizer.step()
    assert weight.item() == pytest.approx(-0.1)
    assert len(list(DataLoader(range(N), sampler=second_epoch))) == N // 2
    assert second_epoch.learning_rate_factor == pytest.approx(2)
    optimizer.step()
    assert weight.item() == pytest.approx(-0.3)
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.05 == schedule.get_last_lr()[0]
    rates.remove()
    optimizer.step()
    assert weight.item() == pytest.approx(-0.35)


def test_a_step_that_fails_leaves_no_trace(second_epoch: keepset.Sampler) -> None:
    weight, optimizer = make_optimizer()
    list(second_epoch)
    rates = keepset.ScaledRates(second_epoch, [SimpleNamespace(optimizer=optimizer)])  # a wrapper, as accelerate's

    def fail() -> Any:
        raise RuntimeError("as it was told")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="as it was told"):
            optimizer.step(fail)
    optimizer.step()
    assert weight.item() == pytest.approx(-0.2)
    with pytest.raises(RuntimeError, match="as it was told"):
        optimizer.step(fail)
    rates.remove()
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_says_of_which_optimizers_it_cannot(second_epoch: keepset.Sampler, caplog: pytest.LogCaptureFixture) -> None:
    keepset.ScaledRates(second_epoch, [object()])
    assert "object is no optimizer of torch: its learning rate is not multiplied" in caplog.text
    caplog.clear()
    keepset.ScaledRates(keepset.Sampler(N), [object()])
    assert caplog.records == [], "no other policy has a factor"
