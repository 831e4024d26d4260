"""`keepset.InfiniteSampler`: training by iterations."""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice

import pytest
import torch

import keepset
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader

N = 64


def make(sampler: SamplerProcess, run_id: str, count: int = N) -> keepset.InfiniteSampler:
    return keepset.InfiniteSampler(
        count, batch_size=8, prune_rate=0.5, selection_period=1, address=sampler.address, run_id=run_id
    )


def test_goes_from_epoch_to_epoch_without_a_late_loss(sampler: SamplerProcess, run_id: str) -> None:
    infinite = make(sampler, run_id)
    seen: list[list[int]] = []
    for index, _ in islice(make_loader(infinite, N), 8 + 4 + 4):
        seen.append(index.tolist())
        infinite.report(index, losses_of(index, infinite.epoch))
    infinite.flush()
    epochs = [seen[:8], seen[8:12], seen[12:]]
    assert [len(Counter(chain(*epoch))) for epoch in epochs] == [64, 32, 32]
    assert infinite.late_count == 0
    assert infinite.run.info().progress.observations == 64 + 32 + 32


def test_leaves_out_what_workers_read_ahead(sampler: SamplerProcess, run_id: str) -> None:
    infinite = make(sampler, run_id)
    steps = 40
    for index, _ in islice(make_loader(infinite, N, num_workers=2, prefetch_factor=2), steps):
        infinite.report(index, losses_of(index, 0))
    infinite.flush()
    info = infinite.run.info()
    assert infinite.late_count > 0
    assert info.progress.observations == steps * 8 - infinite.late_count
    assert info.progress.epochs_planned == infinite.epoch + 1


def test_reads_ahead_over_more_than_a_whole_epoch(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    tiny = make(sampler, run_id, count=16)
    for index, _ in islice(make_loader(tiny, 16, num_workers=2, prefetch_factor=4), 30):
        tiny.report(index, losses_of(index, 0))
    tiny.flush()
    assert tiny.run.info().progress.observations == 30 * 8 - tiny.late_count
    assert [record.getMessage()[:66] for record in caplog.records] == [
        "epoch 0, of 16 samples, was read to its end before a batch of it w"
    ]


def test_goes_on_from_a_checkpoint(sampler: SamplerProcess, run_id: str) -> None:
    first = make(sampler, run_id)
    seen: list[int] = []
    for index, _ in islice(make_loader(first, N), 8 + 2):
        first.report(index, losses_of(index, first.epoch))
        seen.extend(index.tolist())
    state = first.state_dict()
    assert (state["epoch"], state["position"]) == (1, 16)
    first.close()
    second = make(sampler, run_id)
    second.load_state_dict(state)
    for index, _ in islice(make_loader(second, N), 2):
        second.report(index, losses_of(index, second.epoch))
        seen.extend(index.tolist())
    assert len(set(seen[64:])) == 32


def test_a_second_iterator_goes_on_where_the_reports_stand(sampler: SamplerProcess, run_id: str) -> None:
    infinite = make(sampler, run_id)
    seen: list[int] = []
    for _ in range(4):
        for index, _ in islice(make_loader(infinite, N), 2):
            infinite.report(index, losses_of(index, 0))
            seen.extend(index.tolist())
    assert sorted(seen) == list(range(N))


def test_has_no_length_and_needs_the_index(sampler: SamplerProcess, run_id: str) -> None:
    infinite = make(sampler, run_id)
    with pytest.raises(TypeError, match="no length"):
        len(infinite)
    with pytest.raises(ValueError, match=r"use report\(index, losses\)"):
        infinite.report(torch.ones(8))
