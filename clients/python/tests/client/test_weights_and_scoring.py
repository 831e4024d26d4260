"""Plans with weights, what is to be scored, and what came of selections: against a real sampler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from keepset.client import Client, OutOfRangeError, PreconditionError, connect
from keepset.policies import IES, RS2, UCB, Importance, InfoBatch, Kakurenbo
from support.sampler_process import SamplerProcess

N = 1000


@pytest.fixture(scope="module")
def client(sampler: SamplerProcess) -> Iterator[Client]:
    with connect(sampler.address) as client:
        yield client


def test_a_plan_has_weights_beside_its_indices(client: Client) -> None:
    run = client.create_run(sample_count=N, policy=InfoBatch())
    assert (run.settings.weights, run.settings.selection_period) == ("on", 1)
    first = run.plan_epoch(0)
    assert first.weights is None, "everything is kept: all are 1"
    first.report(first.indices, first.indices)
    plan = run.plan_epoch(1)
    assert plan.weights is not None and plan.weights.dtype == np.float32 and not plan.weights.flags.writeable
    # Of the 500 samples below the mean, 499.5, half are kept, with the weight 2.
    assert plan.kept_count == 750
    assert plan.weights.tolist() == [2.0 if index < 500 else 1.0 for index in plan.indices.tolist()]
    rest = run.plan_epoch(1, start_position=700)
    assert rest.weights is not None and np.array_equal(rest.weights, plan.weights[700:])


def test_weights_of_many_chunks_come_whole(client: Client) -> None:
    count = 600_000
    run = client.create_run(sample_count=count, policy=Importance(), prune_rate=0.5, selection_period=1)
    first = run.plan_epoch(0)
    for batch in first.batches(100_000):
        first.report(batch, batch)
    plan = run.plan_epoch(1)
    assert plan.weights is not None and len(plan.weights) == plan.kept_count == count // 2
    # Inverse probabilities: they stand for all samples, and fall with the loss.
    assert plan.weights.sum() == pytest.approx(count, rel=0.01)
    order = np.argsort(plan.indices)
    assert (np.diff(plan.weights[order].astype(float)) <= 1e-3).all()


def test_weights_are_capped_and_can_be_off(client: Client) -> None:
    for settings, expected in (({"weight_cap": 1.25}, 1.25), ({}, 2.0)):
        run = client.create_run(sample_count=N, policy=RS2(), prune_rate=0.5, weights="on", **settings)  # type: ignore[arg-type]
        run.plan_epoch(0)
        weights = run.plan_epoch(1).weights
        assert weights is not None and set(weights.tolist()) == {expected}
    run = client.create_run(sample_count=N, policy=InfoBatch(), weights="off")
    first = run.plan_epoch(0)
    first.report(first.indices, first.indices)
    assert run.plan_epoch(1).weights is None


def test_what_is_left_out_is_scored(client: Client) -> None:
    run = client.create_run(sample_count=N, policy=UCB(), prune_rate=0.5, selection_period=1, score_left_out=True)
    with pytest.raises(PreconditionError):
        run.plan_scoring(0)
    plan = run.plan_epoch(0)
    assert (plan.score_count, plan.is_scoring) == (0, False)
    assert len(run.plan_scoring(0).indices) == 0
    for batch in plan.batches(300):
        plan.report(batch, batch)
    plan = run.plan_epoch(1)
    assert plan.score_count == N // 2
    for batch in plan.batches(300):
        plan.report(batch, 2.0 * batch)
    scoring = run.plan_scoring(1)
    assert scoring.is_scoring and scoring.weights is None and scoring.position_count == N // 2
    assert sorted([*plan.indices, *scoring.indices]) == list(range(N))
    assert np.array_equal(run.plan_scoring(1, start_position=100).indices, scoring.indices[100:])
    with pytest.raises(OutOfRangeError):
        run.plan_scoring(1, start_position=501)
    for batch in scoring.batches(300):
        scoring.report(batch, 3.0 * batch)
    run.flush()
    progress = run.info().progress
    assert (progress.scored, progress.saving) == (N // 2, 0.25)
    kept = np.isin(np.arange(N), plan.indices)
    assert np.array_equal(client.statistics(run.run_id).last_losses, np.where(kept, 2, 3) * np.arange(N))
    run.plan_epoch(2)


def test_ranks_share_what_is_scored(client: Client) -> None:
    settings = {"prune_rate": 0.5, "warmup_epochs": 0, "selection_period": 1, "score_left_out": True}
    run = client.create_run(sample_count=101, policy=UCB(), **settings)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as threads:
        plans = list(threads.map(lambda rank: run.plan_epoch(0, rank=rank, world_size=2), range(2)))
    scored = [run.plan_scoring(0, rank=rank, world_size=2).indices for rank in range(2)]
    assert [plan.score_count for plan in plans] == [len(indices) for indices in scored] == [26, 25]
    kept = {index for plan in plans for index in plan.indices.tolist()}
    assert kept.isdisjoint(np.concatenate(scored).tolist())
    assert len(kept | set(np.concatenate(scored).tolist())) == 101


def test_the_learning_rate_follows_what_kakurenbo_leaves_out(client: Client) -> None:
    run = client.create_run(sample_count=N, policy=Kakurenbo(), prune_rate=0.5, epochs=10)
    assert run.settings.metrics == ("correct", "confidence") and run.settings.score_left_out
    factors: list[float] = []
    for epoch in range(4):
        plan = run.plan_epoch(epoch)
        factors.append(plan.learning_rate_factor)
        sure = np.ones(len(plan.indices))
        plan.report(plan.indices, plan.indices, {"correct": sure, "confidence": sure})
    assert factors == pytest.approx([1, 2, 2, 1 / (1 - 0.4)])
    assert run.plan_epoch(4).kept_count == 600


def test_what_came_of_selections_is_told(client: Client) -> None:
    run = client.create_run(sample_count=N, policy=RS2(), prune_rate=0.75)
    for epoch in range(4):
        run.plan_epoch(epoch)
    selections = client.selections(run.run_id)
    assert [(one.epoch, one.kept_count, one.overlap) for one in selections] == [
        (1, 250, None),
        (2, 250, 0),
        (3, 250, 0),
    ]
    last = selections[-1]
    assert (last.always_count, last.sometimes_count, last.never_count, last.bin_width) == (0, 750, 250, 1)
    assert last.times_kept.dtype == np.uint32 and last.times_kept.tolist() == [250, 750, 0, 0]
    assert client.selections(client.create_run(sample_count=1, policy=IES()).run_id) == []
