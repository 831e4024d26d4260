"""Faults that users of InfoBatch's published code meet, and that this sampler must not have."""

from __future__ import annotations

import multiprocessing
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

import keepset
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader, train_epoch

N = 4096


@pytest.fixture
def half(sampler: SamplerProcess, run_id: str) -> keepset.Sampler:
    return keepset.Sampler(N, prune_rate=0.5, epochs=4, selection_period=1, address=sampler.address, run_id=run_id)


def test_an_epoch_ends(half: keepset.Sampler) -> None:
    """There: an iterator that is patched into DataLoader never raises StopIteration on a current torch."""
    loader = make_loader(half, N, batch_size=512)
    for epoch, batches in enumerate([8, 4, 4]):
        half.set_epoch(epoch)
        assert sum(1 for _ in zip(loader, range(100))) == batches == len(loader)  # noqa: B905


def test_losses_go_to_the_batch_that_made_them_while_the_loader_reads_ahead(half: keepset.Sampler) -> None:
    """There: scores are credited to the batch that was fetched last, one ahead of the one that is trained."""
    loader = iter(make_loader(half, N, batch_size=512))
    ahead = next(loader)
    for _ in range(7):
        (index, _), ahead = ahead, next(loader)
        half.report(index, torch.from_numpy(index.astype(np.float32)))
    half.report(ahead[0], torch.from_numpy(ahead[0].astype(np.float32)))
    half.flush()
    assert half._run.client.statistics(half.run_id).last_losses.tolist() == list(range(N))


def test_an_index_above_2048_survives_half_precision_losses(half: keepset.Sampler) -> None:
    """There: index and loss travel in one tensor of the losses' type; float16 has no 2049."""
    order = np.array(list(half), np.uint32)
    half.report(order, torch.arange(N).remainder(64).half())
    half.flush()
    losses = half._run.client.statistics(half.run_id).last_losses
    assert losses[order].tolist() == (np.arange(N) % 64).tolist()


def test_takes_a_subset(sampler: SamplerProcess, run_id: str) -> None:
    """There: attributes of the data set are reached through the wrapper, which a Subset does not have."""
    data = Subset(TensorDataset(torch.arange(100), torch.arange(100)), range(50, 100))
    half = keepset.Sampler(data, prune_rate=0.5, epochs=2, address=sampler.address, run_id=run_id)
    seen = []
    for index, (x, _) in DataLoader(keepset.indexed(data), batch_size=8, sampler=half):
        assert (index + 50).tolist() == x.tolist()
        half.report(index, x.float())
        seen += index.tolist()
    assert sorted(seen) == list(range(50))


def test_what_goes_to_workers_can_be_pickled(half: keepset.Sampler) -> None:
    """There: the data set holds a lambda and the whole state, and every worker gets a copy."""
    loader = make_loader(
        half, N, batch_size=512, num_workers=1, multiprocessing_context=multiprocessing.get_context("spawn")
    )
    assert Counter(train_epoch(half, loader, 0)) == Counter(range(N))
    assert len(pickle.dumps(loader.dataset)) < 1000


def test_two_runs_do_not_share_a_random_state(sampler: SamplerProcess, run_id: str) -> None:
    """There: numpy's global seed is set: two runs in a process disturb each other, and the user's own draws repeat."""
    np.random.seed(5)
    expected = np.random.RandomState(5).random_sample(3)
    made = [
        keepset.Sampler(
            100, policy=keepset.Random(), seed=seed, epochs=3, address=sampler.address, run_id=f"{run_id}-{seed}"
        )
        for seed in (1, 2)
    ]
    orders = [[train_epoch(one, make_loader(one, 100), epoch) for one in made] for epoch in range(2)]
    assert orders[1][0] != orders[1][1]
    assert np.random.random_sample(3).tolist() == expected.tolist()


def test_state_survives_the_process_that_trained(half: keepset.Sampler, sampler: SamplerProcess) -> None:
    """There: scores live in the data set object and are gone after a restart."""
    train_epoch(half, make_loader(half, N, batch_size=512), 0)
    half.close()
    again = keepset.Sampler(
        N, prune_rate=0.5, epochs=4, selection_period=1, address=sampler.address, run_id=half.run_id
    )
    kept = train_epoch(again, make_loader(again, N, batch_size=512), 1)
    smallest_kept = losses_of(np.array(kept), 0).min()
    left_out = np.setdiff1d(np.arange(N), kept)
    assert smallest_kept >= losses_of(left_out, 0).max(), "chosen by the losses of before the restart"


def test_a_sample_never_seen_is_taken_first_and_has_no_guessed_loss(half: keepset.Sampler) -> None:
    """There: unseen samples start with a loss of 3, which ranks as high or low as the task happens to have it."""
    order = list(half)
    half.report(order[: N - 100], torch.full((N - 100,), 100.0))
    half.set_epoch(1)
    assert set(order[N - 100 :]) <= set(half)
