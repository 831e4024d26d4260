"""Between the wire's messages and the library's own types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from keepset._proto import run_pb2, sampler_service_pb2
from keepset.client.checks import check_bool, check_float, check_u32, check_u64, invalid, one_of
from keepset.client.policy_mapping import policy_from_wire, policy_to_wire
from keepset.client.settings import (
    NonFiniteMode,
    PruneRateChange,
    RunInfo,
    RunProgress,
    RunSettings,
    ScoreSource,
    ShardMode,
    WeightsMode,
)
from keepset.client.status import unreadable
from keepset.policies import Policy

PlanReason = Literal["warmup", "selected", "reused", "tail"]
"""Why the kept set is what it is: a first epoch, chosen for this epoch, the set of the last selection, a last epoch."""

_SHARD: Mapping[ShardMode, run_pb2.ShardMode] = {
    "pad": run_pb2.SHARD_MODE_PAD,
    "drop": run_pb2.SHARD_MODE_DROP,
}
_NON_FINITE: Mapping[NonFiniteMode, run_pb2.NonFiniteMode] = {
    "ignore": run_pb2.NON_FINITE_MODE_IGNORE,
    "reject": run_pb2.NON_FINITE_MODE_REJECT,
}
_WEIGHTS: Mapping[WeightsMode, run_pb2.WeightsMode] = {
    "off": run_pb2.WEIGHTS_MODE_OFF,
    "on": run_pb2.WEIGHTS_MODE_ON,
}
_SCORE_SOURCES: Mapping[ScoreSource, run_pb2.ScoreSource] = {
    "loss": run_pb2.SCORE_SOURCE_LOSS,
    "batch_loss": run_pb2.SCORE_SOURCE_BATCH_LOSS,
}
_REASONS: Mapping[int, PlanReason] = {
    sampler_service_pb2.PLAN_REASON_WARMUP: "warmup",
    sampler_service_pb2.PLAN_REASON_SELECTED: "selected",
    sampler_service_pb2.PLAN_REASON_REUSED: "reused",
    sampler_service_pb2.PLAN_REASON_TAIL: "tail",
}


def spec_to_wire(
    *,
    sample_count: int,
    policy: Policy,
    prune_rate: float,
    prune_rate_schedule: Iterable[tuple[int, float]],
    epochs: int | None,
    seed: int,
    selection_period: int | None,
    warmup_epochs: int | None,
    tail_epochs: int | None,
    shard_mode: ShardMode,
    position_multiple: int,
    non_finite: NonFiniteMode,
    metrics: Sequence[str],
    weights: WeightsMode | None,
    weight_cap: float | None,
    score_source: ScoreSource,
    batch_loss_momentum: float | None,
    score_left_out: bool | None,
) -> run_pb2.RunSpec:
    """Settings as the wire has them. What does not fit the wire is refused here; ranges are the sampler's to check."""

    def optional(name: str, value: int | None) -> int | None:
        return None if value is None else check_u32(f"spec.{name}", value)

    if isinstance(metrics, str):
        raise invalid("spec.metrics", f"must be a sequence of names, got the text {metrics!r}: give [{metrics!r}]")
    return run_pb2.RunSpec(
        sample_count=check_u32("spec.sample_count", sample_count),
        seed=check_u64("spec.seed", seed),
        prune_rate=check_float("spec.prune_rate", prune_rate),
        prune_rate_schedule=[
            run_pb2.PruneRateChange(
                from_epoch=check_u32(f"spec.prune_rate_schedule[{index}].from_epoch", from_epoch),
                prune_rate=check_float(f"spec.prune_rate_schedule[{index}].prune_rate", rate),
            )
            for index, (from_epoch, rate) in enumerate(prune_rate_schedule)
        ],
        total_epochs=optional("total_epochs", epochs),
        selection_period=optional("selection_period", selection_period),
        warmup_epochs=optional("warmup_epochs", warmup_epochs),
        tail_epochs=optional("tail_epochs", tail_epochs),
        shard_mode=one_of("spec.shard_mode", _SHARD, shard_mode),
        position_multiple=check_u32("spec.position_multiple", position_multiple),
        non_finite=one_of("spec.non_finite", _NON_FINITE, non_finite),
        metrics=list(metrics),
        weights=None if weights is None else one_of("spec.weights", _WEIGHTS, weights),
        weight_cap=None if weight_cap is None else check_float("spec.weight_cap", weight_cap),
        score_source=one_of("spec.score_source", _SCORE_SOURCES, score_source),
        batch_loss_momentum=(
            None if batch_loss_momentum is None else check_float("spec.batch_loss_momentum", batch_loss_momentum)
        ),
        **({} if score_left_out is None else {"score_left_out": check_bool("spec.score_left_out", score_left_out)}),
        **policy_to_wire(policy),
    )


def run_from_wire(run: run_pb2.Run) -> RunInfo:
    """A run as the wire has it, made the library's own."""
    if not (run.HasField("spec") and run.HasField("progress")):
        raise unreadable("a run without its spec or its progress")
    progress = run.progress
    return RunInfo(
        run_id=run.run_id,
        state="finished" if run.state == run_pb2.RUN_STATE_FINISHED else "active",
        next_epoch=run.next_epoch,
        generation=run.generation,
        epoch_starts=tuple(run.epoch_starts),
        settings=_settings_from_wire(run.spec),
        progress=RunProgress(
            epochs_planned=progress.epochs_planned,
            samples_planned=progress.samples_planned,
            reports=progress.reports,
            observations=progress.observations,
            non_finite=progress.non_finite,
            repeats=progress.repeats,
            saving=progress.saving,
            selections=progress.selections,
            scored=progress.scored,
            samples_planned_elsewhere=progress.samples_planned_elsewhere,
        ),
        create_time=_time_from_wire(run.create_time),
        update_time=_time_from_wire(run.update_time),
    )


def reason_from_wire(reason: int) -> PlanReason:
    """Why a plan's kept set is what it is."""
    if reason not in _REASONS:
        raise unreadable(f"a plan with the reason {reason}")
    return _REASONS[reason]


def _settings_from_wire(spec: run_pb2.RunSpec) -> RunSettings:
    if not all(spec.HasField(name) for name in ("selection_period", "warmup_epochs", "position_multiple")):
        raise unreadable("a spec whose defaults are not filled in")
    return RunSettings(
        sample_count=spec.sample_count,
        policy=policy_from_wire(spec),
        prune_rate=spec.prune_rate,
        prune_rate_schedule=tuple(PruneRateChange(one.from_epoch, one.prune_rate) for one in spec.prune_rate_schedule),
        epochs=spec.total_epochs if spec.HasField("total_epochs") else None,
        seed=spec.seed,
        selection_period=spec.selection_period,
        warmup_epochs=spec.warmup_epochs,
        tail_epochs=spec.tail_epochs,
        shard_mode="drop" if spec.shard_mode == run_pb2.SHARD_MODE_DROP else "pad",
        position_multiple=spec.position_multiple,
        non_finite="reject" if spec.non_finite == run_pb2.NON_FINITE_MODE_REJECT else "ignore",
        metrics=tuple(spec.metrics),
        weights="on" if spec.weights == run_pb2.WEIGHTS_MODE_ON else "off",
        weight_cap=spec.weight_cap if spec.HasField("weight_cap") else None,
        score_source="batch_loss" if spec.score_source == run_pb2.SCORE_SOURCE_BATCH_LOSS else "loss",
        batch_loss_momentum=spec.batch_loss_momentum if spec.HasField("batch_loss_momentum") else None,
        score_left_out=spec.score_left_out,
    )


def _time_from_wire(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=timezone.utc)
