"""accelerate in one process: the loader that keepset.accelerate.prepare makes, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.utils.data import BatchSampler, DataLoader

import keepset
import keepset.accelerate
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader, train_epoch

N = 96
EPOCHS = 4
BATCH = 8

Make = Callable[..., keepset.Sampler]


@pytest.fixture
def make(sampler: SamplerProcess, run_id: str) -> Iterator[Make]:
    """Makes a sampler of this test's run; `twin` of another one with the same settings."""
    with ExitStack() as stack:

        def make_sampler(count: int = N, *, twin: bool = False, **settings: Any) -> keepset.Sampler:
            common = {"address": sampler.address, "selection_period": 1, "prune_rate": 0.5, "epochs": EPOCHS}
            made = keepset.Sampler(count, run_id=run_id + "-twin" * twin, **{**common, **settings})
            stack.callback(made.close)
            return made

        yield make_sampler


def prepared(sampler: keepset.Sampler, accumulation: int = 1, **options: Any) -> tuple[Accelerator, Any]:
    """An accelerator, and the sampler's loader as it is prepared for it."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulation)
    return accelerator, keepset.accelerate.prepare(accelerator, make_loader(sampler, N, BATCH), **options)


def undisturbed(make: Make) -> list[list[int]]:
    """The orders of a training without accelerate that nothing happens to."""
    sampler = make(twin=True)
    loader = make_loader(sampler, N, BATCH)
    return [train_epoch(sampler, loader, epoch) for epoch in range(EPOCHS)]


def test_trains_as_without_accelerate(make: Make) -> None:
    sampler = make()
    _, loader = prepared(sampler)
    assert [train_epoch(sampler, loader, epoch) for epoch in range(EPOCHS)] == undisturbed(make)


def test_an_epoch_may_be_set_on_the_loader(make: Make) -> None:
    sampler = make()
    _, loader = prepared(sampler)
    for epoch, batches in enumerate([12, 6]):
        loader.set_epoch(epoch)
        assert (sampler.epoch, len(loader)) == (epoch, batches)
        for index, _ in loader:
            sampler.report(index, losses_of(index, epoch))


def test_an_epoch_that_is_not_set_is_an_error(make: Make) -> None:
    """And not, by accelerate's own count of epochs, the next one."""
    sampler = make()
    _, loader = prepared(sampler)
    train_epoch(sampler, loader, 0)
    with pytest.raises(ValueError, match=r"call sampler.set_epoch\(epoch\)"):
        for index, _ in loader:
            sampler.report(index, losses_of(index, 1))


def test_credits_losses_to_their_samples_though_it_reads_ahead(make: Make) -> None:
    sampler = make()
    accelerator = Accelerator(cpu=True)
    loader: Any = keepset.accelerate.prepare(accelerator, make_loader(sampler, N, BATCH, num_workers=1))
    for index, x in loader:
        assert isinstance(index, np.ndarray) and index.tolist() == x.tolist()
        sampler.report(index, x.float())
    sampler.flush()
    assert sampler.run.client.statistics(sampler.run_id).last_losses.tolist() == list(range(N))


def train_weights(sampler: keepset.Sampler, accumulation: int, accelerated: bool) -> tuple[list[float], int]:
    """The weights after two epochs, and how many optimizer steps were made."""
    torch.manual_seed(0)
    model: Any = torch.nn.Linear(1, 1)
    optimizer: Any = torch.optim.SGD(model.parameters(), lr=0.1)
    accelerator, loader = prepared(sampler, accumulation)
    model, optimizer = accelerator.prepare(model, optimizer) if accelerated else (model, optimizer)
    loader = loader if accelerated else make_loader(sampler, N, BATCH)
    steps = 0
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for number, (index, x) in enumerate(loader, 1):
            if accelerated:
                with accelerator.accumulate(model):
                    accelerator.backward(sampler.report(index, model(x.float()[:, None] / N).flatten() ** 2))
                    optimizer.step()
                    optimizer.zero_grad()
                    steps += accelerator.sync_gradients
            else:
                (sampler.report(index, model(x.float()[:, None] / N).flatten() ** 2) / accumulation).backward()
                if number % accumulation == 0:
                    optimizer.step()
                    optimizer.zero_grad()
                    steps += 1
    return [*model.weight.flatten().tolist(), *model.bias.tolist()], steps


def test_accumulates_as_a_plain_loop_does(make: Make) -> None:
    plain, steps = train_weights(make(twin=True, position_multiple=BATCH * 4), 4, accelerated=False)
    assert steps == 3 + 2
    assert train_weights(make(position_multiple=BATCH * 4), 4, accelerated=True) == (pytest.approx(plain), steps)


def test_an_epoch_without_whole_steps_ends_with_a_step(make: Make) -> None:
    """6 batches in steps of 4: accelerate makes a step of the last two."""
    assert train_weights(make(), 4, accelerated=True)[1] == 3 + 2


def test_gathers_the_last_batch_whole(make: Make) -> None:
    """accelerate takes it for one of 2, as of 98 samples in batches of 8, and cuts it off there."""
    sampler = make(98, prune_rate=0.0, policy=keepset.Full(), shard_mode="pad", position_multiple=BATCH)
    accelerator = Accelerator(cpu=True)
    loader: Any = keepset.accelerate.prepare(accelerator, make_loader(sampler, 98, BATCH))
    assert [len(accelerator.gather_for_metrics(x)) for _, x in loader] == [BATCH] * 13


@pytest.mark.parametrize("epoch, batches, following", [(1, 2, 1), (1, 6, 2), (2, 0, 2)])
def test_goes_on_from_a_saved_state(make: Make, tmp_path: Path, epoch: int, batches: int, following: int) -> None:
    sampler = make()
    accelerator, loader = prepared(sampler)
    for before in range(epoch):
        train_epoch(sampler, loader, before)
    part = train_epoch(sampler, loader, epoch, stop_after=batches)
    accelerator.save_state(str(tmp_path))
    sampler.close()

    resumed = make()
    accelerator, loader = prepared(resumed)
    accelerator.load_state(str(tmp_path))
    assert resumed.epoch == following and len(loader) == 6 - batches % 6
    orders = [train_epoch(resumed, loader, later) for later in range(resumed.epoch, EPOCHS)]
    assert [*part, *chain(*orders)] == [*chain(*undisturbed(make)[epoch:])]


def test_goes_on_with_another_sampler_from_an_exported_state(
    make: Make, file_sampler: SamplerProcess, tmp_path: Path
) -> None:
    sampler = make()
    accelerator, loader = prepared(sampler, export=True)
    train_epoch(sampler, loader, 0)
    part = train_epoch(sampler, loader, 1, stop_after=2)
    accelerator.save_state(str(tmp_path))

    resumed = make(address=file_sampler.address)
    accelerator, loader = prepared(resumed, export=True)
    accelerator.load_state(str(tmp_path))
    orders = [train_epoch(resumed, loader, later) for later in range(1, EPOCHS)]
    assert [part + orders[0], *orders[1:]] == undisturbed(make)[1:]


def test_takes_a_sampler_inside_a_batch_sampler(make: Make) -> None:
    sampler = make()
    batches = BatchSampler(sampler, BATCH, drop_last=False)
    plain = DataLoader(keepset.indexed(range(N)), batch_sampler=batches, collate_fn=keepset.collate)
    loader = keepset.accelerate.prepare(Accelerator(cpu=True), plain)
    assert loader.sampler is sampler and len(loader) == N // BATCH
    assert train_epoch(sampler, loader, 0) == undisturbed(make)[0]


def test_goes_through_epochs_that_have_no_end(sampler: SamplerProcess, run_id: str) -> None:
    """The batch that accelerate holds back at the end of an epoch is trained when the next one has begun."""
    endless = keepset.InfiniteSampler(
        N, batch_size=BATCH, prune_rate=0.5, selection_period=1, address=sampler.address, run_id=run_id
    )
    accelerator = Accelerator(cpu=True)
    loader: Any = keepset.accelerate.prepare(accelerator, make_loader(endless, N, BATCH))
    for index, x in islice(loader, 12 + 6 + 6):
        assert index.tolist() == x.tolist()
        endless.report(index, x.float())
    assert endless.epoch == 3 and endless.late_count == 3 * BATCH


def test_refuses_a_loader_that_it_cannot_take(make: Make) -> None:
    accelerator = Accelerator(cpu=True)
    data = keepset.indexed(range(N))
    shard = accelerator.prepare(make_loader(make(), N))
    _, twice = prepared(make())
    for loader, text in [
        (DataLoader(data, shuffle=True), r"the loader's sampler is a RandomSampler.*sampler=keepset.Sampler"),
        (shard, r"accelerator.prepare\(\) has prepared the loader already"),
        (DataLoader(data, sampler=make(), batch_size=None), "the loader's batch_size is None"),
        (twice, r"keepset.accelerate.prepare\(\) has prepared the loader already"),
        ([1, 2], "loader is a list"),
    ]:
        with pytest.raises(ValueError, match=text):
            keepset.accelerate.prepare(accelerator, loader)
