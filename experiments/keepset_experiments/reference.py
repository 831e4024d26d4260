"""An independent reference of three policies, in the trainer's own process, to hold the service's results against.

Written from the definitions alone, in plain numpy: it shares no code with the service or its clients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

ALPHA = np.float32(0.8)
"""Weight of a new loss in the moving statistics."""
C = np.float32(1)
"""Weight of the variance in `ucb`."""
EPSILON = 0.1
"""Share of the kept samples that `epsilon_greedy` draws at random."""

SELECTION, ORDER = 0, 1
"""Purposes of random numbers: each has a stream of its own, so that no rule changes the order of the epochs."""


class Statistics:
    """Exponential moving mean and variance of each sample's losses, (N,) float32."""

    def __init__(self, count: int) -> None:
        self.mean = np.zeros(count, np.float32)
        self.variance = np.zeros(count, np.float32)
        self.seen = np.zeros(count, bool)

    def observe(self, indices: Indices, losses: Scores) -> None:
        """Takes losses of samples, (B,) each, no sample twice.

        The first loss of a sample is its mean, with variance 0. After it, the variance first, with the old mean:
        variance = (1 - alpha) variance + alpha (loss - mean)^2; mean = (1 - alpha) mean + alpha loss.
        """
        kept = np.float32(1) - ALPHA
        mean, variance, seen = self.mean[indices], self.variance[indices], self.seen[indices]
        self.variance[indices] = np.where(seen, kept * variance + ALPHA * (losses - mean) ** 2, np.float32(0))
        self.mean[indices] = np.where(seen, kept * mean + ALPHA * losses, losses)
        self.seen[indices] = True


def largest(scores: Scores, count: int, random: np.random.Generator) -> Indices:
    """The `count` samples with the largest scores; those that are equal at the threshold are drawn at random."""
    if count == 0:
        return np.empty(0, np.int64)
    threshold = np.partition(scores, -count)[-count]
    above = np.flatnonzero(scores > threshold)
    tied = random.choice(np.flatnonzero(scores == threshold), count - len(above), replace=False)
    return np.concatenate([above, tied])


def random_uniform(statistics: Statistics, keep: int, random: np.random.Generator) -> Indices:
    """`keep` samples, uniformly without replacement."""
    return random.choice(len(statistics.seen), keep, replace=False)


def epsilon_greedy(statistics: Statistics, keep: int, random: np.random.Generator) -> Indices:
    """Those with the largest mean, then floor(epsilon k) uniformly from all that are not taken yet."""
    drawn = _share(EPSILON, keep)
    taken = largest(_unseen_first(statistics.mean, statistics), keep - drawn, random)
    is_left = np.ones(len(statistics.seen), bool)
    is_left[taken] = False
    return np.concatenate([taken, random.choice(np.flatnonzero(is_left), drawn, replace=False)])


def ucb(statistics: Statistics, keep: int, random: np.random.Generator) -> Indices:
    """Those with the largest mean + c variance."""
    return largest(_unseen_first(statistics.mean + C * statistics.variance, statistics), keep, random)


RULES: dict[str, Callable[[Statistics, int, np.random.Generator], Indices]] = {
    "random": random_uniform,
    "epsilon_greedy": epsilon_greedy,
    "ucb": ucb,
}


@dataclass(frozen=True)
class ReferencePlan:
    """What an epoch trains on."""

    indices: npt.NDArray[np.uint32]
    """In training order."""


class InProcessSampler:
    """What the training loop needs of a sampler. Epoch 0 is full; floor((1 - p) N) samples are selected in epoch 1 and
    every `selection_period` epochs after it. In between they are kept, in a new order each epoch.

    Args:
        rule: one of `RULES`.
        count: samples of the data set, N.
        prune_rate: share that is left out, p in [0, 1).
        epochs: epochs that the training will have.
        selection_period: epochs from one selection to the next, at least 1.
        seed: key of every random choice.
    """

    def __init__(
        self, rule: str, count: int, *, prune_rate: float, epochs: int, selection_period: int, seed: int
    ) -> None:
        self.plan = ReferencePlan(np.empty(0, np.uint32))
        self.statistics = Statistics(count)
        self._rule = RULES[rule]
        self._count = count
        self._keep = _share(1 - Fraction(str(prune_rate)), count)
        self._epochs = epochs
        self._selection_period = selection_period
        self._selecting = np.random.default_rng([seed, SELECTION])
        self._ordering = np.random.default_rng([seed, ORDER])
        self._kept = np.arange(count)
        self._times_kept = np.zeros(count, np.int64)
        self._epochs_begun = 0
        self._planned = 0

    def set_epoch(self, epoch: int) -> None:
        """Plans the epoch. They come one after the other, from 0: another one raises ValueError."""
        if epoch != self._epochs_begun:
            raise ValueError(f"epoch is {epoch}; the next one is {self._epochs_begun}")
        if epoch > 0 and (epoch - 1) % self._selection_period == 0:
            # Sorted, so that the order depends on which samples are kept, not on how a rule lists them.
            self._kept = np.sort(self._rule(self.statistics, self._keep, self._selecting))
            self._times_kept[self._kept] += 1
        self.plan = ReferencePlan(self._ordering.permutation(self._kept).astype(np.uint32))
        self._epochs_begun += 1
        self._planned += len(self._kept)

    def report(self, indices: Tensor, losses: Tensor) -> Tensor:
        """Takes a batch's losses and returns their mean, a float32 scalar, to back-propagate.

        Args:
            indices: (B,) integers, no sample twice.
            losses: (B,) un-reduced training losses on any device, finite: others raise ValueError.
        """
        values = losses.detach().to("cpu", torch.float32).numpy()
        if not np.isfinite(values).all():
            raise ValueError("a loss is NaN or infinite: the reference has no rule for it")
        self.statistics.observe(indices.numpy(), values)
        return losses.mean(dtype=torch.float32)

    def total_steps(self, batch_size: int) -> int:
        """Batches of the whole training; the last one of an epoch can be smaller."""
        full, pruned = (math.ceil(samples / batch_size) for samples in (self._count, self._keep))
        return full + (self._epochs - 1) * pruned

    @property
    def saving(self) -> float:
        """1 - samples planned / (epochs x N), the present epoch included."""
        return 1 - self._planned / (self._epochs_begun * self._count)

    def times_kept(self) -> npt.NDArray[np.int64]:
        """(N,): how many selections kept each sample."""
        return self._times_kept.copy()

    def flush(self) -> None:
        """Nothing is on its way."""

    def finish(self) -> None:
        """There is no run that could be closed."""

    def close(self) -> None:
        """Nothing is held."""


def _share(share: float | Fraction, count: int) -> int:
    """floor(share x count) of the number as it is written: 0.1 is a tenth."""
    return math.floor(Fraction(str(share)) * count)


def _unseen_first(scores: npt.NDArray[Any], statistics: Statistics) -> Scores:
    return np.where(statistics.seen, scores, np.float32(np.inf))
