"""Going on after a restart of trainer, sampler, or both: the same kept sets, no sample twice, none lost."""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import keepset
from support.sampler_process import SamplerProcess
from support.training import make_loader, train_epoch

N = 96
EPOCHS = 6


def make(address: str, run_id: str, **settings: Any) -> keepset.Sampler:
    settings.setdefault("policy", keepset.EpsilonGreedy(epsilon=0.2))
    return keepset.Sampler(
        N, prune_rate=0.5, epochs=EPOCHS, selection_period=1, seed=3, address=address, run_id=run_id, **settings
    )


@pytest.fixture(scope="module")
def undisturbed(request: pytest.FixtureRequest) -> list[list[int]]:
    """The orders of a training that nothing happened to."""
    process: SamplerProcess = request.getfixturevalue("sampler")
    sampler = make(process.address, "undisturbed-resume")
    loader = make_loader(sampler, N)
    orders = [train_epoch(sampler, loader, epoch) for epoch in range(EPOCHS)]
    sampler.close()
    return orders


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint holds it, loaded as torch recommends."""
    file = io.BytesIO()
    torch.save({"sampler": state}, file)
    file.seek(0)
    return torch.load(file, weights_only=True)["sampler"]


def train_to(sampler: keepset.Sampler, epoch: int, batches: int) -> tuple[dict[str, Any], list[int]]:
    """Trains up to `batches` batches of `epoch`. Returns the state there and what was trained of that epoch."""
    loader = make_loader(sampler, N)
    for before in range(epoch):
        train_epoch(sampler, loader, before)
    part = train_epoch(sampler, loader, epoch, stop_after=batches)
    return through_a_file(sampler.state_dict()), part


def go_on(sampler: keepset.Sampler, state: dict[str, Any]) -> list[list[int]]:
    """Trains from a state to the end. Returns the orders."""
    sampler.load_state_dict(state)
    loader = make_loader(sampler, N)
    return [train_epoch(sampler, loader, epoch) for epoch in range(state["epoch"], EPOCHS)]


@pytest.mark.parametrize("batches", [0, 1, 4, 6])
def test_goes_on_where_the_trainer_died(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], batches: int
) -> None:
    first = make(sampler.address, run_id)
    state, part = train_to(first, 2, batches)
    first.close()
    second = make(sampler.address, run_id)
    orders = go_on(second, state)
    assert part + orders[0] == undisturbed[2]
    assert orders[1:] == undisturbed[3:]
    second.flush()
    assert second.run.info().progress.repeats == 0


@pytest.mark.parametrize(("batches", "first"), [(4, 2), (6, 3)])
def test_tells_the_epoch_to_go_on_with(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], batches: int, first: int
) -> None:
    """A state that was taken at the end of an epoch goes on with the next one, not with an empty rest."""
    before = make(sampler.address, run_id)
    state, _ = train_to(before, 2, batches)
    before.close()
    after = make(sampler.address, run_id)
    after.load_state_dict(state)
    assert after.epoch == first
    assert after.state_dict() == state
    loader = make_loader(after, N)
    orders = [train_epoch(after, loader, epoch) for epoch in range(after.epoch, EPOCHS)]
    assert orders[1:] == undisturbed[first + 1 :]
    assert orders[0] == undisturbed[first][-len(orders[0]) :] and len(orders[0]) > 0


def test_the_resumed_epoch_has_the_length_that_is_left(sampler: SamplerProcess, run_id: str) -> None:
    state, part = train_to(make(sampler.address, run_id), 2, 4)
    second = make(sampler.address, run_id)
    second.load_state_dict(state)
    assert len(second) == N // 2 - len(part) == len(list(second)) == len(second)
    assert second.steps_per_epoch(8) == 6, "a schedule counts whole epochs"
    assert through_a_file(second.state_dict()) == state
    second.set_epoch(3)
    assert len(second) == N // 2


def test_what_was_trained_after_the_checkpoint_is_trained_again_and_counted_once(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]]
) -> None:
    first = make(sampler.address, run_id)
    loader = make_loader(first, N)
    for epoch in range(2):
        train_epoch(first, loader, epoch)
    first.set_epoch(2)
    for number, (index, _) in enumerate(loader):
        if number == 2:
            state = through_a_file(first.state_dict())
        from support.training import losses_of

        first.report(index, losses_of(index, 2))
    first.flush()
    second = make(sampler.address, run_id)
    orders = go_on(second, state)
    assert orders[0] == undisturbed[2][16:] and orders[1:] == undisturbed[3:]


@pytest.mark.parametrize("epoch_behind", [0, 1, 2])
def test_goes_back_to_an_older_checkpoint(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], epoch_behind: int
) -> None:
    first = make(sampler.address, run_id)
    state, _ = train_to(first, 2, 0)
    loader = make_loader(first, N)
    for epoch in range(2, 2 + epoch_behind):
        train_epoch(first, loader, epoch)
    first.close()
    assert go_on(make(sampler.address, run_id), state) == undisturbed[2:]


def test_skips_what_was_trained_where_the_run_has_gone_on(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    first = make(sampler.address, run_id)
    state, part = train_to(first, 2, 3)
    loader = make_loader(first, N)
    for epoch in (2, 3):
        train_epoch(first, loader, epoch)
    first.close()
    with caplog.at_level(logging.WARNING, "keepset"):
        orders = go_on(make(sampler.address, run_id), state)
    assert part + orders[0] == undisturbed[2]
    assert "without the losses of its first 24 positions" in caplog.text


def test_a_checkpoint_with_the_runs_state_goes_on_exactly(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]]
) -> None:
    first = make(sampler.address, run_id)
    loader = make_loader(first, N)
    for epoch in range(2):
        train_epoch(first, loader, epoch)
    part = train_epoch(first, loader, 2, stop_after=3)
    state = through_a_file(first.state_dict(export=True))
    assert state["export"].dtype == torch.uint8
    for epoch in (2, 3):
        train_epoch(first, loader, epoch)
    first.close()
    orders = go_on(make(sampler.address, run_id), state)
    assert part + orders[0] == undisturbed[2] and orders[1:] == undisturbed[3:]


@pytest.mark.parametrize("batches", [0, 3])
def test_goes_on_at_another_sampler_with_the_runs_state(
    sampler: SamplerProcess, file_sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], batches: int
) -> None:
    first = make(sampler.address, run_id)
    loader = make_loader(first, N)
    for epoch in range(2):
        train_epoch(first, loader, epoch)
    part = train_epoch(first, loader, 2, stop_after=batches)
    state = through_a_file(first.state_dict(export=True))
    orders = go_on(make(file_sampler.address, run_id), state)
    assert part + orders[0] == undisturbed[2] and orders[1:] == undisturbed[3:]


@pytest.mark.parametrize("batches", [0, 3])
def test_ranks_go_on_at_another_sampler_whichever_comes_first(
    sampler: SamplerProcess, file_sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], batches: int
) -> None:
    """Rank 0 brings the run, and rank 1 waits for it; from one rank to two, which rewinds an epoch in its middle."""
    first = make(sampler.address, run_id)
    loader = make_loader(first, N)
    for epoch in range(2):
        train_epoch(first, loader, epoch)
    train_epoch(first, loader, 2, stop_after=batches)
    state = through_a_file(first.state_dict(export=True))
    with ThreadPoolExecutor(2) as threads:
        later = threads.submit(lambda: list(load(make(file_sampler.address, run_id, rank=1, world_size=2), state)))
        own = list(load(make(file_sampler.address, run_id, rank=0, world_size=2), state))
        both = own + later.result()
    assert Counter(both) == Counter(undisturbed[2][batches * 8 :])


def test_looking_at_a_run_leaves_it_as_it_is(sampler: SamplerProcess, run_id: str) -> None:
    first = make(sampler.address, run_id)
    for epoch in range(2):
        train_epoch(first, make_loader(first, N), epoch)
    first.finish()
    first.close()
    second = make(sampler.address, run_id)
    assert second.run.info().state == "finished"
    second.plot()
    second.finish()
    info = second.run.info()
    assert (info.next_epoch, info.generation, info.progress.observations) == (2, 1, N + N // 2)


def test_looking_at_a_run_keeps_the_place_of_a_checkpoint(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]]
) -> None:
    first = make(sampler.address, run_id)
    state, part = train_to(first, 1, 2)
    second = make(sampler.address, run_id)
    second.load_state_dict(state)
    assert second.run.info().next_epoch == 2
    assert part + list(second) == undisturbed[1]


@pytest.mark.parametrize(("before", "after"), [(4, 2), (4, 1), (2, 4)])
def test_a_whole_epoch_stays_whole_with_another_number_of_ranks(
    sampler: SamplerProcess, run_id: str, before: int, after: int
) -> None:
    """101 samples do not divide by either."""
    ranks = [
        keepset.Sampler(101, epochs=3, address=sampler.address, run_id=run_id, rank=rank, world_size=before)
        for rank in range(before)
    ]
    with ThreadPoolExecutor(before) as threads:
        list(threads.map(lambda rank: train_epoch(rank, make_loader(rank, 101), 0), ranks))
        state, *_ = threads.map(lambda rank: rank.state_dict(), ranks)
    resumed = keepset.Sampler(101, epochs=3, address=sampler.address, run_id=run_id, rank=0, world_size=after)
    resumed.load_state_dict(state)
    assert resumed.epoch == 1
    resumed.set_epoch(0)
    assert (len(resumed), list(resumed)) == (0, [])
    assert resumed.run.info().progress.observations == 101


def test_goes_back_to_a_checkpoint_that_was_gone_on_from_with_other_ranks(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]]
) -> None:
    """The life of the run that it was made in is over, and its plan is for another world size."""
    state, part = train_to(make(sampler.address, run_id), 1, 2)
    with ThreadPoolExecutor(2) as threads:
        two = [load(make(sampler.address, run_id, rank=rank, world_size=2), state) for rank in range(2)]
        list(threads.map(lambda rank: list(rank), two))
    assert part + list(load(make(sampler.address, run_id), state)) == undisturbed[1]


def load(sampler: keepset.Sampler, state: dict[str, Any]) -> keepset.Sampler:
    sampler.load_state_dict(state)
    return sampler


@pytest.mark.parametrize("batches", [0, 3])
def test_goes_on_after_the_sampler_was_killed(
    file_sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], batches: int
) -> None:
    first = make(file_sampler.address, run_id)
    loader = make_loader(first, N)
    orders: list[list[int]] = []
    for epoch in range(EPOCHS):
        if epoch in (1, 3):
            part = train_epoch(first, loader, epoch, stop_after=batches)
            file_sampler.kill()
            file_sampler.start()
            rest = train_rest(first, epoch, len(part))
            orders.append(part + rest)
        else:
            orders.append(train_epoch(first, loader, epoch))
    assert orders == undisturbed


def train_rest(sampler: keepset.Sampler, epoch: int, done: int) -> list[int]:
    from support.training import losses_of

    trained: list[int] = []
    for number, (index, _) in enumerate(make_loader(sampler, N)):
        if number * 8 >= done:
            sampler.report(index, losses_of(index, epoch))
            trained.extend(index.tolist())
    return trained


def test_goes_on_after_trainer_and_sampler_were_killed(
    file_sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]]
) -> None:
    state, part = train_to(make(file_sampler.address, run_id), 2, 3)
    file_sampler.kill()
    file_sampler.start()
    orders = go_on(make(file_sampler.address, run_id), state)
    assert part + orders[0] == undisturbed[2] and orders[1:] == undisturbed[3:]


@pytest.fixture
def state_of_another_life(sampler: SamplerProcess, run_id: str) -> Iterator[dict[str, Any]]:
    """A state in the middle of epoch 2, of a run that has since been trained from the start with other losses."""
    first = make(sampler.address, run_id)
    state, _ = train_to(first, 2, 3)
    loader = make_loader(first, N)
    for epoch in range(3):
        train_epoch(first, loader, epoch, losses=lambda indices, _: torch.from_numpy(indices % 7).float())
    first.close()
    yield state


def test_refuses_a_plan_that_is_another_one(
    sampler: SamplerProcess, run_id: str, state_of_another_life: dict[str, Any]
) -> None:
    second = make(sampler.address, run_id)
    second.load_state_dict(state_of_another_life)
    with pytest.raises(ValueError, match="the plan of epoch 2 is not the one that the checkpoint was made in"):
        iter(second)


def test_refuses_a_state_that_is_none(sampler: SamplerProcess, run_id: str) -> None:
    other = make(sampler.address, run_id)
    with pytest.raises(ValueError, match="version None"):
        other.load_state_dict({})
    state = other.state_dict()
    with pytest.raises(ValueError, match="has no 'position'"):
        other.load_state_dict({name: value for name, value in state.items() if name != "position"})
    with pytest.raises(ValueError, match="the checkpoint is of run 'another'"):
        other.load_state_dict({**state, "run_id": "another"})


def test_tells_where_a_lost_run_could_go_on(sampler: SamplerProcess, file_sampler: SamplerProcess, run_id: str) -> None:
    state, _ = train_to(make(sampler.address, run_id), 2, 0)
    second = make(file_sampler.address, run_id)
    second.load_state_dict(state)
    with pytest.raises(
        keepset.KeepsetError, match=r"epoch is 2, but run .* has planned 0 epochs.*state_dict\(export=True\)"
    ):
        iter(second)


def test_goes_back_while_it_trains(
    sampler: SamplerProcess, run_id: str, undisturbed: list[list[int]], tmp_path: Path
) -> None:
    """As when a training that went wrong takes its best checkpoint back."""
    one = make(sampler.address, run_id)
    state, _ = train_to(one, 2, 0)
    loader = make_loader(one, N)
    for epoch in range(2, 4):
        train_epoch(one, loader, epoch)
    one.load_state_dict(state)
    assert one.epoch == 2
    assert [train_epoch(one, loader, epoch) for epoch in range(2, EPOCHS)] == undisturbed[2:]
