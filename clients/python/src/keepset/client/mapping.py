"""Between the wire's messages and the library's own types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from keepset._proto import run_pb2, sampler_service_pb2
from keepset.client.checks import check_u32, check_u64, invalid
from keepset.client.settings import NonFiniteMode, PruneRateChange, RunInfo, RunProgress, RunSettings, ShardMode
from keepset.client.status import unreadable
from keepset.policies import UCB, EpsilonGreedy, Full, InitialStatistics, OrderDP, Policy, Random, StaticRandom

PlanReason = Literal["warmup", "selected", "reused", "tail"]
"""Why the kept set is what it is: a first epoch, chosen for this epoch, the set of the last selection, a last epoch."""

_INITIAL: Mapping[InitialStatistics, run_pb2.InitialStatistics] = {
    "first_loss": run_pb2.INITIAL_STATISTICS_FIRST_LOSS,
    "zero": run_pb2.INITIAL_STATISTICS_ZERO,
}
_SHARD: Mapping[ShardMode, run_pb2.ShardMode] = {
    "pad": run_pb2.SHARD_MODE_PAD,
    "drop": run_pb2.SHARD_MODE_DROP,
}
_NON_FINITE: Mapping[NonFiniteMode, run_pb2.NonFiniteMode] = {
    "ignore": run_pb2.NON_FINITE_MODE_IGNORE,
    "reject": run_pb2.NON_FINITE_MODE_REJECT,
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
    tail_epochs: int,
    shard_mode: ShardMode,
    position_multiple: int,
    non_finite: NonFiniteMode,
    metrics: Sequence[str],
) -> run_pb2.RunSpec:
    """Settings as the wire has them. What does not fit the wire is refused here; ranges are the sampler's to check."""

    def optional(name: str, value: int | None) -> int | None:
        return None if value is None else check_u32(f"spec.{name}", value)

    if isinstance(metrics, str):
        raise invalid("spec.metrics", f"must be a sequence of names, got the text {metrics!r}: give [{metrics!r}]")
    return run_pb2.RunSpec(
        sample_count=check_u32("spec.sample_count", sample_count),
        seed=check_u64("spec.seed", seed),
        prune_rate=_check_float("spec.prune_rate", prune_rate),
        prune_rate_schedule=[
            run_pb2.PruneRateChange(
                from_epoch=check_u32(f"spec.prune_rate_schedule[{index}].from_epoch", from_epoch),
                prune_rate=_check_float(f"spec.prune_rate_schedule[{index}].prune_rate", rate),
            )
            for index, (from_epoch, rate) in enumerate(prune_rate_schedule)
        ],
        total_epochs=optional("total_epochs", epochs),
        selection_period=optional("selection_period", selection_period),
        warmup_epochs=optional("warmup_epochs", warmup_epochs),
        tail_epochs=check_u32("spec.tail_epochs", tail_epochs),
        shard_mode=_one_of("spec.shard_mode", _SHARD, shard_mode),
        position_multiple=check_u32("spec.position_multiple", position_multiple),
        non_finite=_one_of("spec.non_finite", _NON_FINITE, non_finite),
        metrics=list(metrics),
        **_policy_to_wire(policy),
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
        ),
        create_time=_time_from_wire(run.create_time),
        update_time=_time_from_wire(run.update_time),
    )


def reason_from_wire(reason: int) -> PlanReason:
    """Why a plan's kept set is what it is."""
    if reason not in _REASONS:
        raise unreadable(f"a plan with the reason {reason}")
    return _REASONS[reason]


def _policy_to_wire(policy: Policy) -> dict[str, Any]:
    match policy:
        case Full():
            return {"full": run_pb2.FullPolicy()}
        case StaticRandom():
            return {"static_random": run_pb2.StaticRandomPolicy()}
        case Random():
            return {"random": run_pb2.RandomPolicy()}
        case EpsilonGreedy():
            return {
                "epsilon_greedy": run_pb2.EpsilonGreedyPolicy(
                    epsilon=_check_float("spec.epsilon_greedy.epsilon", policy.epsilon),
                    alpha=_check_float("spec.epsilon_greedy.alpha", policy.alpha),
                    initial=_one_of("spec.epsilon_greedy.initial", _INITIAL, policy.initial),
                )
            }
        case UCB():
            return {
                "ucb": run_pb2.UcbPolicy(
                    c=_check_float("spec.ucb.c", policy.c),
                    alpha=_check_float("spec.ucb.alpha", policy.alpha),
                    initial=_one_of("spec.ucb.initial", _INITIAL, policy.initial),
                )
            }
        case OrderDP():
            rate = policy.pool_rate
            return {
                "order_dp": run_pb2.OrderDpPolicy(
                    pool_rate=None if rate is None else _check_float("spec.order_dp.pool_rate", rate)
                )
            }
        case _:  # pyright: ignore[reportUnnecessaryComparison]  # who does not check types may hand in anything
            raise invalid(
                "spec.policy",
                f"must be one of Full(), StaticRandom(), Random(), EpsilonGreedy(), UCB(), OrderDP(), got {policy!r}",
            )


def _settings_from_wire(spec: run_pb2.RunSpec) -> RunSettings:
    if not all(spec.HasField(name) for name in ("selection_period", "warmup_epochs", "position_multiple")):
        raise unreadable("a spec whose defaults are not filled in")
    return RunSettings(
        sample_count=spec.sample_count,
        policy=_policy_from_wire(spec),
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
    )


def _policy_from_wire(spec: run_pb2.RunSpec) -> Policy:
    match spec.WhichOneof("policy"):
        case "full":
            return Full()
        case "static_random":
            return StaticRandom()
        case "random":
            return Random()
        case "epsilon_greedy":
            one = spec.epsilon_greedy
            return EpsilonGreedy(epsilon=one.epsilon, alpha=one.alpha, initial=_initial_from_wire(one.initial))
        case "ucb":
            return UCB(c=spec.ucb.c, alpha=spec.ucb.alpha, initial=_initial_from_wire(spec.ucb.initial))
        case "order_dp":
            return OrderDP(pool_rate=spec.order_dp.pool_rate or None)
        case _:
            raise unreadable("a policy that this library does not know")


def _initial_from_wire(initial: int) -> InitialStatistics:
    return "zero" if initial == run_pb2.INITIAL_STATISTICS_ZERO else "first_loss"


def _time_from_wire(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=timezone.utc)


def _check_float(field: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise invalid(field, f"must be a number, got {value!r}") from None


Key = TypeVar("Key", bound=str)
Value = TypeVar("Value")


def _one_of(field: str, table: Mapping[Key, Value], key: Key) -> Value:
    if key in table:
        return table[key]
    raise invalid(field, f"must be one of {', '.join(map(repr, table))}, got {key!r}")
