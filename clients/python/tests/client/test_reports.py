"""What a trainer hands over, and what becomes of it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from keepset.client import (
    AbortedError,
    Client,
    DeadlineError,
    InternalError,
    InvalidArgumentError,
    KeepsetError,
    PreconditionError,
    QueueFullError,
    Run,
    connect,
    report_sender,
)
from keepset.policies import UCB, Full
from support.sampler_process import SamplerProcess


@pytest.fixture
def client(sampler: SamplerProcess) -> Iterator[Client]:
    with connect(sampler.address) as client:
        yield client


@pytest.fixture
def run(client: Client) -> Run:
    return client.create_run(sample_count=8, policy=Full(), metrics=["correct", "margin"])


class Pending:
    """Values that come when `arrive` is called."""

    def __init__(self, values: npt.NDArray[np.generic], size: int | None = None) -> None:
        self.size = values.size if size is None else size
        self.reads: list[str] = []
        self._values = values
        self._arrived = threading.Event()

    def arrive(self) -> Pending:
        self._arrived.set()
        return self

    def read(self) -> npt.NDArray[np.generic]:
        self.reads.append(threading.current_thread().name)
        assert self._arrived.wait(30)
        return self._values


@pytest.mark.parametrize("index_type", [np.uint8, np.int32, np.uint32, np.int64, np.uint64, ">i8", ">u4"])
@pytest.mark.parametrize("loss_type", [np.float16, np.float32, np.float64, np.int64, ">f4"])
def test_any_width_of_numbers_arrives(client: Client, run: Run, index_type: str, loss_type: str) -> None:
    plan = run.plan_epoch(0)
    plan.report(plan.indices.astype(index_type), plan.indices.astype(loss_type))
    run.flush()
    assert client.statistics(run.run_id).last_losses.tolist() == list(range(8))


def test_lists_and_views_arrive(client: Client, run: Run) -> None:
    run.plan_epoch(0).report([5, 1], (2.5, 0.5))
    backwards = np.arange(16, dtype=np.int64)[::-2] // 2
    run.plan_epoch(0).report(backwards[[0, 3, 1]], np.array([[1, 2, 3], [4, 5, 6]], np.float32).T[:, 1])
    run.flush()
    assert client.statistics(run.run_id).last_losses.tolist() == [0, 0.5, 0, 0, 5, 2.5, 6, 4]


def test_arrays_are_copied(client: Client, run: Run) -> None:
    plan = run.plan_epoch(0)
    indices, losses, correct = np.arange(8), np.arange(8, dtype=np.float32), np.ones(8, np.float32)
    pending = Pending(np.array([0.0, 1.0]))
    plan.report([0, 1], pending)  # holds up what comes after it
    plan.report(indices[2:], losses[2:], {"correct": correct[2:]})
    indices[:], losses[:], correct[:] = 7, 9, 9
    pending.arrive()
    run.flush()
    statistics = client.statistics(run.run_id)
    assert statistics.last_losses.tolist() == list(range(8))
    assert statistics.metrics["correct"][2:].tolist() == [1] * 6


@pytest.mark.parametrize("naps", [0, 10**9])
def test_reports_are_sent_though_nobody_waits_for_them(run: Run, naps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender looks for a report by itself, or sleeps until one wakes it."""
    monkeypatch.setattr(report_sender, "_NAPS", naps)
    plan = run.plan_epoch(0)
    for count in (1, 2, 3):
        plan.report([count], [0.5])
        while run.info().progress.reports < count:  # pytest's own time limit ends it
            pass


def test_what_f32_cannot_hold_counts_as_not_finite(run: Run) -> None:
    run.plan_epoch(0).report([0, 1, 2], [1e300, float("nan"), 1.0])
    run.flush()
    assert (run.info().progress.non_finite, run.info().progress.observations) == (2, 1)


def test_pending_values_are_read_once_on_another_thread(client: Client, run: Run) -> None:
    plan = run.plan_epoch(0)
    indices, losses, margin = Pending(np.array([3, 4])), Pending(np.array([1.5, 2.5])), Pending(np.array([0.5, -0.5]))
    plan.report(indices, losses, {"margin": margin})
    with pytest.raises(DeadlineError, match="1 reports of run"):
        run.flush(0.05)
    for values in (indices, losses, margin):
        values.arrive()
    run.flush()
    statistics = client.statistics(run.run_id)
    assert statistics.last_losses[3:5].tolist() == [1.5, 2.5] and statistics.metrics["margin"][3] == 0.5
    reads = indices.reads + losses.reads + margin.reads
    assert len(reads) == 3 and threading.current_thread().name not in reads


@pytest.mark.parametrize(
    ("indices", "losses", "metrics", "text"),
    [
        ([1.0, 2.0], [0.0, 0.0], {}, "indices: must be integers"),
        ([[1], [2]], [0.0, 0.0], {}, r"indices: .* got shape \(2, 1\)"),
        ([1, 2], 0.5, {}, r"losses: .* got shape \(\)"),
        ([1, 2], [0.5], {}, "losses: must have one value for each of the 2 indices, got 1"),
        ([1, 2], ["a", "b"], {}, "losses: must be numbers"),
        ([], [], {}, "indices: must hold at least one"),
        ([1], [0.5], {"right": [1.0]}, r"metrics\['right'\]: is no metric of this run; it has 'correct', 'margin'"),
        ([1], [0.5], {"margin": [1.0, 2.0]}, r"metrics\['margin'\]: must have one value"),
        ([1], Pending(np.array([1.0, 2.0])), {}, "losses: must have one value"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(
    run: Run, indices: npt.ArrayLike, losses: npt.ArrayLike, metrics: dict[str, npt.ArrayLike], text: str
) -> None:
    plan = run.plan_epoch(0)
    with pytest.raises(InvalidArgumentError, match=text):
        plan.report(indices, losses, metrics)
    plan.report([1], [0.5])
    run.flush()
    assert run.info().progress.reports == 1


def test_a_metric_of_a_run_without_metrics_is_refused(client: Client) -> None:
    plan = client.create_run(sample_count=2, policy=Full()).plan_epoch(0)
    with pytest.raises(InvalidArgumentError, match="none: it was created without metrics="):
        plan.report([0], [0.0], {"correct": [1.0]})


@pytest.mark.parametrize("wrong", [-1, 8, 2**32, 2**40])
def test_an_index_outside_the_data_set_fails_the_run(run: Run, wrong: int) -> None:
    plan = run.plan_epoch(0)
    plan.report([1, wrong], [0.0, 0.0])
    hint = "; those of a subset are places in the subset, so wrap it with keepset.indexed last"
    with pytest.raises(InvalidArgumentError, match=f"from 0 to 7.* got {wrong}{hint if wrong > 0 else ''}$"):
        run.flush()


def test_a_refused_report_fails_the_run_for_all_later_calls(client: Client) -> None:
    run = client.create_run(sample_count=100, policy=UCB(), prune_rate=0.5)
    run.plan_epoch(0)
    plan = run.plan_epoch(1)
    foreign = sorted(set(range(100)) - set(plan.indices.tolist()))[0]
    assert run.failure is None
    plan.report([foreign], [0.0])
    errors: list[KeepsetError] = []
    for call in (run.flush, lambda: plan.report([1], [0.0]), lambda: run.plan_epoch(2), run.finish):
        with pytest.raises(InvalidArgumentError, match=str(foreign)) as caught:
            call()
        errors.append(caught.value)
    assert errors[0] is not errors[1] and isinstance(run.failure, InvalidArgumentError)
    assert run.info().progress.reports == 0
    run.rewind(1)
    assert run.failure is None
    plan = run.plan_epoch(1)
    plan.report(plan.indices, plan.indices)
    run.flush()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (Pending(np.array([1.0, 2.0]), size=1).arrive(), "came from their device with 2 values when 1 were announced"),
        (Pending(np.array(["a"])).arrive(), "losses: must be numbers"),
    ],
)
def test_pending_values_that_do_not_fit_fail_the_run(run: Run, values: Pending, text: str) -> None:
    run.plan_epoch(0).report([1], values)
    with pytest.raises(InvalidArgumentError, match=text):
        run.flush()


def test_pending_values_that_cannot_be_read_fail_the_run(run: Run) -> None:
    class Broken:
        size = 1

        def read(self) -> npt.NDArray[np.float32]:
            raise RuntimeError("device lost")

    run.plan_epoch(0).report([1], Broken())
    with pytest.raises(InternalError, match=r"values of report 1 of epoch 0 and rank 0 .*device lost") as caught:
        run.flush()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_plan_of_an_epoch_that_is_over_takes_no_reports(run: Run) -> None:
    before = run.plan_epoch(0)
    run.plan_epoch(1)
    with pytest.raises(PreconditionError, match="Epoch 0 is over for rank 0, which is in epoch 1"):
        before.report([1], [0.0])
    assert run.failure is None


def test_reports_go_on_after_a_restart_in_mid_epoch(client: Client, run: Run, sampler: SamplerProcess) -> None:
    plan = run.plan_epoch(0)
    for index in plan.indices[:3]:
        plan.report([index], [1.0])
    run.flush()
    with connect(sampler.address) as restarted:
        again = restarted.attach_run(run.run_id)
        plan = again.plan_epoch(0, start_position=3)
        for index in plan.indices:
            plan.report([index], [1.0])
        again.plan_epoch(1)
        progress = again.info().progress
    assert (progress.reports, progress.observations, progress.repeats) == (8, 8, 0)


def test_a_repeated_plan_goes_on_counting(run: Run) -> None:
    for _ in range(3):
        run.plan_epoch(0).report([1], [0.0])
    run.plan_epoch(1)
    assert run.info().progress.reports == 3


def test_the_plan_waits_for_reports_that_another_object_sent(sampler: SamplerProcess, run: Run) -> None:
    run.plan_epoch(0)
    with connect(sampler.address) as other, pytest.raises(DeadlineError, match="report"):
        other.attach_run(run.run_id).plan_epoch(1, last_sequence=1, timeout=0.2)


def test_two_trainers_of_one_rank_are_told(sampler: SamplerProcess, run: Run) -> None:
    with connect(sampler.address) as client:
        twin = client.attach_run(run.run_id)
        plans = [run.plan_epoch(0), twin.plan_epoch(0)]
        plans[0].report([0], [0.0])
        run.flush()
        plans[1].report([1], [0.0])
        with pytest.raises(AbortedError, match="two trainers report as rank 0") as caught:
            twin.flush()
    assert caught.value.reason == "TWO_TRAINERS" and run.failure is None


def test_a_full_queue_makes_the_trainer_wait_and_then_throws(sampler: SamplerProcess) -> None:
    with connect(sampler.address, report_queue_limit=2, give_up_after=0.2) as client:
        run = client.create_run(sample_count=8, policy=Full())
        plan = run.plan_epoch(0)
        pending = Pending(np.array([1.0]))
        plan.report([0], pending)
        plan.report([1], [1.0])
        with pytest.raises(QueueFullError, match=r"2 reports wait.*report_queue_limit"):
            plan.report([2], [1.0])
        pending.arrive()
        for index in range(2, 8):  # now each waits for room only
            plan.report([index], [1.0])
        run.flush()
        progress = run.info().progress
    assert (progress.reports, progress.observations) == (8, 8)


def test_a_failure_wakes_who_waits_for_room_and_for_a_plan(sampler: SamplerProcess) -> None:
    with connect(sampler.address, report_queue_limit=1) as client, ThreadPoolExecutor(2) as threads:
        run = client.create_run(sample_count=8, policy=Full())
        plan = run.plan_epoch(0)
        plan_of_other = threads.submit(run.plan_epoch, 1, rank=1, world_size=2)
        pending = Pending(np.array([1.0, 2.0]), size=1)
        plan.report([0], pending)
        waiting = threads.submit(plan.report, [1], [1.0])
        pending.arrive()  # with two values, which fails the run
        for waiter in (waiting, plan_of_other):
            assert isinstance(waiter.exception(60), InvalidArgumentError)


def test_ranks_keep_their_order_in_threads(client: Client) -> None:
    run = client.create_run(sample_count=4000, policy=Full())

    def report_all(rank: int) -> None:
        plan = run.plan_epoch(0, rank=rank, world_size=4)
        for index in plan.indices:  # a gap in the sequences of a rank would be refused
            plan.report([index], [float(rank)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(report_all, range(4)))
    run.flush()
    progress = run.info().progress
    assert (progress.reports, progress.observations) == (4000, 4000)


def test_a_forgotten_run_delivers_what_is_left_and_ends_its_thread(client: Client) -> None:
    run = client.create_run(sample_count=8, policy=Full())
    run_id = run.run_id
    plan = run.plan_epoch(0)
    pending = Pending(np.array([1.0]))
    plan.report([0], pending)
    thread = next(thread for thread in threading.enumerate() if run_id in thread.name)
    del run, plan
    gc.collect()
    pending.arrive()
    thread.join(30)
    assert not thread.is_alive()
    assert client.get_run(run_id).progress.observations == 1
