"""The lengths that are computed here are those that the sampler plans."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keepset
from keepset.client import InvalidArgumentError
from keepset.epoch_lengths import EpochLengths
from support.sampler_process import SamplerProcess


@st.composite
def run_settings(draw: st.DrawFn) -> dict[str, Any]:
    epochs = draw(st.integers(3, 6))
    warmup = draw(st.integers(0, 2))
    rates = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1 / 3])
    changes = draw(st.lists(st.integers(1, epochs - 1), max_size=2, unique=True).map(sorted))
    return {
        "sample_count": draw(st.integers(20, 60)),
        "prune_rate": draw(rates),
        "prune_rate_schedule": [(epoch, draw(rates)) for epoch in changes],
        "epochs": epochs,
        "warmup_epochs": warmup,
        "tail_epochs": draw(st.integers(0, epochs - warmup)),
        "shard_mode": draw(st.sampled_from(["pad", "drop"])),
        "position_multiple": draw(st.sampled_from([1, 2, 7])),
    }


@given(run_settings(), st.integers(1, 2))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_the_plans_of_a_sampler(
    sampler: SamplerProcess, given_settings: dict[str, Any], world_size: int
) -> None:
    lengths = EpochLengths(**given_settings)
    ranks = range(world_size)
    with keepset.connect(sampler.address) as client, ThreadPoolExecutor(world_size) as threads:
        run = client.create_run(policy=keepset.Random(), **given_settings)
        for epoch in range(given_settings["epochs"]):

            def ask(rank: int, epoch: int = epoch) -> keepset.client.Plan:
                return run.plan_epoch(epoch, rank=rank, world_size=world_size)

            if lengths.position_count(epoch, world_size) == 0:
                with pytest.raises(InvalidArgumentError, match=r"position_multiple|world_size"):
                    ask(0)
                break
            for plan in threads.map(ask, ranks):
                assert plan.kept_count == lengths.kept_count(epoch)
                assert plan.position_count == lengths.position_count(epoch, world_size)
                assert plan.saving == pytest.approx(lengths.saving(epoch + 1))
        client.delete_run(run.run_id)


@pytest.mark.parametrize(
    ("kept", "world_size", "multiple", "mode", "expected"),
    [(10, 3, 1, "pad", 4), (10, 3, 1, "drop", 3), (10, 3, 4, "pad", 4), (10, 3, 2, "drop", 2), (9, 3, 1, "pad", 3)],
)
def test_shares_positions_out(kept: int, world_size: int, multiple: int, mode: Any, expected: int) -> None:
    lengths = EpochLengths(sample_count=kept, prune_rate=0, shard_mode=mode, position_multiple=multiple)
    assert lengths.position_count(0, world_size) == expected


def test_counts_steps() -> None:
    lengths = EpochLengths(sample_count=100, prune_rate=0.5)
    assert [lengths.step_count(0, 1, 32), lengths.step_count(0, 1, 32, drop_last=True)] == [4, 3]
    assert [lengths.step_count(1, 1, 32), lengths.step_count(1, 1, 32, drop_last=True)] == [2, 1]
    with pytest.raises(ValueError, match="batch_size is 0"):
        lengths.step_count(0, 1, 0)


def test_keeps_a_tenth_of_ten() -> None:
    assert EpochLengths(sample_count=10, prune_rate=0.9).kept_count(1) == 1
