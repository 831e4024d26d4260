"""How long each epoch of a run is, known before any of them is planned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal

from keepset.policies import Backlog, Policy
from keepset.policy_traits import keeps_own_count, run_defaults


@dataclass(frozen=True, kw_only=True)
class EpochLengths:
    """Settings of a run that fix the lengths of its epochs, as they were given to `create_run`. They are exact, but for
    epochs in which the policy itself decides how many samples it keeps: those are not known before they are planned.
    """

    sample_count: int
    prune_rate: float
    policy: Policy = field(default_factory=Backlog)
    prune_rate_schedule: Sequence[tuple[int, float]] = ()
    epochs: int | None = None
    warmup_epochs: int | None = None
    tail_epochs: int | None = None
    shard_mode: Literal["pad", "drop"] = "pad"
    position_multiple: int = 1

    def __post_init__(self) -> None:
        for epoch, rate in ((None, self.prune_rate), *self.prune_rate_schedule):
            if not isinstance(rate, Real) or not 0 <= rate < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
                where = "prune_rate" if epoch is None else f"prune_rate_schedule, from epoch {epoch} on,"
                raise ValueError(f"{where} is {rate!r}: it must be at least 0 and below 1, the share that is left out")
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}: it must be at least 1, or None where it is not known")

    @property
    def are_all_known(self) -> bool:
        """Whether the lengths of all epochs are known before they are planned."""
        rates = (self.prune_rate, *(rate for _, rate in self.prune_rate_schedule))
        return not any(keeps_own_count(self.policy, rate) for rate in rates)

    def is_known(self, epoch: int) -> bool:
        """Whether the length of an epoch is known before it is planned."""
        return self._is_full(epoch) or not keeps_own_count(self.policy, self._prune_rate(epoch))

    def kept_count(self, epoch: int) -> int:
        """Samples that an epoch trains on, over all ranks. Raises ValueError where that is not known."""
        if self._is_full(epoch):
            return self.sample_count
        if not self.is_known(epoch):
            raise ValueError(
                f"how many samples epoch {epoch} keeps is not known before it begins: {type(self.policy).__name__} "
                "decides it by the losses. Where a number of steps is asked for, count epochs instead"
            )
        return _share(1 - self._prune_rate(epoch), self.sample_count)

    def position_count(self, epoch: int, world_size: int) -> int:
        """Positions of each rank."""
        return self.share_out(self.kept_count(epoch), world_size)

    def share_out(self, count: int, world_size: int) -> int:
        """Positions of each rank in an epoch of `count` samples: a rank's share of them, brought to a multiple of
        `position_multiple`, up (pad) or down (drop).
        """
        multiple = self.position_multiple
        if self.shard_mode == "drop":
            return count // world_size // multiple * multiple
        each = -(-count // world_size)
        return -(-each // multiple) * multiple

    def step_count(self, epoch: int, world_size: int, batch_size: int, drop_last: bool = False) -> int:
        """Batches of each rank."""
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
        positions = self.position_count(epoch, world_size)
        return positions // batch_size if drop_last else -(-positions // batch_size)

    def saving(self, epochs: int) -> float:
        """Share of the data set that the first `epochs` epochs leave out: 1 - samples planned / (epochs x N). 0 for
        no epochs. Raises ValueError where one of them is not known.
        """
        planned = sum(self.kept_count(epoch) for epoch in range(epochs))
        return 1 - planned / (epochs * self.sample_count) if epochs else 0.0

    def _is_full(self, epoch: int) -> bool:
        """Whether it is a warm-up or tail epoch."""
        defaults = run_defaults(self.policy, self.epochs)
        warmup_epochs = defaults.warmup_epochs if self.warmup_epochs is None else self.warmup_epochs
        tail_epochs = defaults.tail_epochs if self.tail_epochs is None else self.tail_epochs
        return epoch < warmup_epochs or (self.epochs is not None and epoch >= self.epochs - tail_epochs)

    def _prune_rate(self, epoch: int) -> float:
        rates = [rate for from_epoch, rate in self.prune_rate_schedule if from_epoch <= epoch]
        return rates[-1] if rates else self.prune_rate


def _share(fraction: float, count: int) -> int:
    """floor(fraction * count), where a product within 1e-6 of an integer is that integer: (1 - 0.9) * 10 is
    0.9999999999999998 in doubles. The sampler's own rule.
    """
    product = fraction * count
    nearest = math.floor(product + 0.5)
    return nearest if abs(product - nearest) < 1e-6 else math.floor(product)
