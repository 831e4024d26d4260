"""Policies between the wire's messages and the library's own types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepset._proto import run_pb2
from keepset.client.checks import check_bool, check_float, check_u32, invalid, one_of
from keepset.client.status import unreadable
from keepset.policies import (
    IES,
    RS2,
    UCB,
    Backlog,
    CustomScore,
    EpsilonGreedy,
    Full,
    Importance,
    InfoBatch,
    InitialStatistics,
    Kakurenbo,
    OrderDP,
    Policy,
    Random,
    RePB,
    SelectiveBackprop,
    SeTa,
    StaticMetric,
    StaticRandom,
    StaticScore,
)

_INITIAL: Mapping[InitialStatistics, run_pb2.InitialStatistics] = {
    "first_loss": run_pb2.INITIAL_STATISTICS_FIRST_LOSS,
    "zero": run_pb2.INITIAL_STATISTICS_ZERO,
}
_STATIC_METRICS: Mapping[StaticMetric, run_pb2.StaticMetric] = {
    "forgetting": run_pb2.STATIC_METRIC_FORGETTING,
    "el2n": run_pb2.STATIC_METRIC_EL2N,
    "grand": run_pb2.STATIC_METRIC_GRAND,
}
_OBSERVE_EPOCHS = StaticScore().observe_epochs


def policy_to_wire(policy: Policy) -> dict[str, Any]:
    """The field of the spec that says the policy, with its message."""

    def number(message: str, *names: str) -> dict[str, float]:
        return {name: check_float(f"spec.{message}.{name}", getattr(policy, name)) for name in names}

    match policy:
        case Full():
            return {"full": run_pb2.FullPolicy()}
        case StaticRandom():
            return {"static_random": run_pb2.StaticRandomPolicy()}
        case Random():
            return {"random": run_pb2.RandomPolicy()}
        case EpsilonGreedy():
            initial = one_of("spec.epsilon_greedy.initial", _INITIAL, policy.initial)
            numbers = number("epsilon_greedy", "epsilon", "alpha")
            return {"epsilon_greedy": run_pb2.EpsilonGreedyPolicy(**numbers, initial=initial)}
        case UCB():
            initial = one_of("spec.ucb.initial", _INITIAL, policy.initial)
            return {"ucb": run_pb2.UcbPolicy(**number("ucb", "c", "alpha"), initial=initial)}
        case OrderDP():
            rate = {} if policy.pool_rate is None else number("order_dp", "pool_rate")
            return {"order_dp": run_pb2.OrderDpPolicy(**rate)}
        case InfoBatch():
            return {"info_batch": run_pb2.InfoBatchPolicy(**number("info_batch", "r"))}
        case RS2():
            return {"rs2": run_pb2.Rs2Policy()}
        case Importance():
            return {"importance": run_pb2.ImportancePolicy(**number("importance", "exponent", "uniform_share"))}
        case SelectiveBackprop():
            numbers = number("selective_backprop", "exponent")
            return {"selective_backprop": run_pb2.SelectiveBackpropPolicy(**numbers)}
        case CustomScore():
            draw = check_bool("spec.custom_score.draw", policy.draw)
            numbers = number("custom_score", "uniform_share")
            return {"custom_score": run_pb2.CustomScorePolicy(draw=draw, **numbers)}
        case SeTa():
            groups = check_u32("spec.seta.groups", policy.groups)
            return {"seta": run_pb2.SetaPolicy(**number("seta", "drop_rate", "window"), groups=groups)}
        case RePB():
            return {"repb": run_pb2.RepbPolicy(**number("repb", "rho"))}
        case Kakurenbo():
            return {"kakurenbo": run_pb2.KakurenboPolicy(**number("kakurenbo", "confidence"))}
        case IES():
            return {"ies": run_pb2.IesPolicy(**number("ies", "tau"))}
        case StaticScore():
            return {"static_score": _static_score_to_wire(policy)}
        case Backlog():
            initial = one_of("spec.backlog.initial", _INITIAL, policy.initial)
            return {"backlog": run_pb2.BacklogPolicy(**number("backlog", "alpha"), initial=initial)}
        case _:  # pyright: ignore[reportUnnecessaryComparison]  # who does not check types may hand in anything
            raise invalid("spec.policy", f"must be one of keepset.policies, for example UCB(), got {policy!r}")


def policy_from_wire(spec: run_pb2.RunSpec) -> Policy:
    """The policy of a spec."""
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
        case "info_batch":
            return InfoBatch(r=spec.info_batch.r)
        case "rs2":
            return RS2()
        case "importance":
            return Importance(exponent=spec.importance.exponent, uniform_share=spec.importance.uniform_share)
        case "selective_backprop":
            return SelectiveBackprop(exponent=spec.selective_backprop.exponent)
        case "custom_score":
            return CustomScore(draw=spec.custom_score.draw, uniform_share=spec.custom_score.uniform_share)
        case "seta":
            return SeTa(drop_rate=spec.seta.drop_rate, groups=spec.seta.groups, window=spec.seta.window)
        case "repb":
            return RePB(rho=spec.repb.rho)
        case "kakurenbo":
            return Kakurenbo(confidence=spec.kakurenbo.confidence)
        case "ies":
            return IES(tau=spec.ies.tau)
        case "static_score":
            return _static_score_from_wire(spec.static_score)
        case "backlog":
            return Backlog(alpha=spec.backlog.alpha, initial=_initial_from_wire(spec.backlog.initial))
        case _:
            raise unreadable("a policy that this library does not know")


def _static_score_to_wire(policy: StaticScore) -> run_pb2.StaticScorePolicy:
    observe_epochs: int | None = check_u32("spec.static_score.observe_epochs", policy.observe_epochs)
    if policy.scores_from and observe_epochs == _OBSERVE_EPOCHS:
        observe_epochs = None  # with scores from elsewhere nothing is observed
    return run_pb2.StaticScorePolicy(
        metric=one_of("spec.static_score.metric", _STATIC_METRICS, policy.metric),
        observe_epochs=observe_epochs,
        scores_from=policy.scores_from,
    )


def _static_score_from_wire(one: run_pb2.StaticScorePolicy) -> StaticScore:
    names: dict[int, StaticMetric] = {number: name for name, number in _STATIC_METRICS.items()}
    if one.metric not in names:
        raise unreadable(f"static_score with the metric {one.metric}")
    return StaticScore(
        metric=names[one.metric],
        observe_epochs=one.observe_epochs if one.HasField("observe_epochs") else _OBSERVE_EPOCHS,
        scores_from=tuple(one.scores_from),
    )


def _initial_from_wire(initial: int) -> InitialStatistics:
    return "zero" if initial == run_pb2.INITIAL_STATISTICS_ZERO else "first_loss"
