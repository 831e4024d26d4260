"""What a run is, as its users see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from keepset.policies import Policy

ShardMode = Literal["pad", "drop"]
"""How ranks get equal lengths: "pad" repeats a rank's own first sample, "drop" leaves out the last positions."""

NonFiniteMode = Literal["ignore", "reject"]
"""A loss that is NaN or infinite: "ignore" counts it and changes nothing, "reject" refuses its report."""

WeightsMode = Literal["off", "on"]
"""Whether plans have weights for the losses: 1 / the probability with which a sample was kept."""

ScoreSource = Literal["loss", "batch_loss"]
"""What the losses of a report are: "loss", each sample's own; "batch_loss", the mean loss of the batch, one value for
all of its samples. Source of the latter: BLS, CVPR 2026 (arXiv 2604.04681)."""


class PruneRateChange(NamedTuple):
    """A prune rate that holds from an epoch on. A plain pair does as well."""

    from_epoch: int
    """First epoch, from 0, at which the rate holds."""
    prune_rate: float
    """Range [0, 1), must keep at least one sample."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of a run as the sampler holds them, its defaults filled in. They cannot change once the run
    exists."""

    sample_count: int
    """Samples in the data set, N; indices are 0 to N - 1."""
    policy: Policy
    """The rule that chooses the kept set."""
    prune_rate: float
    """Share of the data set left out of a selection, p: floor((1 - p) N) samples are kept, unless the policy's count is
    its own. Range [0, 1)."""
    prune_rate_schedule: Sequence[PruneRateChange]
    """Changes of the prune rate, `from_epoch` rising; before the first entry `prune_rate` holds."""
    epochs: int | None
    """Epochs that the training will have; None: not known."""
    seed: int
    """Key of every random stream of the run, 0 to 2**64 - 1."""
    selection_period: int
    """Epochs from one selection to the next, at least 1."""
    warmup_epochs: int
    """First epochs that train on everything."""
    tail_epochs: int
    """Last epochs that train on everything."""
    shard_mode: ShardMode
    """How ranks get equal lengths."""
    position_multiple: int
    """Each rank's length is a multiple of this."""
    non_finite: NonFiniteMode
    """What becomes of a loss that is NaN or infinite."""
    metrics: Sequence[str]
    """Names of the further columns that reports may carry, those included that the policy needs."""
    weights: WeightsMode
    """Whether plans have weights."""
    weight_cap: float | None
    """Greatest weight; None: none is too large."""
    score_source: ScoreSource
    """What the losses of a report are."""
    batch_loss_momentum: float | None
    """With "batch_loss": the weight of a sample's old value, s = a s + (1 - a) mean; else None. Range [0, 1)."""
    score_left_out: bool
    """Whether the samples that a plan leaves out have a forward pass before the next selection."""


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """Counts of what a run has done."""

    epochs_planned: int
    """Epochs that have a plan."""
    samples_planned: int
    """Sum over the planned epochs of the samples kept."""
    reports: int
    """Reports applied; a repeated report is not counted."""
    observations: int
    """Finite losses that entered the statistics: at most one a sample and epoch."""
    non_finite: int
    """Losses that were NaN or infinite and changed nothing."""
    repeats: int
    """Further finite losses of a sample in an epoch that already had one; they changed nothing."""
    saving: float
    """Share of the data set left out so far: 1 - (samples_planned + samples_planned_elsewhere) / (epochs_planned x
    sample_count). 0 before the first plan; below 0 where scores from other runs cost more than was saved."""
    selections: int
    """Selections made: epochs whose plan has the reason "selected"."""
    scored: int
    """Losses reported of left-out samples, which had a forward pass alone: no part of the saving."""
    samples_planned_elsewhere: int
    """Samples that the runs of `scores_from` were planned in the epochs that they observed."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """A run as the sampler holds it at one moment."""

    run_id: str
    state: Literal["active", "finished"]
    """"active" takes plans and reports; "finished" can be read and deleted only."""
    next_epoch: int
    """The epoch that has no plan yet: 0 for a new run."""
    generation: int
    """The run's life: 1 for a new run, one more after each rewind."""
    epoch_starts: Sequence[int]
    """Epochs to whose start `rewind` can go back, rising; the first one is 0, the last one is `next_epoch`."""
    settings: RunSettings
    progress: RunProgress
    create_time: datetime
    """By the sampler's clock, UTC."""
    update_time: datetime
    """When the run last changed, by the sampler's clock, UTC."""
