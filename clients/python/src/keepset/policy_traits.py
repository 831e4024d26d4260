"""What each policy brings along, known before a sampler is asked: the sampler's own defaults once more."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keepset.policies import (
    IES,
    CustomScore,
    Full,
    Importance,
    InfoBatch,
    Kakurenbo,
    Policy,
    RePB,
    SeTa,
    StaticScore,
)


@dataclass(frozen=True, kw_only=True)
class RunDefaults:
    """What holds where a setting of the run is None."""

    warmup_epochs: int = 1
    tail_epochs: int = 0
    has_weights: bool = False
    scores_left_out: bool = False


def run_defaults(policy: Policy, epochs: int | None) -> RunDefaults:
    """The defaults under a policy, for a training of `epochs` epochs; None: not known."""
    match policy:
        case InfoBatch():
            return RunDefaults(tail_epochs=math.floor((epochs or 0) / 8 + 0.5), has_weights=True)
        case Importance() | RePB():
            return RunDefaults(has_weights=True)
        case CustomScore(draw=True):
            return RunDefaults(has_weights=True)
        case Kakurenbo() | IES():
            return RunDefaults(scores_left_out=True)
        case StaticScore():
            return RunDefaults(warmup_epochs=0 if policy.scores_from else policy.observe_epochs)
        case _:
            return RunDefaults()


def default_prune_rate(policy: Policy) -> float:
    """The prune rate where none is given: 0 where the policy has no need of one, and 0.5 of those that need one, but
    KAKURENBO's own 0.3.
    """
    if isinstance(policy, (Full, InfoBatch, SeTa, RePB, IES)):
        return 0.0
    return 0.3 if isinstance(policy, Kakurenbo) else 0.5


def keeps_own_count(policy: Policy, prune_rate: float) -> bool:
    """Whether the policy itself decides how many samples it keeps: then only the plan tells."""
    return isinstance(policy, (SeTa, RePB, Kakurenbo, IES)) or (isinstance(policy, InfoBatch) and prune_rate == 0)


def needed_metrics(policy: Policy, epoch: int) -> tuple[str, ...]:
    """Names of the metrics without which the policy cannot do, in the reports of an epoch."""
    match policy:
        case CustomScore():
            return ("score",)
        case Kakurenbo():
            return ("correct", "confidence")
        case StaticScore(scores_from=()) if epoch < policy.observe_epochs:
            return ("correct" if policy.metric == "forgetting" else policy.metric,)
        case _:
            return ()
