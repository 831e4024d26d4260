"""How fast a network learns: the optimizer, and its learning rate over the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn


@dataclass(frozen=True)
class Pace:
    """What a step is done with."""

    rate: float
    """Learning rate."""
    momentum: float


class Schedule(Protocol):
    """The pace of each step."""

    def pace(self, step: float, total: int) -> Pace:
        """Of a step from 0 to `total` - 1, a broken one between them too."""
        ...


@dataclass(frozen=True)
class OneCycle:
    """torch's `OneCycleLR` with its defaults: the rate rises from 1/25 of its peak and falls to 1/250,000, both along a
    cosine, while the momentum goes from 0.95 to 0.85 and back.
    """

    peak: float
    rising: float
    """Share of the steps after which the peak is reached."""

    def pace(self, step: float, total: int) -> Pace:
        """Of a step from 0 to `total` - 1."""
        top, end = self.rising * total - 1, total - 1
        if 0 < top >= step:
            share = step / top
            return Pace(_cosine(self.peak / 25, self.peak, share), _cosine(0.95, 0.85, share))
        share = min(1.0, (step - top) / (end - top))
        return Pace(_cosine(self.peak, self.peak / 250_000, share), _cosine(0.85, 0.95, share))


@dataclass(frozen=True)
class Triangle:
    """The rate rises in a straight line from a share of its peak, and falls in one to another share."""

    peak: float
    rising: float
    """Share of the steps after which the peak is reached."""
    begin: float
    end: float
    momentum: float

    def pace(self, step: float, total: int) -> Pace:
        """Of a step from 0 to `total` - 1."""
        done = step / total
        if done < self.rising:
            share = self.begin + (1 - self.begin) * done / self.rising
        else:
            share = 1 + (self.end - 1) * (done - self.rising) / (1 - self.rising)
        return Pace(self.peak * share, self.momentum)


class Optimizer:
    """SGD with Nesterov momentum.

    Args:
        network: its trainable parameters are trained.
        weight_decay: of the learning rate, as torch's SGD takes it.
        bias_scale: the biases of batch norms learn this much faster. Their decay is as fast as that of the rest.
    """

    def __init__(self, network: nn.Module, schedule: Schedule, weight_decay: float, bias_scale: float) -> None:
        biases = [module.bias for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        own = {id(bias) for bias in biases}
        others = [one for one in network.parameters() if one.requires_grad and id(one) not in own]
        self._schedule = schedule
        self._scales = [bias_scale, 1.0]
        self._sgd = torch.optim.SGD(
            [
                {"params": parameters, "weight_decay": weight_decay / scale}
                for parameters, scale in zip((biases, others), self._scales, strict=True)
            ],
            lr=1.0,
            momentum=0.9,
            nesterov=True,
        )

    def step(self, loss: torch.Tensor, step: float, total: int, factor: float) -> Pace:
        """Learns from a loss, at the pace of a step of `total`, with the learning rate times `factor`. Returns it."""
        pace = self._schedule.pace(step, total)
        pace = Pace(pace.rate * factor, pace.momentum)
        for group, scale in zip(self._sgd.param_groups, self._scales, strict=True):
            group["lr"], group["momentum"] = pace.rate * scale, pace.momentum
        self._sgd.zero_grad()
        loss.backward()
        self._sgd.step()
        return pace


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2
