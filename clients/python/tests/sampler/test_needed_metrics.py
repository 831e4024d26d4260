"""Metrics that a policy needs, and those that `report` makes of logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

import keepset
from keepset import scores
from support.sampler_process import SamplerProcess

N = 30
LOGITS = torch.randn(N, 4, generator=torch.Generator().manual_seed(3))
TARGETS = torch.arange(N) % 4
LOSSES = F.cross_entropy(LOGITS, TARGETS, reduction="none")


def make(sampler: SamplerProcess, run_id: str, **settings: Any) -> keepset.Sampler:
    return keepset.Sampler(N, address=sampler.address, run_id=run_id, **settings)


def columns(sampler: keepset.Sampler) -> Any:
    sampler.flush()
    return sampler.run.client.statistics(sampler.run_id).metrics


def test_makes_those_that_the_run_has_and_are_not_given(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, metrics=["correct", "confidence", "el2n", "margin"])
    index = torch.tensor(list(made))
    given = torch.linspace(0, 1, N)
    logits = LOGITS[index].requires_grad_()
    made.report(index, LOSSES[index], logits=logits, targets=TARGETS[index], metrics={"confidence": given})
    found = columns(made)
    assert np.array_equal(found["correct"], scores.correct(LOGITS, TARGETS).numpy())
    torch.testing.assert_close(torch.from_numpy(found["el2n"]), scores.el2n(LOGITS, TARGETS))
    assert np.array_equal(found["confidence"][index.numpy()], given.numpy()), "what is given is taken"
    assert np.isnan(found["margin"]).all()


def test_confidence_needs_no_targets_and_the_others_do(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, metrics=["confidence"])
    index = list(made)
    made.report(index, LOSSES[index], logits=LOGITS[index])
    torch.testing.assert_close(torch.from_numpy(columns(made)["confidence"]), scores.confidence(LOGITS))
    other = make(sampler, run_id + "-other", metrics=["correct"])
    index = list(other)
    with pytest.raises(ValueError, match="targets is missing, without which the metric 'correct'"):
        other.report(index, LOSSES[index], logits=LOGITS[index])


def test_kakurenbo_names_what_is_missing_and_the_remedy(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, policy=keepset.Kakurenbo())
    index = list(made)
    with pytest.raises(
        ValueError, match=r"Kakurenbo needs the metric 'correct' in epoch 0: .*logits=logits, targets=y"
    ):
        made.report(index, LOSSES[index])
    with pytest.raises(ValueError, match=r"needs the metric 'confidence'.*metrics=\{'confidence'"):
        made.report(index, LOSSES[index], metrics={"correct": torch.ones(N)})
    assert made.position == 0
    made.report(index, LOSSES[index], logits=LOGITS[index], targets=TARGETS[index])
    assert not np.isnan(columns(made)["correct"]).any()


@pytest.mark.parametrize(("metric", "column"), [("el2n", "el2n"), ("forgetting", "correct")])
def test_a_static_score_needs_its_metric_while_it_observes(
    sampler: SamplerProcess, run_id: str, metric: Any, column: str
) -> None:
    made = make(sampler, run_id, policy=keepset.StaticScore(metric=metric, observe_epochs=2), prune_rate=0.5)
    for epoch in range(2):
        made.set_epoch(epoch)
        index = list(made)
        assert len(index) == N
        with pytest.raises(ValueError, match=f"StaticScore needs the metric '{column}' in epoch {epoch}"):
            made.report(index, LOSSES[index])
        made.report(index, LOSSES[index], logits=LOGITS[index], targets=TARGETS[index])
    made.set_epoch(2)
    index = list(made)
    made.report(index, LOSSES[index])
    made.flush()
    assert len(index) == N // 2
    if metric == "el2n":
        hardest = torch.topk(scores.el2n(LOGITS, TARGETS), N // 2).indices
        assert sorted(index) == sorted(hardest.tolist())


@pytest.mark.parametrize("metrics", [[], ["el2n"]])
def test_a_static_score_that_has_chosen_needs_its_metric_no_more(
    sampler: SamplerProcess, run_id: str, metrics: list[str]
) -> None:
    """It is made and sent on only where somebody asked for it."""
    policy = keepset.StaticScore(metric="el2n", observe_epochs=1)
    made = make(sampler, run_id, policy=policy, prune_rate=0.5, metrics=metrics)
    index = list(made)
    made.report(index, LOSSES[index], logits=LOGITS[index], targets=TARGETS[index])
    made.set_epoch(1)
    index = list(made)
    made.report(index, LOSSES[index], logits=2 * LOGITS[index], targets=TARGETS[index])
    logits = 2 * LOGITS if metrics else LOGITS
    torch.testing.assert_close(torch.from_numpy(columns(made)["el2n"])[index], scores.el2n(logits, TARGETS)[index])


def test_a_custom_score_is_given_once(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, policy=keepset.CustomScore())
    index = list(made)
    with pytest.raises(ValueError, match=r"score= and metrics=\{\"score\": \.\.\.\} are the same"):
        made.report(index, LOSSES[index], score=LOSSES[index], metrics={"score": LOSSES[index]})
    assert made.position == 0


def test_grand_is_the_trainers_to_make(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, policy=keepset.StaticScore(metric="grand", observe_epochs=1))
    index = list(made)
    with pytest.raises(ValueError, match=r"keepset\.scores\.grand\(model, x, y\)"):
        made.report(index, LOSSES[index], logits=LOGITS[index], targets=TARGETS[index])
    made.report(index, LOSSES[index], metrics={"grand": torch.ones(N)})


@pytest.mark.parametrize("is_metric", [False, True])
def test_a_custom_score_lies_beside_the_losses(sampler: SamplerProcess, run_id: str, is_metric: bool) -> None:
    made = make(sampler, run_id, policy=keepset.CustomScore(), prune_rate=0.5, selection_period=1)
    index = torch.tensor(list(made))
    with pytest.raises(
        ValueError, match=r"CustomScore needs the metric 'score' in epoch 0: report\(index, losses, score"
    ):
        made.report(index, LOSSES[index])
    if is_metric:
        made.report(index, LOSSES[index], metrics={"score": index})
    else:
        made.report(index, LOSSES[index], score=index)
    made.set_epoch(1)
    assert sorted(made) == list(range(N // 2, N)), "the largest scores"
    statistics = made.run.client.statistics(run_id)
    assert statistics.metrics["score"].tolist() == list(range(N))
    assert np.array_equal(statistics.last_losses, LOSSES.numpy())


def test_scores_from_other_runs_need_nothing(sampler: SamplerProcess, run_id: str) -> None:
    observing = make(sampler, run_id + "-observing", policy=keepset.StaticScore(observe_epochs=1), prune_rate=0.5)
    index = torch.tensor(list(observing))
    observing.report(index, LOSSES[index], logits=LOGITS[index], targets=TARGETS[index])
    observing.set_epoch(1)
    kept = set(observing)
    taking = make(sampler, run_id, policy=keepset.StaticScore(scores_from=[observing.run_id]), prune_rate=0.5)
    assert len(taking) == N // 2 and set(taking) == kept
    taking.report(list(taking), torch.ones(N // 2))
    assert taking.saving == pytest.approx(1 - (N // 2 + N) / N), "what was observed elsewhere counts"
