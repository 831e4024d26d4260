"""Rules that were tried on the way to `backlog`, in the trainer's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from keepset_experiments.reference import Indices, Scores, Statistics, largest


class Rule(Protocol):
    """Takes losses in and chooses."""

    needs_fresh: bool
    """Whether it wants the present losses of all samples at each selection."""

    def observe(self, epoch: int, indices: Indices, losses: Scores) -> None:
        """Losses of a batch that was trained on, (B,) each."""
        ...

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        """`keep` samples. `fresh`: the present losses of all samples, (N,), for a rule that `needs_fresh`."""
        ...


class Ucb:
    """The policy `ucb`: the largest mean + variance."""

    needs_fresh = False

    def __init__(self, count: int) -> None:
        self.statistics = Statistics(count)

    def observe(self, epoch: int, indices: Indices, losses: Scores) -> None:
        self.statistics.observe(indices, losses)

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        return largest(self.statistics.mean + self.statistics.variance, keep, random)


class Fresh:
    """The largest present loss, known of all samples by a forward pass before each selection."""

    needs_fresh = True

    def __init__(self, count: int) -> None:
        pass

    def observe(self, epoch: int, indices: Indices, losses: Scores) -> None:
        pass

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        assert fresh is not None
        return largest(fresh, keep, random)


class Drift:
    """The largest moving mean of loss / level. The level follows how the losses of the same samples move, batch by
    batch: level *= (sum of losses / (level x sum of their means)) ^ 0.05, and in epoch 0 the mean of the losses.
    """

    needs_fresh = False

    def __init__(self, count: int, alpha: float = 0.8) -> None:
        self.mean, self.seen = np.zeros(count, np.float32), np.zeros(count, bool)
        self.alpha, self.level = alpha, 0.0

    def observe(self, epoch: int, indices: Indices, losses: Scores) -> None:
        mean, seen = self.mean[indices], self.seen[indices]
        if epoch == 0:
            self.level = 0.9 * (self.level or float(losses.mean())) + 0.1 * float(losses.mean())
        elif seen.any():
            self.level *= float(losses[seen].sum() / (self.level * mean[seen].sum())) ** 0.05
        relative = (losses / self.level).astype(np.float32)
        self.mean[indices] = np.where(seen, (1 - self.alpha) * mean + self.alpha * relative, relative)
        self.seen[indices] = True

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        return largest(self.mean, keep, random)


class Saturating(Ucb):
    """Draws without replacement, the probability to be kept in proportion to 1 - exp(-mean), which is about the
    probability that the network gives to wrong classes.
    """

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        return systematic(1 - np.exp(-self.statistics.mean.astype(np.float64)), keep, random)


class Waiting(Ucb):
    """The largest mean x (selections waited) ^ `patience`."""

    def __init__(self, count: int, patience: float = 1.0) -> None:
        super().__init__(count)
        self.waited, self.patience = np.ones(count), patience

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        return self._serve(self.statistics.mean * self.waited**self.patience, keep, random)

    def _serve(self, queues: npt.NDArray[np.float64], keep: int, random: np.random.Generator) -> Indices:
        kept = largest(queues.astype(np.float32), keep, random)
        self.waited += 1
        self.waited[kept] = 1
        return kept


class Backlog(Waiting):
    """The policy `backlog`: the largest (1 - exp(-mean))^2 x selections waited."""

    def select(self, keep: int, random: np.random.Generator, fresh: Scores | None) -> Indices:
        gain = np.expm1(-self.statistics.mean.astype(np.float64)) ** 2
        return self._serve(gain * self.waited, keep, random)


def systematic(sizes: npt.NDArray[np.float64], keep: int, random: np.random.Generator) -> Indices:
    """`keep` samples, each kept with a probability in proportion to its size, at most 1, along a random order."""
    certain = np.zeros(len(sizes), bool)
    while True:
        inclusion = np.where(certain, 1.0, sizes * (keep - certain.sum()) / sizes[~certain].sum())
        if not (more := (inclusion >= 1) & ~certain).any():
            break
        certain |= more
    order = random.permutation(len(sizes))
    ends = np.cumsum(inclusion[order])
    points = (random.random() + np.arange(keep)) * ends[-1] / keep
    return order[np.searchsorted(ends, points, side="right")]


RULES: dict[str, Callable[..., Rule]] = {
    "ucb": Ucb,
    "fresh": Fresh,
    "drift": Drift,
    "saturating": Saturating,
    "waiting": Waiting,
    "backlog": Backlog,
}
