"""The rules that choose which samples an epoch trains on.

A policy is a plain value: give it to `keepset.Sampler` or `create_run`. Of N samples and a prune rate p, every policy
but `Full` keeps k = floor((1 - p) N) in each epoch that is not a warm-up or tail epoch.

The moving statistics of a sample, for each new loss l, the variance first, with the old mean: `var = (1 - alpha) var
+ alpha (l - mean)^2`, then `mean = (1 - alpha) mean + alpha l`. Samples that were never reported rank before all
others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

InitialStatistics = Literal["first_loss", "zero"]
"""How the moving statistics of a sample start. "first_loss": the first loss becomes the mean, the variance is 0.
"zero": both start at 0 and the first loss is applied to them like any other."""


@dataclass(frozen=True)
class Full:
    """Keeps every sample in every epoch: the baseline. The prune rate must be 0."""


@dataclass(frozen=True)
class StaticRandom:
    """k samples, drawn once, uniformly without replacement, and kept for the whole run."""


@dataclass(frozen=True)
class Random:
    """k samples, drawn uniformly without replacement at each selection."""


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedy:
    """The samples with the largest moving mean of the loss, and a share of uniform draws.

    Of k kept samples, floor(epsilon k) are drawn uniformly from all that are not yet taken; the others have the
    largest `mean`.

    Source: Raju, Daruwalla, Lipasti, "Accelerating Deep Learning with Dynamic Data Pruning" (arXiv 2111.12621).
    Formula and defaults are those on which two public re-implementations agree.
    """

    epsilon: float = 0.1
    """Share of the kept set that is drawn uniformly. Range [0, 1]."""
    alpha: float = 0.8
    """Weight of a new loss in the moving statistics. Range (0, 1]."""
    initial: InitialStatistics = "first_loss"
    """How the statistics start."""


@dataclass(frozen=True, kw_only=True)
class UCB:
    """The k samples with the largest `mean + c * var` of the loss (the variance, not its root).

    Source: Raju, Daruwalla, Lipasti, "Accelerating Deep Learning with Dynamic Data Pruning" (arXiv 2111.12621).
    Formula and defaults are those on which two public re-implementations agree.
    """

    c: float = 1.0
    """Weight of the variance. Range [0, 1e30]."""
    alpha: float = 0.8
    """Weight of a new loss in the moving statistics. Range (0, 1]."""
    initial: InitialStatistics = "first_loss"
    """How the statistics start."""


@dataclass(frozen=True, kw_only=True)
class OrderDP:
    """The k samples with the largest last loss in a pool that is drawn uniformly without replacement at each selection.

    The pool has floor(pool_rate N) samples, at least k.

    Source: OrderDP, ICLR 2026.
    """

    pool_rate: float | None = None
    """Share of the data set that is drawn as the pool. Range (0, 1]. None: the square root of the share kept."""


Policy = Full | StaticRandom | Random | EpsilonGreedy | UCB | OrderDP
"""Any of the policies."""


def follows_losses(policy: Policy) -> bool:
    """Whether a policy chooses by the losses that are reported."""
    return isinstance(policy, (EpsilonGreedy, UCB, OrderDP))
