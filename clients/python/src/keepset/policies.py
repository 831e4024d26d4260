"""The rules that choose which samples an epoch trains on.

A policy is a plain value: give it to `keepset.Sampler` or `create_run`. Of N samples and a prune rate p, a policy keeps
k = floor((1 - p) N) in each epoch that is not a warm-up or tail epoch, unless it says that the count is its own.

l is the loss of a sample when it was last trained or scored; a weight is 1 / the probability with which it was kept.
With weights it is the sum of weight * loss over an epoch whose expectation is that of the whole data set. The mean over
a batch, which is what is trained on, is N / k times the mean loss of all samples: fewer steps, each larger on average
by as much, as in InfoBatch.

The moving statistics of a sample, for each new loss l, the variance first, with the old mean: `var = (1 - alpha) var
+ alpha (l - mean)^2`, then `mean = (1 - alpha) mean + alpha l`. Samples that were never reported rank before all
others.
"""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, kw_only=True)
class InfoBatch:
    """Of the m samples with l below a threshold, floor((1 - r) m) at random, with the weight m / kept; all others.

    Prune rate 0: the threshold is the mean of l, and the count is its own. Above 0 it is the quantile p / r of l, so
    that k samples are kept; p is at most r. By default it selects every epoch, the last eighth of the epochs is full,
    and weights are on.

    Source: Qin et al., "InfoBatch", ICLR 2024 (arXiv 2303.04947), with the weight of what was kept, not of 1 - r.
    """

    r: float = 0.5
    """Share of the samples below the threshold that is left out. Range (0, 1)."""


@dataclass(frozen=True)
class RS2:
    """k samples: those kept the fewest times, drawn uniformly among equals. It walks one random permutation in pieces,
    and then a new one. By default it selects every epoch.

    Source: Okanovic et al., "Repeated Random Sampling", ICLR 2024 (arXiv 2305.18424).
    """


@dataclass(frozen=True, kw_only=True)
class Importance:
    """k samples drawn without replacement, in proportion to a power of the moving mean of the loss. By default weights
    are on, which make the sum of the losses over an epoch unbiased.
    """

    exponent: float = 1.0
    """The power. Range [0, 16]."""
    uniform_share: float = 0.1
    """Share of the probability that all samples have alike. Range [0, 1]. It bounds the weights."""


@dataclass(frozen=True, kw_only=True)
class SelectiveBackprop:
    """k samples drawn without replacement, in proportion to a power of the share of samples whose l is not larger.

    Source: Jiang et al., "Accelerating Deep Learning by Focusing on the Biggest Losers" (arXiv 1910.00762), with losses
    of the last time, so that what is left out costs no forward pass.
    """

    exponent: float = 1.0
    """The power. Range [0, 16]."""


@dataclass(frozen=True, kw_only=True)
class CustomScore:
    """The k samples with the largest score that the trainer reports, or k drawn in proportion to it.

    The score is the metric `score`: `sampler.report(index, losses, score=...)`, or `metrics={"score": ...}`. Samples
    without one come first.
    """

    draw: bool = False
    """Draw in proportion to the score, negative ones counting as 0; weights are then on by default."""
    uniform_share: float = 0.1
    """With `draw`: share of the probability that all samples have alike. Range [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class SeTa:
    """A window that slides over groups of like losses. The count is its own, and the prune rate must be 0.

    A share of the samples is left out at random; the l of the others are put into groups (1-D k-means), and a window of
    neighbouring groups is kept. It moves on by one group at each selection, from the easiest to the hardest, and wraps.
    By default it selects every epoch.

    Source: SeTa, CVPR 2025.
    """

    drop_rate: float = 0.1
    """Share left out at random. Range [0, 1)."""
    groups: int = 5
    """Number of groups, 2 to 1000."""
    window: float = 0.9
    """Share of the groups that are kept. Range (0, 1]."""


@dataclass(frozen=True, kw_only=True)
class RePB:
    """What was above the mean of its batch, and coins for the rest. The count is its own; the prune rate must be 0.

    A sample of the last epoch is kept if its loss was at least the mean of its report, else with probability 1 - rho;
    so comes back one that was left out. Weight: epochs so far / times it was trained on. By default it selects every
    epoch, and weights are on.

    Source: RePB, ICLR 2026.
    """

    rho: float = 0.5
    """Probability with which what may be left out is. Range [0, 1)."""


@dataclass(frozen=True, kw_only=True)
class Kakurenbo:
    """Leaves out the share F of lowest l, but for samples that were mispredicted, or right without confidence. The
    count is its own: at least (1 - F) N.

    F is p, and 0.8, 0.6 and 0.4 of it from 0.3, 0.6 and 0.8 of the epochs on. It needs the metrics `correct` and
    `confidence`: `sampler.report(index, losses, logits=logits, targets=y)`. The learning rate is to be multiplied with
    the plan's `learning_rate_factor`, 1 / (1 - F). By default it selects every epoch, and has what is left out scored:
    `keepset.score_left_out`.

    Source: Nguyen et al., "KAKURENBO", NeurIPS 2023 (arXiv 2310.10102).
    """

    confidence: float = 0.7
    """Confidence from which on a right prediction is sure. Range [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class IES:
    """Leaves samples out while the mean of the last three |l_t - 2 l_(t-1) + l_(t-2)| of their losses is below tau. The
    count is its own, and the prune rate must be 0.

    By default it selects every epoch, and has what is left out scored, so that it can come back:
    `keepset.score_left_out`.

    Source: "Instance-dependent Early Stopping", ICLR 2025.
    """

    tau: float = 0.001
    """Below it a loss has come to rest. At least 0."""


StaticMetric = Literal["el2n", "forgetting", "grand"]
"""What `StaticScore` looks at. "el2n": mean of the metric `el2n` (arXiv 2107.07075). "forgetting": times that a sample
was right and then wrong, by the metric `correct`, never right counting as infinite (arXiv 1812.05159). "grand": mean of
the metric `grand` (arXiv 2107.07075)."""


@dataclass(frozen=True, kw_only=True)
class StaticScore:
    """Trains on everything for `observe_epochs`, then keeps the k samples with the largest score for the rest of the
    run. These epochs, also those of `scores_from`, are part of what the saving counts.

    It needs the metric that it looks at: `sampler.report(index, losses, logits=logits, targets=y)` for el2n and
    forgetting, `metrics={"grand": keepset.scores.grand(model, x, y)}` for grand.
    """

    metric: StaticMetric = "el2n"
    """The score."""
    observe_epochs: int = 20
    """Epochs that are observed, at least 1; the warm-up is as long by default, and must not be shorter."""
    scores_from: Sequence[str] = ()
    """Names of other runs of this sampler, of `StaticScore` with the same metric and of as many samples, at most 64:
    the mean of their scores is taken, as it is when this run is created, and nothing is observed."""

    def __post_init__(self) -> None:
        if isinstance(self.scores_from, str):
            raise ValueError(f"scores_from is the text {self.scores_from!r}: give a list of names")
        object.__setattr__(self, "scores_from", tuple(self.scores_from))


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The k samples with the largest `(1 - exp(-mean))^2 * selection periods since they were last trained on`: each
    comes up in proportion to about what a step takes away from its cross entropy, every time at most.

    exp(-loss) is the probability of the right class. While all losses are high it walks the data set in turns, as
    `RS2`; once most samples are learnt it keeps the others, as `UCB`. It is made for losses of that scale: where all
    are far above 1, such as sums over tokens or boxes, it takes turns whatever they are; where all are far below 1 it
    goes by their squares. Losses below 0 count as 0, and what has a loss of 0 is not kept again.

    Source: our own, after Max-Weight schedulers (Tassiulas and Ephremides, "Stability properties of constrained
    queueing systems and scheduling policies for maximum throughput in multihop radio networks", IEEE Transactions on
    Automatic Control 37, 1992).
    """

    alpha: float = 0.8
    """Weight of a new loss in the moving mean. Range (0, 1]."""
    initial: InitialStatistics = "first_loss"
    """How the mean starts."""


Policy = (
    Full
    | StaticRandom
    | Random
    | EpsilonGreedy
    | UCB
    | OrderDP
    | InfoBatch
    | RS2
    | Importance
    | SelectiveBackprop
    | CustomScore
    | SeTa
    | RePB
    | Kakurenbo
    | IES
    | StaticScore
    | Backlog
)
"""Any of the policies."""


def follows_losses(policy: Policy) -> bool:
    """Whether a policy chooses by the losses, or by what comes with them."""
    return not isinstance(policy, (Full, StaticRandom, Random, RS2))
