from __future__ import annotations

import pytest
import torch
from torch import nn

from keepset_experiments.optimization import OneCycle, Optimizer, Pace, Triangle

TRIANGLE = Triangle(peak=2.0, rising=0.25, begin=0.2, end=0.1, momentum=0.85)


@pytest.mark.parametrize(("total", "rising"), [(100, 0.3), (8, 0.3), (6, 0.1), (3, 0.3)])
def test_one_cycle_is_torchs(total: int, rising: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.2, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=total, pct_start=rising)
    for step in range(total):
        pace, group = OneCycle(0.2, rising).pace(step, total), optimizer.param_groups[0]
        assert pace.rate == pytest.approx(group["lr"]) and pace.momentum == pytest.approx(group["momentum"])
        if step + 1 < total:
            optimizer.step()
            theirs.step()


def test_one_cycle_stays_at_its_end_for_broken_steps_past_it() -> None:
    schedule = OneCycle(0.2, 0.3)
    assert schedule.pace(99.5, 100) == schedule.pace(99, 100)
    assert schedule.pace(49, 100).rate > schedule.pace(49.5, 100).rate > schedule.pace(50, 100).rate


def test_a_triangle_has_straight_sides() -> None:
    rates = [TRIANGLE.pace(step, 8).rate for step in range(8)]
    assert rates == pytest.approx([0.4, 1.2, 2.0, 1.7, 1.4, 1.1, 0.8, 0.5])
    assert TRIANGLE.pace(3, 8).momentum == 0.85


def test_biases_of_batch_norms_learn_faster_and_decay_alike() -> None:
    convolution, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)
    network = nn.Sequential(convolution, norm)
    norm.weight.requires_grad = False
    with torch.no_grad():
        norm.bias.fill_(1)
        convolution.weight.fill_(1)
    optimizer = Optimizer(network, Triangle(0.1, 0.5, 1, 1, momentum=0), weight_decay=0.5, bias_scale=64)
    # Of a loss that neither changes: what is left is the decay, rate x decay of each.
    pace = optimizer.step(0 * (norm.bias.sum() + convolution.weight.sum()), 0, 10, factor=2)
    assert pace == Pace(0.2, 0)
    assert norm.bias.item() == pytest.approx(0.9) and convolution.weight.item() == pytest.approx(0.9)
    optimizer.step(norm.bias.sum() + convolution.weight.sum(), 0, 10, factor=1)
    assert norm.bias.item() == pytest.approx(0.9 * 0.95 - 6.4)
    assert convolution.weight.item() == pytest.approx(0.9 * 0.95 - 0.1)
    assert norm.weight.item() == 1
