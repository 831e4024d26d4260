"""A sampler that is gone: one clear error, or, by choice, a training that goes on with every sample."""

from __future__ import annotations

import logging

import pytest

import keepset
from keepset.client.errors import DeadlineError, UnavailableError
from keepset.epoch_lengths import EpochLengths
from keepset.unpruned import UnprunedPlan
from keepset.world import World
from support.sampler_process import SamplerProcess
from support.training import make_loader, train_epoch

N = 60


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a test can wait, where a user has minutes."""
    from keepset import rank_run

    connect = rank_run.connect
    monkeypatch.setattr(rank_run, "connect", lambda address: connect(address, call_timeout=1, give_up_after=1))


def make(address: str, run_id: str, on_failure: str) -> keepset.Sampler:
    return keepset.Sampler(
        N,
        epochs=4,
        address=address,
        run_id=run_id,
        on_failure=on_failure,  # type: ignore[arg-type]
        timeout=2,
    )


def test_raises_when_the_sampler_is_gone(file_sampler: SamplerProcess, run_id: str) -> None:
    one = make(file_sampler.address, run_id, "raise")
    loader = make_loader(one, N)
    train_epoch(one, loader, 0)
    file_sampler.kill()
    with pytest.raises(UnavailableError):
        train_epoch(one, loader, 1)


def test_goes_on_with_every_sample_and_says_so_once(
    file_sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = make(file_sampler.address, run_id, "unpruned")
    loader = make_loader(one, N)
    train_epoch(one, loader, 0)
    assert len(train_epoch(one, loader, 1)) == N // 2
    file_sampler.kill()
    with caplog.at_level(logging.WARNING, "keepset"):
        orders = [train_epoch(one, loader, epoch) for epoch in (2, 3)]
        one.flush()
    assert [sorted(order) for order in orders] == [list(range(N))] * 2 and orders[0] != orders[1]
    assert len(one) == N and one.plan.reason == "unpruned" and one.kept_fraction == 1.0
    assert one.saving == pytest.approx(0.5 / 4), "what was left out before is not forgotten"
    assert [record.levelname for record in caplog.records if "every sample" in record.message] == ["WARNING"]


def test_a_mistake_is_raised_all_the_same(file_sampler: SamplerProcess, run_id: str) -> None:
    one = make(file_sampler.address, run_id, "unpruned")
    one.set_epoch(2)
    with pytest.raises(keepset.KeepsetError, match="planned 0 epochs"):
        iter(one)


def test_a_rank_that_is_late_is_no_lost_sampler(sampler: SamplerProcess, run_id: str) -> None:
    one = keepset.Sampler(
        N, address=sampler.address, run_id=run_id, rank=0, world_size=2, on_failure="unpruned", timeout=1
    )
    with pytest.raises(DeadlineError, match="rank 1"):
        iter(one)


def test_refuses_another_word() -> None:
    with pytest.raises(ValueError, match="on_failure is 'ignore'"):
        make("127.0.0.1:1", "x", "ignore")


@pytest.mark.parametrize("mode", ["pad", "drop"])
def test_ranks_share_an_unpruned_epoch_out(mode: str) -> None:
    lengths = EpochLengths(sample_count=50, prune_rate=0.5, shard_mode=mode, position_multiple=4)  # type: ignore[arg-type]
    plans = [UnprunedPlan(lengths, 3, 7, World(rank, 3)) for rank in range(3)]
    sets = [set(plan.indices.tolist()) for plan in plans]
    assert [len(plan.indices) for plan in plans] == [20 if mode == "pad" else 16] * 3
    assert not sets[0] & sets[1] and not sets[1] & sets[2] and not sets[0] & sets[2]
    if mode == "pad":
        assert sets[0] | sets[1] | sets[2] == set(range(50))
