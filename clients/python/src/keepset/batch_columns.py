"""What is handed over of a batch beside its losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from keepset import scores
from keepset.batch_places import Values
from keepset.device_values import pending
from keepset.policies import CustomScore
from keepset.policy_traits import needed_metrics
from keepset.rank_run import RankRun

_NEED_TARGETS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"correct": scores.correct, "el2n": scores.el2n}


class MissingMetricError(ValueError):
    """A metric that the policy needs was not handed over. `need`: which one, as a sentence without its end."""

    def __init__(self, policy: str, name: str, epoch: int, remedy: str) -> None:
        self.need = f"{policy} needs the metric {name!r} in epoch {epoch}"
        super().__init__(f"{self.need}: {remedy}")


class BatchColumns(NamedTuple):
    """Columns of a batch, on their way to the host."""

    losses: Values
    """(B,) what the policy judges by; (1,) for the mean of a batch."""
    metrics: Mapping[str, Values]
    """(B,) each, by name."""


def batch_columns(
    run: RankRun,
    losses: Tensor,
    *,
    metrics: Mapping[str, Any] | None = None,
    score: Any = None,
    logits: Tensor | None = None,
    targets: Tensor | None = None,
) -> BatchColumns:
    """The columns of a batch of the present epoch: those that are given, and those of the run's metrics that can be
    made of logits (B, C) and targets (B,).

    Raises ValueError where a metric is missing that the policy needs, and for shapes that do not fit.
    """
    given = dict(metrics or {})
    policy = run.settings["policy"]
    if score is not None and isinstance(policy, CustomScore):
        if "score" in given:
            raise ValueError('score= and metrics={"score": ...} are the same with CustomScore: give one of them')
        given["score"] = score
        score = None
    if logits is not None:
        given = {**_computed(_wanted(run), given, logits, targets), **given}
    _check_needed(run, given)
    if run.settings.get("score_source") == "batch_loss":
        return BatchColumns(_batch_loss(losses, score), _pending(given))
    return BatchColumns(pending(losses) if score is None else _column("score", score), _pending(given))


def _wanted(run: RankRun) -> tuple[str, ...]:
    """Those of the run's metrics that someone looks at: StaticScore has no use for its own once it has chosen."""
    wanted = (*run.settings.get("metrics", ()), *needed_metrics(run.settings["policy"], run.epoch))
    return tuple(name for name in run.metrics if name in wanted)


def _computed(
    names: tuple[str, ...], given: Mapping[str, Any], logits: Tensor, targets: Tensor | None
) -> dict[str, Tensor]:
    """Those of these metrics that are still to be had."""
    missing = [name for name in names if name not in given]
    computed = {"confidence": scores.confidence(logits)} if "confidence" in missing else {}
    for name, score in _NEED_TARGETS.items():
        if name in missing:
            if targets is None:
                raise ValueError(f"targets is missing, without which the metric {name!r} cannot be made of logits")
            computed[name] = score(logits, targets)
    return computed


def _check_needed(run: RankRun, given: Mapping[str, Any]) -> None:
    policy = run.settings["policy"]
    for name in needed_metrics(policy, run.epoch):
        if name in given or run.is_unpruned:
            continue
        remedy = {
            "score": "report(index, losses, score=...), one number a sample",
            "grand": 'report(index, losses, metrics={"grand": keepset.scores.grand(model, x, y)})',
        }.get(name, f"report(index, losses, logits=logits, targets=y), or metrics={{{name!r}: ...}}")
        raise MissingMetricError(type(policy).__name__, name, run.epoch, remedy)


def _batch_loss(loss: Tensor, score: Any) -> Values:
    if score is not None:
        raise ValueError('score is for each sample, and score_source="batch_loss" knows the batch alone: leave one out')
    if loss.numel() != 1:
        raise ValueError(
            f'loss has the shape {tuple(loss.shape)}, and the sampler has score_source="batch_loss", which takes the '
            "batch's mean: leave that out to report a loss for each sample"
        )
    return pending(loss.detach().reshape(1))


def _pending(given: Mapping[str, Any]) -> dict[str, Values]:
    return {name: _column(f"metrics[{name!r}]", values) for name, values in given.items()}


def _column(name: str, values: Any) -> Values:
    return pending(torch.as_tensor(values), name)
