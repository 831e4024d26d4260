"""Every call of a client and of a run, against a real sampler, and the errors that it answers with."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from keepset.client import (
    AbortedError,
    Client,
    DeadlineError,
    InvalidArgumentError,
    OutOfRangeError,
    Plan,
    PreconditionError,
    ResourceExhaustedError,
    RunExistsError,
    RunNotFoundError,
    UnavailableError,
    connect,
)
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
from support.cutting_proxy import CuttingProxy
from support.sampler_process import SamplerProcess


@pytest.fixture(scope="module")
def client(sampler: SamplerProcess) -> Iterator[Client]:
    with connect(sampler.address) as client:
        yield client


def train(plan: Plan, batch_size: int = 10) -> int:
    """Reports every batch of the plan: the loss of a sample is its index."""
    count = 0
    for batch in plan.batches(batch_size):
        plan.report(batch, batch.astype(np.float32))
        count += 1
    return count


@pytest.mark.parametrize(
    "policy",
    [
        Full(),
        StaticRandom(),
        Random(),
        EpsilonGreedy(epsilon=0.25, alpha=0.5, initial="zero"),
        UCB(c=2.5, alpha=0.75, initial="zero"),
        EpsilonGreedy(),
        UCB(),
        OrderDP(pool_rate=0.7),
        OrderDP(),
        InfoBatch(r=0.9),
        InfoBatch(r=0.75),
        RS2(),
        Importance(exponent=0.5, uniform_share=0.25),
        SelectiveBackprop(exponent=2.0),
        CustomScore(draw=True, uniform_share=0.5),
        CustomScore(),
        SeTa(drop_rate=0.25, groups=7, window=0.5),
        RePB(rho=0.25),
        Kakurenbo(confidence=0.5),
        IES(tau=0.5),
        Backlog(alpha=0.25, initial="zero"),
        Backlog(),
    ],
)
def test_settings_come_back_as_they_were_given(client: Client, run_id: str, policy: Policy) -> None:
    has_no_rate = isinstance(policy, (Full, SeTa, RePB, IES))
    client.create_run(
        run_id,
        sample_count=100,
        policy=policy,
        prune_rate=0.0 if has_no_rate else 0.5,
        prune_rate_schedule=[] if has_no_rate else [(3, 0.25), (5, 0.75)],
        epochs=20,
        seed=2**64 - 1,
        selection_period=2,
        warmup_epochs=0,
        tail_epochs=1,
        shard_mode="drop",
        position_multiple=4,
        non_finite="reject",
        metrics=["correct", "el2n"],
        weights="on",
        weight_cap=2.5,
        score_left_out=True,
    )
    settings = client.get_run(run_id).settings
    assert settings.policy == policy
    assert list(settings.prune_rate_schedule) == ([] if has_no_rate else [(3, 0.25), (5, 0.75)])
    assert (settings.sample_count, settings.epochs, settings.seed) == (100, 20, 2**64 - 1)
    assert (settings.selection_period, settings.warmup_epochs, settings.tail_epochs) == (2, 0, 1)
    assert (settings.shard_mode, settings.position_multiple, settings.non_finite) == ("drop", 4, "reject")
    needed = {Kakurenbo: ["confidence"], CustomScore: ["score"]}.get(type(policy), [])
    assert list(settings.metrics) == ["correct", "el2n", *needed]
    assert (settings.weights, settings.weight_cap, settings.score_left_out) == ("on", 2.5, True)
    assert (settings.score_source, settings.batch_loss_momentum) == ("loss", None)


@pytest.mark.parametrize("metric", ["el2n", "forgetting", "grand"])
def test_static_scores_may_come_from_other_runs(client: Client, run_id: str, metric: StaticMetric) -> None:
    observing = StaticScore(metric=metric, observe_epochs=2)
    other = client.create_run(f"{run_id}-other", sample_count=100, policy=observing, prune_rate=0.5)
    assert other.settings.policy == observing and other.settings.warmup_epochs == 2
    assert other.settings.metrics == ("correct" if metric == "forgetting" else metric,)
    for epoch in range(2):
        plan = other.plan_epoch(epoch)
        plan.report(plan.indices, plan.indices, {other.settings.metrics[0]: plan.indices % 2})
    other.flush()
    taking = StaticScore(metric=metric, scores_from=[other.run_id])
    run = client.create_run(run_id, sample_count=100, policy=taking, prune_rate=0.5)
    assert client.get_run(run_id).settings.policy == taking
    assert run.info().progress.samples_planned_elsewhere == 200
    assert (run.settings.warmup_epochs, run.settings.metrics) == (0, ())


def test_a_run_of_batch_losses(client: Client, run_id: str) -> None:
    run = client.create_run(
        run_id, sample_count=10, policy=UCB(), score_source="batch_loss", batch_loss_momentum=0.5, weights="off"
    )
    settings = client.get_run(run_id).settings
    assert (settings.score_source, settings.batch_loss_momentum, settings.weights) == ("batch_loss", 0.5, "off")
    for epoch, losses in enumerate([(1.0, 4.0), (2.0, 8.0)]):
        plan = run.plan_epoch(epoch)
        for loss, batch in zip(losses, (range(5), range(5, 10)), strict=True):
            plan.report(list(batch), loss)
    run.flush()
    assert client.statistics(run_id).last_losses.tolist() == [1.5] * 5 + [6.0] * 5
    for losses in ([1.0, 2.0], []):
        with pytest.raises(InvalidArgumentError, match="must be one value, the batch's mean loss"):
            plan.report([0, 1], losses)


def test_defaults_are_the_samplers(client: Client) -> None:
    settings = client.create_run(sample_count=7, policy=UCB()).info().settings
    assert (settings.epochs, settings.selection_period, settings.warmup_epochs) == (None, 10, 1)
    assert (settings.shard_mode, settings.position_multiple, settings.non_finite) == ("pad", 1, "ignore")
    assert settings.metrics == ()
    assert (settings.weights, settings.weight_cap, settings.tail_epochs) == ("off", None, 0)
    assert (settings.score_source, settings.batch_loss_momentum, settings.score_left_out) == ("loss", None, False)


def test_creating_again_attaches(client: Client, run_id: str) -> None:
    first = client.create_run(run_id, sample_count=100, policy=UCB(), prune_rate=0.5)
    first.plan_epoch(0)
    again = client.create_run(run_id, sample_count=100, policy=UCB(), prune_rate=0.5)
    assert again.info().next_epoch == 1
    with pytest.raises(RunExistsError, match="sample_count") as caught:
        client.create_run(run_id, sample_count=101, policy=UCB(), prune_rate=0.5)
    assert (caught.value.code, caught.value.reason) == ("ALREADY_EXISTS", "RUN_EXISTS")


def test_a_run_tells_what_it_did(client: Client) -> None:
    run = client.create_run(sample_count=100, policy=UCB(), prune_rate=0.5, epochs=4, selection_period=1)
    for epoch in range(2):
        train(run.plan_epoch(epoch))
    run.flush()
    info = run.info()
    assert (info.run_id, info.state, info.next_epoch, info.generation) == (run.run_id, "active", 2, 1)
    assert list(info.epoch_starts) == [0, 1, 2]
    progress = info.progress
    assert (progress.epochs_planned, progress.samples_planned, progress.reports) == (2, 150, 15)
    assert (progress.observations, progress.non_finite, progress.repeats, progress.selections) == (150, 0, 0, 1)
    assert progress.saving == 0.25
    assert timedelta(0) <= info.update_time - info.create_time < timedelta(minutes=5)
    assert abs(datetime.now(timezone.utc) - info.create_time) < timedelta(minutes=5)


def test_a_plan_has_what_the_sampler_chose(client: Client) -> None:
    run = client.create_run(sample_count=101, policy=UCB(), prune_rate=0.5, epochs=4, selection_period=2, tail_epochs=1)
    plans: list[Plan] = []
    for epoch in range(4):
        plans.append(run.plan_epoch(epoch))
        train(plans[-1])
    assert [plan.reason for plan in plans] == ["warmup", "selected", "reused", "tail"]
    assert [plan.selection_epoch for plan in plans] == [0, 1, 1, 3]
    assert [plan.kept_count for plan in plans] == [101, 50, 50, 101]
    kept = plans[1]
    # Of the losses the index itself: the largest are kept.
    assert sorted(kept.indices) == list(range(51, 101))
    assert (kept.epoch, kept.rank, kept.world_size, kept.start_position) == (1, 0, 1, 0)
    assert (kept.position_count, kept.sample_count, kept.generation, len(kept.digest)) == (50, 101, 1, 32)
    assert kept.indices.dtype == np.uint32 and not kept.indices.flags.writeable


def test_batches_cover_the_plan(client: Client) -> None:
    plan = client.create_run(sample_count=25, policy=Full()).plan_epoch(0, start_position=3)
    assert [len(batch) for batch in plan.batches(10)] == [10, 10, 2]
    assert [len(batch) for batch in plan.batches(10, drop_last=True)] == [10, 10]
    assert np.array_equal(np.concatenate(list(plan.batches(10))), plan.indices)
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        plan.batches(0)


def test_a_plan_can_be_had_again_and_in_parts(client: Client) -> None:
    run = client.create_run(sample_count=100, policy=Full())
    whole = run.plan_epoch(0)
    rest = run.plan_epoch(0, start_position=40)
    assert rest.digest == whole.digest and np.array_equal(rest.indices, whole.indices[40:])
    assert len(run.plan_epoch(0, start_position=100).indices) == 0
    with pytest.raises(OutOfRangeError, match="start_position"):
        run.plan_epoch(0, start_position=101)


def test_a_plan_of_many_chunks_is_fetched_whole(client: Client) -> None:
    plan = client.create_run(sample_count=1_000_000, policy=Full(), seed=7).plan_epoch(0)
    assert np.array_equal(np.sort(plan.indices), np.arange(1_000_000, dtype=np.uint32))


def test_ranks_in_threads_share_a_run(client: Client) -> None:
    run = client.create_run(sample_count=1000, policy=UCB(), prune_rate=0.5, selection_period=1)

    def train_rank(rank: int) -> list[np.ndarray]:
        plans: list[np.ndarray] = []
        for epoch in range(4):
            plan = run.plan_epoch(epoch, rank=rank, world_size=4)
            plans.append(plan.indices)
            train(plan, 7)
        return plans

    with ThreadPoolExecutor(4) as threads:
        plans = list(threads.map(train_rank, range(4)))
    run.flush()
    for epoch in range(4):
        together = np.concatenate([rank[epoch] for rank in plans])
        assert len(set(together.tolist())) == len(together) == (1000 if epoch == 0 else 500)
    assert run.info().progress.observations == 1000 + 3 * 500


def test_a_missing_rank_is_named(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    with pytest.raises(DeadlineError, match="rank 1 of 2 did not ask") as caught:
        run.plan_epoch(0, world_size=2, timeout=0.2)
    assert caught.value.reason == "BARRIER_TIMEOUT"


def test_a_newer_ask_of_a_rank_takes_the_place_of_an_older_one(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    with ThreadPoolExecutor(2) as threads:
        asks = [threads.submit(run.plan_epoch, 0, world_size=2, timeout=60) for _ in range(2)]
        first, _ = wait(asks, return_when=FIRST_COMPLETED)
        client.delete_run(run.run_id)  # ends the other one
    error = first.pop().exception()
    assert isinstance(error, AbortedError) and error.reason == "ASK_SUPERSEDED"


def test_refused_values_name_their_field(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="prune_rate") as caught:
        client.create_run(sample_count=10, policy=UCB(), prune_rate=1.5)
    assert [violation.field for violation in caught.value.field_violations] == ["spec.prune_rate"]
    assert caught.value.reason == "INVALID_FIELD"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"sample_count": 0.5}, "spec.sample_count"),
        ({"sample_count": -1}, "spec.sample_count"),
        ({"sample_count": True}, "spec.sample_count"),
        ({"seed": 2**64}, "spec.seed"),
        ({"policy": "ucb"}, "spec.policy"),
        ({"policy": UCB(initial="one")}, "spec.ucb.initial"),  # type: ignore[arg-type]
        ({"policy": UCB(c="x")}, "spec.ucb.c"),  # type: ignore[arg-type]
        ({"shard_mode": "cut"}, "spec.shard_mode"),
        ({"non_finite": "raise"}, "spec.non_finite"),
        ({"metrics": "correct"}, "spec.metrics"),
        ({"prune_rate": "half"}, "spec.prune_rate"),
        ({"prune_rate_schedule": [(1.5, 0.5)]}, "spec.prune_rate_schedule[0].from_epoch"),
        ({"epochs": -1}, "spec.total_epochs"),
        ({"tail_epochs": -1}, "spec.tail_epochs"),
        ({"weights": True}, "spec.weights"),
        ({"weight_cap": "x"}, "spec.weight_cap"),
        ({"score_source": "losses"}, "spec.score_source"),
        ({"batch_loss_momentum": "x"}, "spec.batch_loss_momentum"),
        ({"score_left_out": 1}, "spec.score_left_out"),
        ({"policy": InfoBatch(r="x")}, "spec.info_batch.r"),  # type: ignore[arg-type]
        ({"policy": CustomScore(draw=1)}, "spec.custom_score.draw"),  # type: ignore[arg-type]
        ({"policy": SeTa(groups=2.5)}, "spec.seta.groups"),  # type: ignore[arg-type]
        ({"policy": StaticScore(metric="loss")}, "spec.static_score.metric"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_the_wire_is_refused_here(client: Client, changed: dict[str, object], field: str) -> None:
    settings: dict[str, object] = {"sample_count": 10, "policy": UCB(), **changed}
    with pytest.raises(InvalidArgumentError) as caught:
        client.create_run(**settings)  # type: ignore[arg-type]
    assert [violation.field for violation in caught.value.field_violations] == [field]


def test_a_wrong_epoch_is_refused(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    with pytest.raises(PreconditionError) as caught:
        run.plan_epoch(3)
    assert caught.value.reason == "WRONG_EPOCH"


def test_too_many_samples_are_refused(client: Client) -> None:
    with pytest.raises(ResourceExhaustedError) as caught:
        client.create_run(sample_count=2**32 - 1, policy=Full())
    assert caught.value.reason == "TOO_MANY_SAMPLES"


def test_an_unknown_run_is_not_found(client: Client, run_id: str) -> None:
    for call in (client.get_run, client.attach_run, client.delete_run, client.statistics):
        with pytest.raises(RunNotFoundError, match=run_id):
            call(run_id)
    with pytest.raises(RunNotFoundError):
        list(client.export_run(run_id))


def test_finishing_closes_the_run(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    plan = run.plan_epoch(0)
    plan.report(plan.indices, np.zeros(10))
    assert run.finish().progress.observations == 10
    assert run.finish().state == "finished"
    for call in (lambda: plan.report([0], [0.0]), lambda: run.plan_epoch(1), run.flush):
        with pytest.raises(PreconditionError) as caught:
            call()
        assert caught.value.reason == "RUN_FINISHED"


def test_rewinding_begins_a_new_life(client: Client) -> None:
    run = client.create_run(sample_count=100, policy=UCB(), prune_rate=0.5, selection_period=1)
    plans: list[Plan] = []
    for epoch in range(3):
        plans.append(run.plan_epoch(epoch))
        train(plans[-1])
    other = client.attach_run(run.run_id)
    assert run.rewind(1).next_epoch == 1
    assert run.generation == 2 and run.failure is None
    with pytest.raises(AbortedError, match="rewound to epoch 1") as caught:
        plans[-1].report([0], [0.0])
    assert caught.value.reason == "STALE_GENERATION"
    again = run.plan_epoch(1)
    assert again.digest == plans[1].digest and again.generation == 2
    train(again)
    assert run.plan_epoch(2).digest == plans[2].digest
    with pytest.raises(AbortedError) as caught:
        other.plan_epoch(2)
    assert caught.value.reason == "STALE_GENERATION"
    with pytest.raises(PreconditionError) as gone:
        run.rewind(9)
    assert gone.value.reason == "EPOCH_START_GONE"


def test_plans_from_before_a_rewind_say_so_even_where_a_report_was_refused_meanwhile(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    plan = run.plan_epoch(0)
    # As when the answer to a rewind is on its way: the sampler refuses what is of before already.
    client.rewind_run(run.run_id, 0, 1)
    plan.report([0], [0.0])
    with pytest.raises(AbortedError, match="End this trainer"):
        run.flush()
    assert run.rewind(0).generation == 2
    with pytest.raises(AbortedError, match="rewound to epoch 0"):
        plan.report([0], [0.0])


def test_rewinding_from_outside_states_a_generation_or_none(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    run.plan_epoch(0)
    assert client.rewind_run(run.run_id, 0, 1).generation == 2
    assert client.rewind_run(run.run_id, 0).generation == 3
    with pytest.raises(AbortedError):
        client.rewind_run(run.run_id, 0, 1)


def test_a_finished_run_can_be_rewound_and_finished_again(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    run.plan_epoch(0)
    run.finish()
    run.rewind(0)
    plan = run.plan_epoch(0)
    plan.report(plan.indices, np.zeros(10))
    assert run.finish().progress.observations == 10


def test_runs_are_listed_over_pages(client: Client, run_id: str) -> None:
    names = [f"{run_id}-{index:02}" for index in range(55)]
    for name in names:
        client.create_run(name, sample_count=1, policy=Full())
    listed = [info.run_id for info in client.list_runs()]
    assert listed == sorted(listed) and set(names) <= set(listed)
    assert list(client.list_damaged_runs()) == []


def test_a_deleted_run_is_gone(client: Client) -> None:
    run = client.create_run(sample_count=10, policy=Full())
    client.delete_run(run.run_id)
    with pytest.raises(RunNotFoundError):
        run.info()


def test_an_export_becomes_a_run_that_goes_on(client: Client, run_id: str) -> None:
    run = client.create_run(run_id, sample_count=1000, policy=UCB(), prune_rate=0.5, selection_period=1)
    train(run.plan_epoch(0))
    run.flush()
    export = b"".join(client.export_run(run_id))
    moved = client.import_run([export[:100], export[100:]], run_id=f"{run_id}-moved")
    assert np.array_equal(moved.plan_epoch(1).indices, run.plan_epoch(1).indices)
    with pytest.raises(RunExistsError):
        client.import_run([export])
    with pytest.raises(InvalidArgumentError) as caught:
        client.import_run([export[:-5]], run_id=f"{run_id}-part")
    assert [violation.field for violation in caught.value.field_violations] == ["chunk"]

    def broken() -> Iterator[bytes]:
        yield export[:10]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        client.import_run(broken(), run_id=f"{run_id}-part")
    with pytest.raises(RunNotFoundError):
        client.get_run(f"{run_id}-part")


def test_statistics_have_one_element_a_sample(client: Client) -> None:
    run = client.create_run(
        sample_count=60_000, policy=UCB(), prune_rate=0.5, selection_period=1, metrics=["correct", "margin"]
    )
    plan = run.plan_epoch(0)
    half = plan.indices[:30_000]
    plan.report(half, half / 7, {"correct": half % 2 == 0})
    run.plan_epoch(1)
    statistics = client.statistics(run.run_id)
    reported = np.zeros(60_000, bool)
    reported[half] = True
    expected = np.where(reported, (np.arange(60_000) / 7).astype(np.float32), np.float32(0))
    assert np.array_equal(statistics.means, expected) and np.array_equal(statistics.last_losses, expected)
    assert np.array_equal(statistics.times_reported, reported) and not statistics.variances.any()
    correct = statistics.metrics["correct"]
    assert np.array_equal(correct[half], (half % 2 == 0).astype(np.float32)) and np.isnan(correct[~reported]).all()
    assert np.isnan(statistics.metrics["margin"]).all()
    assert (statistics.always_count, statistics.sometimes_count, statistics.never_count) == (30_000, 0, 30_000)
    assert statistics.times_kept.sum() == 30_000 and statistics.run.next_epoch == 2


def test_statistics_have_what_the_policy_keeps_for_itself(client: Client) -> None:
    run = client.create_run(sample_count=50_000, policy=RePB(), metrics=["margin"])
    plan = run.plan_epoch(0)
    plan.report(plan.indices, plan.indices, {"margin": plan.indices})
    run.flush()
    statistics = client.statistics(run.run_id)
    assert list(statistics.metrics) == ["margin"]
    above = np.where(np.arange(50_000) >= 24_999.5, 1, -1)
    assert list(statistics.policy_columns) == ["repb_above", "repb_times"]
    assert np.array_equal(statistics.policy_columns["repb_above"], above)
    assert np.array_equal(statistics.policy_columns["repb_times"], np.ones(50_000))


def test_a_closed_client_says_so(sampler: SamplerProcess) -> None:
    client = connect(sampler.address)
    run = client.create_run(sample_count=10, policy=Full())
    plan = run.plan_epoch(0)
    plan.report(plan.indices, np.zeros(10))
    waiting = threading.Thread(target=lambda: errors.append(_error_of(lambda: run.plan_epoch(1, world_size=2))))
    errors: list[BaseException] = []
    waiting.start()
    client.close()
    client.close()
    waiting.join(30)
    for call in (lambda: plan.report([0], [0.0]), run.info, lambda: run.plan_epoch(1), run.flush, run.finish):
        errors.append(_error_of(call))
    assert [getattr(error, "reason", error) for error in errors] == ["CLIENT_CLOSED"] * 6
    with connect(sampler.address) as other:
        assert other.get_run(run.run_id).progress.observations == 10


def test_closing_delivers_the_reports_of_runs_that_are_forgotten(sampler: SamplerProcess, run_id: str) -> None:
    with connect(sampler.address) as client:
        train(client.create_run(run_id, sample_count=10_000, policy=Full()).plan_epoch(0))
        gc.collect()
    with connect(sampler.address) as client:
        assert client.get_run(run_id).progress.observations == 10_000


def test_closing_without_the_sampler_is_bounded_and_logs_what_is_lost(
    proxy: CuttingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(proxy.address)
    run = client.create_run(sample_count=10, policy=Full())
    plan = run.plan_epoch(0)
    proxy.refuse()
    train(plan, 5)
    client.close(flush_timeout=0.1)
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        f"2 reports of run '{run.run_id}' were not delivered"
    ]


def test_leaving_the_block_delivers_what_is_left(sampler: SamplerProcess) -> None:
    with connect(sampler.address) as client:
        run = client.create_run(sample_count=1000, policy=Full())
        train(run.plan_epoch(0))
    with connect(sampler.address) as client:
        assert client.get_run(run.run_id).progress.observations == 1000


def test_an_address_without_a_sampler_is_told(unused_address: str) -> None:
    with connect(unused_address, call_timeout=0.5) as client:
        for call in (lambda: client.get_run("a"), lambda: client.import_run([b""]), lambda: client.statistics("a")):
            with pytest.raises(UnavailableError, match="keepset serve"):
                call()


@pytest.mark.parametrize(
    "options", [{"call_timeout": 0}, {"give_up_after": -1}, {"give_up_after": "soon"}, {"report_queue_limit": 0}]
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        connect("127.0.0.1:1", **options)  # type: ignore[arg-type]


def test_errors_can_be_copied_and_pickled(client: Client, run_id: str) -> None:
    error = _error_of(lambda: client.create_run(run_id, sample_count=0, policy=Full()))
    assert isinstance(error, InvalidArgumentError)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(twin, InvalidArgumentError) and str(twin) == str(error)
        assert (twin.code, twin.reason, twin.field_violations) == (error.code, error.reason, error.field_violations)


def _error_of(call: object) -> BaseException:
    try:
        call()  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("nothing was thrown")
