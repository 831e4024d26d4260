"""Connections that break, samplers that die and come back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepset.client import DeadlineError, Plan, Run, UnavailableError, connect, report_sender
from keepset.policies import UCB, Full
from support.cutting_proxy import CuttingProxy
from support.sampler_process import SamplerProcess


def report_all(plan: Plan, batch_size: int) -> int:
    batches = list(plan.batches(batch_size))
    for batch in batches:
        plan.report(batch, batch.astype(np.float32))
    return len(batches)


def test_reports_survive_cut_connections(proxy: CuttingProxy) -> None:
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=2000, policy=Full())
        plan = run.plan_epoch(0)
        for count, index in enumerate(plan.indices):
            plan.report([index], [1.0])
            if count % 500 == 250:
                proxy.cut()
        run.flush()
        progress = run.info().progress
    assert (progress.reports, progress.observations, progress.repeats) == (2000, 2000, 0)
    assert proxy.connections > 2


def test_reports_are_sent_by_themselves_after_a_connection_broke_in_a_pause(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer of the old stream and the thread that opens the next one may sleep at the same time."""
    monkeypatch.setattr(report_sender, "_NAPS", 0)
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=100, policy=Full())
        plan = run.plan_epoch(0)
        for count in range(1, 10):
            plan.report([count], [0.5])
            while run.info().progress.reports < count:  # pytest's own time limit ends it
                pass
            proxy.cut()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limits=st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(1, 30_000)),
            st.one_of(st.none(), st.integers(1, 5_000)),
        ),
        max_size=6,
    ),
    batch_size=st.integers(1, 60),
    ranks=st.integers(1, 3),
)
def test_every_report_counts_once_however_connections_break(
    proxy: CuttingProxy, limits: list[tuple[int | None, int | None]], batch_size: int, ranks: int
) -> None:
    left = list(limits)
    proxy.cut_after(lambda: left.pop() if left else (None, None))
    with connect(proxy.address, give_up_after=60, call_timeout=60) as client:
        run = client.create_run(sample_count=3000, policy=UCB(), prune_rate=0.5, selection_period=1)

        def train(rank: int) -> tuple[int, list[bytes]]:
            plans = [run.plan_epoch(epoch, rank=rank, world_size=ranks) for epoch in range(1)]
            sent = report_all(plans[0], batch_size)
            plans.append(run.plan_epoch(1, rank=rank, world_size=ranks))
            return sent + report_all(plans[1], batch_size), [plan.digest for plan in plans]

        with ThreadPoolExecutor(ranks) as threads:
            done = list(threads.map(train, range(ranks)))
        run.flush()
        progress = run.info().progress
        undisturbed = digests_of_an_undisturbed_run(proxy)
    assert progress.reports == sum(sent for sent, _ in done)
    assert (progress.observations, progress.repeats) == (4500, 0)
    assert all(digests == undisturbed for _, digests in done)


_digests: list[bytes] = []


def digests_of_an_undisturbed_run(proxy: CuttingProxy) -> list[bytes]:
    """The same training over a connection that holds, made once."""
    if not _digests:
        proxy.cut_after(lambda: (None, None))
        with connect(proxy.address) as client:
            run = client.create_run(sample_count=3000, policy=UCB(), prune_rate=0.5, selection_period=1)
            for epoch in range(2):
                plan = run.plan_epoch(epoch)
                report_all(plan, 10)
                _digests.append(plan.digest)
    return _digests


def test_a_plan_is_resumed_where_its_stream_broke(proxy: CuttingProxy) -> None:
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=2_000_000, policy=Full())
        whole = run.plan_epoch(0)
        before = proxy.connections
        left: list[tuple[int | None, int | None]] = [(None, 3_000_000), (None, 2_300_000), (None, 1_300_000)]
        proxy.cut_after(lambda: left.pop() if left else (None, None))
        proxy.cut()
        again = run.plan_epoch(0)
    assert np.array_equal(whole.indices, again.indices)
    assert left == [] and proxy.connections >= before + 3


def test_a_killed_and_restarted_sampler_loses_nothing(file_sampler: SamplerProcess) -> None:
    with connect(file_sampler.address) as client:
        run = client.create_run(sample_count=3000, policy=UCB(), prune_rate=0.5, selection_period=1)
        plan = run.plan_epoch(0)
        for count, batch in enumerate(plan.batches(2)):
            plan.report(batch, batch.astype(np.float32))
            if count == 700:
                file_sampler.kill()
            if count == 900:
                file_sampler.start()
        kept = run.plan_epoch(1)
        progress = run.info().progress
        assert (progress.reports, progress.observations, progress.repeats) == (1500, 3000, 0)
        assert sorted(kept.indices) == list(range(1500, 3000))
        file_sampler.kill()
        file_sampler.start()
        report_all(kept, 2)  # the stream broke while nothing was on its way
        run.flush()
        assert run.info().progress.reports == 2250


def test_a_draining_sampler_is_waited_for(file_sampler: SamplerProcess) -> None:
    with connect(file_sampler.address) as client, ThreadPoolExecutor(1) as threads:
        run = client.create_run(sample_count=100, policy=Full())
        report_all(run.plan_epoch(0), 10)
        run.flush()
        waiting = threads.submit(run.plan_epoch, 1, world_size=2, timeout=60)
        file_sampler.stop()
        file_sampler.start()
        run.plan_epoch(1, rank=1, world_size=2, timeout=60)
        assert waiting.result(60).kept_count == 100
        assert run.info().progress.observations == 100


def test_a_sampler_that_is_gone_for_good_is_one_clear_error(proxy: CuttingProxy) -> None:
    with connect(proxy.address, give_up_after=0.5, call_timeout=0.5) as client:
        run = client.create_run(sample_count=100, policy=Full())
        plan = run.plan_epoch(0)
        proxy.refuse()
        plan.report([1], [0.0])
        with pytest.raises(UnavailableError, match="Check that the sampler runs"):
            run.flush()
        for call in (lambda: plan.report([2], [0.0]), lambda: run.plan_epoch(1), run.finish):
            with pytest.raises(UnavailableError):
                call()
        assert isinstance(run.failure, UnavailableError)
        proxy.accept()


def test_a_plan_gives_up_on_a_sampler_that_is_gone(proxy: CuttingProxy) -> None:
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=100, policy=Full())
        proxy.refuse()
        with pytest.raises(UnavailableError):
            run.plan_epoch(0, timeout=0.3)
        assert run.failure is None
        proxy.accept()
        assert run.plan_epoch(0).kept_count == 100


def test_trouble_with_progress_in_between_is_no_trouble(proxy: CuttingProxy) -> None:
    """Each cut is mended within the time that it has; all of them together take longer."""
    with connect(proxy.address, give_up_after=1.0) as client:
        run = client.create_run(sample_count=100, policy=Full())
        plan = run.plan_epoch(0)
        for index in plan.indices[:30]:
            proxy.cut()
            plan.report([index], [0.0])
            run.flush()
        assert run.info().progress.reports == 30


def test_flush_is_bounded(proxy: CuttingProxy) -> None:
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=100, policy=Full())
        plan = run.plan_epoch(0)
        proxy.refuse()
        plan.report([1], [0.0])
        with pytest.raises(DeadlineError, match=r"1 reports of run .* within 0\.1 s"):
            run.flush(0.1)
        proxy.accept()
        run.flush()
        assert run.info().progress.reports == 1


def test_a_deletion_whose_answer_was_lost_is_done(proxy: CuttingProxy) -> None:
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=100, policy=Full())
        left: list[tuple[int | None, int | None]] = [(None, 60)]  # HTTP/2's settings come through, the answer does not
        proxy.cut_after(lambda: left.pop() if left else (None, None))
        proxy.cut()
        client.delete_run(run.run_id)
        assert left == []


def test_exports_and_statistics_that_break_off_say_so(proxy: CuttingProxy) -> None:
    with connect(proxy.address) as client:
        run = client.create_run(sample_count=300_000, policy=Full())
        plan = run.plan_epoch(0)
        plan.report(plan.indices, plan.indices)
        run.flush()
        for call in (lambda: list(client.export_run(run.run_id)), lambda: client.statistics(run.run_id)):
            proxy.cut_after(lambda: (None, 1_300_000))
            proxy.cut()
            with pytest.raises(UnavailableError, match="broke off and cannot be resumed"):
                call()


def test_closing_ends_a_retry(unused_address: str) -> None:
    client = connect(unused_address, call_timeout=600)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            client.get_run("a")
        except Exception as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    client.close()
    asking.join(30)
    assert [getattr(error, "reason", error) for error in errors] == ["CLIENT_CLOSED"]


def test_the_same_run_from_two_objects_agrees(proxy: CuttingProxy) -> None:
    """A restarted trainer goes on after what the sampler has, even when the answers to its reports were lost."""
    with connect(proxy.address) as client:
        run: Run = client.create_run(sample_count=100, policy=Full())
        plan = run.plan_epoch(0)
        for index in plan.indices[:50]:
            plan.report([index], [0.0])
        run.flush()
        proxy.cut()
        again = client.attach_run(run.run_id)
        plan = again.plan_epoch(0)
        for index in plan.indices[50:]:
            plan.report([index], [0.0])
        again.flush()
        assert again.info().progress.reports == 100
