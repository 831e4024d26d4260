"""What is known of a policy here is what the sampler says."""

from __future__ import annotations

from typing import Any

import pytest

import keepset
from keepset.policies import Policy
from keepset.policy_traits import default_prune_rate, keeps_own_count, needed_metrics, run_defaults
from support.sampler_process import SamplerProcess

POLICIES: list[Policy] = [
    keepset.Full(),
    keepset.StaticRandom(),
    keepset.Random(),
    keepset.EpsilonGreedy(),
    keepset.UCB(),
    keepset.Backlog(),
    keepset.OrderDP(),
    keepset.InfoBatch(),
    keepset.RS2(),
    keepset.Importance(),
    keepset.SelectiveBackprop(),
    keepset.CustomScore(),
    keepset.CustomScore(draw=True),
    keepset.SeTa(),
    keepset.RePB(),
    keepset.Kakurenbo(),
    keepset.IES(),
    keepset.StaticScore(observe_epochs=5),
    keepset.StaticScore(metric="forgetting", observe_epochs=1),
    keepset.StaticScore(metric="grand", observe_epochs=2),
]


def test_the_policy_is_backlog_where_none_is_named() -> None:
    assert keepset.Sampler(10).policy == keepset.Backlog()


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("epochs", [None, 5, 12, 28])
def test_defaults_are_the_samplers(sampler: SamplerProcess, policy: Policy, epochs: int | None) -> None:
    with keepset.connect(sampler.address) as client:
        settings = client.create_run(
            sample_count=10, policy=policy, prune_rate=default_prune_rate(policy), epochs=epochs
        ).settings
    defaults = run_defaults(policy, epochs)
    assert (settings.warmup_epochs, settings.tail_epochs) == (defaults.warmup_epochs, defaults.tail_epochs)
    assert settings.weights == ("on" if defaults.has_weights else "off")
    assert settings.score_left_out == defaults.scores_left_out
    assert settings.metrics == needed_metrics(policy, 0)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_says_who_decides_how_many_are_kept(sampler: SamplerProcess, policy: Policy) -> None:
    """With losses of which each policy leaves out something, and a prune rate where it takes one."""
    settings: dict[str, Any] = {"sample_count": 40, "policy": policy, "epochs": 20, "selection_period": 1}
    takes_none = keeps_own_count(policy, 0.5) and not isinstance(policy, keepset.Kakurenbo)
    settings["prune_rate"] = 0.0 if takes_none or policy == keepset.Full() else 0.5
    with keepset.connect(sampler.address) as client:
        run = client.create_run(**settings)
        counts: set[bool] = set()
        for epoch in range(9):
            plan = run.plan_epoch(epoch)
            losses = [index * (1 + epoch) ** 2 if index % 4 == 0 else 7.0 for index in plan.indices.tolist()]
            metrics = {name: plan.indices % 2 for name in plan.metrics}
            plan.report(plan.indices, losses, metrics)
            if plan.reason == "selected":
                by_rate = 40 if settings["prune_rate"] == 0 else 20
                counts.add(plan.kept_count != by_rate)
    assert (True in counts) == keeps_own_count(policy, settings["prune_rate"])


def test_metrics_are_needed_as_long_as_they_are_looked_at() -> None:
    policy = keepset.StaticScore(observe_epochs=3)
    assert [needed_metrics(policy, epoch) for epoch in (0, 2, 3)] == [("el2n",), ("el2n",), ()]
    taking = keepset.StaticScore(scores_from=["another"])
    assert needed_metrics(taking, 0) == () and run_defaults(taking, 9).warmup_epochs == 0
    assert needed_metrics(keepset.Kakurenbo(), 99) == ("correct", "confidence")


def test_names_of_other_runs_are_no_text() -> None:
    with pytest.raises(ValueError, match="give a list of names"):
        keepset.StaticScore(scores_from="run-1")
    assert keepset.StaticScore(scores_from=["a"]) == keepset.StaticScore(scores_from=("a",))
