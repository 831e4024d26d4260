"""`keepset.Sampler` in a plain training loop."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import keepset
from keepset.client.errors import AbortedError, InvalidArgumentError, KeepsetError
from support.cutting_proxy import CuttingProxy
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader, train_epoch

N = 100


@pytest.fixture
def half(sampler: SamplerProcess, run_id: str) -> keepset.Sampler:
    return keepset.Sampler(N, prune_rate=0.5, epochs=4, selection_period=1, address=sampler.address, run_id=run_id)


def test_trains_on_everything_once_and_then_on_what_it_keeps(half: keepset.Sampler) -> None:
    loader = make_loader(half, N)
    assert sorted(train_epoch(half, loader, 0)) == list(range(N))
    second = train_epoch(half, loader, 1)
    # UCB after one loss a sample: the largest ones.
    largest = torch.topk(losses_of(np.arange(N), 0), N // 2).indices
    assert sorted(second) == sorted(largest.tolist())
    assert half.plan.reason == "selected"
    half.flush()
    assert half.run.info().progress.observations == N + N // 2


def test_asks_nothing_of_the_network_before_the_first_plan() -> None:
    sampler = keepset.Sampler(N, prune_rate=0.5, epochs=4, address="127.0.0.1:1", run_id="never-made")
    sampler.set_epoch(1)
    assert len(sampler) == N // 2
    assert sampler.steps_per_epoch(8) == 7
    assert sampler.total_steps(8) == 13 + 3 * 7
    assert sampler.kept_fraction == 0.5
    assert sampler.saving == 0.25
    assert "never-made" in repr(sampler) and "50 of 100 samples" in repr(sampler)
    pickle.loads(pickle.dumps(sampler))
    sampler.close()


def test_length_and_order_are_functions_of_the_epoch(half: keepset.Sampler) -> None:
    orders = [list(half), list(half)]
    assert orders[0] == orders[1] and len(half) == N
    half.set_epoch(1)
    assert len(half) == N // 2
    half.set_epoch(0)
    assert len(half) == N and list(half) == orders[0]
    iterator = iter(half)
    half.set_epoch(1)
    assert [next(iterator) for _ in range(N)] == orders[0], "an iterator stays in the epoch that it was made in"


def test_the_end_of_a_generator_is_not_the_end_of_an_epoch(half: keepset.Sampler) -> None:
    order = list(half)
    half.report(order[:10], losses_of(np.array(order[:10]), 0))
    assert list(half) == order
    half.report(order[10:20], losses_of(np.array(order[10:20]), 0))
    half.flush()
    info = half.run.info()
    assert (info.next_epoch, info.progress.observations) == (1, 20)


def test_returns_the_mean_to_back_propagate(half: keepset.Sampler) -> None:
    weight = torch.ones(4, requires_grad=True)
    index = list(half)[:4]
    mean = half.report(index, (weight * torch.tensor([1.0, 2.0, 3.0, 4.0])).to(torch.bfloat16))
    mean.backward()
    assert mean.dtype == torch.float32 and mean.item() == 2.5
    assert torch.allclose(weight.grad, torch.tensor([0.25, 0.5, 0.75, 1.0]))


def test_reports_a_score_in_the_place_of_the_loss(half: keepset.Sampler) -> None:
    index = list(half)[:2]
    mean = half.report(index, torch.tensor([1.0, 3.0]), score=torch.tensor([10.0, 20.0]))
    half.flush()
    losses = half._run.client.statistics(half.run_id).last_losses
    assert mean.item() == 2.0 and losses[index].tolist() == [10.0, 20.0]


def test_reports_metrics(sampler: SamplerProcess, run_id: str) -> None:
    half = keepset.Sampler(N, epochs=4, address=sampler.address, run_id=run_id, metrics=["correct", "confidence"])
    index = list(half)[:2]
    half.report(index, torch.ones(2), metrics={"correct": torch.tensor([True, False]), "confidence": [0.5, 0.25]})
    half.flush()
    columns = half._run.client.statistics(run_id).metrics
    assert columns["correct"][index].tolist() == [1.0, 0.0]
    assert columns["confidence"][index].tolist() == [0.5, 0.25]
    assert np.isnan(np.delete(columns["confidence"], index)).all()
    with pytest.raises(ValueError, match=r"metrics\['correct'\] has 1 values"):
        half.report(index, torch.ones(2), metrics={"correct": torch.ones(1)})


def test_credits_the_mean_of_a_batch(half: keepset.Sampler) -> None:
    index = list(half)[:3]
    loss = torch.tensor(1.5, requires_grad=True)
    assert half.report_batch_loss(index, loss) is loss
    half.flush()
    assert half._run.client.statistics(half.run_id).last_losses[index].tolist() == [1.5, 1.5, 1.5]
    with pytest.raises(ValueError, match="call report"):
        half.report_batch_loss(index, torch.ones(3))


def test_takes_losses_in_the_order_of_the_plan(half: keepset.Sampler) -> None:
    order = list(half)
    for start in range(0, N, 30):
        half.report(losses_of(np.array(order[start : start + 30]), 0))
    half.flush()
    last_losses = half._run.client.statistics(half.run_id).last_losses
    assert last_losses.tolist() == losses_of(np.arange(N), 0).tolist()
    with pytest.raises(
        ValueError, match=r"1 losses were reported, but 0 of the 100 positions of epoch 0 are left.*set_epoch"
    ):
        half.report(torch.ones(1))


def test_tells_that_the_order_cannot_have_been_kept(half: keepset.Sampler) -> None:
    iter(half)
    half.report(torch.ones(30))
    half.report(torch.ones(30))
    half.set_epoch(1)
    with pytest.raises(ValueError, match=r"epoch 0 ended with losses for 60 of 100 positions"):
        iter(half)


def test_a_dropped_last_batch_is_no_lost_order(half: keepset.Sampler) -> None:
    iter(half)
    for _ in range(3):
        half.report(torch.ones(30))
    half.set_epoch(1)
    assert len(list(half)) == N // 2


@pytest.mark.parametrize("drop_last", [False, True])
def test_tells_that_set_epoch_is_missing(half: keepset.Sampler, drop_last: bool) -> None:
    loader = make_loader(half, N, batch_size=30, drop_last=drop_last)
    train_epoch(half, loader, 0)
    with pytest.raises(ValueError, match=r"call sampler\.set_epoch"):
        for index, _ in loader:
            half.report(index, torch.ones(len(index)))


def test_begins_an_interrupted_epoch_anew(half: keepset.Sampler) -> None:
    loader = make_loader(half, N)
    train_epoch(half, loader, 0, stop_after=5)
    assert sorted(train_epoch(half, loader, 0)) == list(range(N))
    train_epoch(half, loader, 1)
    half.flush()
    progress = half.run.info().progress
    assert (progress.observations, progress.repeats) == (N + N // 2, 40)


def test_trains_again_from_the_start_in_one_process(half: keepset.Sampler) -> None:
    loader = make_loader(half, N)
    first = [train_epoch(half, loader, epoch) for epoch in range(4)]
    second = [train_epoch(half, loader, epoch) for epoch in range(4)]
    assert first == second
    assert half.run.info().generation == 2


def test_a_rerun_begins_its_run_anew_and_shuts_the_old_one_out(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "keepset")
    old, new = (keepset.Sampler(N, epochs=4, address=sampler.address, run_id=run_id) for _ in range(2))
    loader = make_loader(old, N)
    for epoch in range(2):
        train_epoch(old, loader, epoch)
    assert sorted(train_epoch(new, make_loader(new, N), 0)) == list(range(N))
    assert "where another process still trains it, that one is refused: give each a run_id=" in caplog.text
    with pytest.raises(AbortedError, match="run_id"):
        train_epoch(old, loader, 2)


def test_a_fresh_epoch_number_goes_on_without_a_checkpoint(sampler: SamplerProcess, run_id: str) -> None:
    first = keepset.Sampler(N, epochs=4, address=sampler.address, run_id=run_id)
    orders = [train_epoch(first, make_loader(first, N), epoch) for epoch in range(2)]
    first.close()
    second = keepset.Sampler(N, epochs=4, address=sampler.address, run_id=run_id)
    again = train_epoch(second, make_loader(second, N), 1)
    assert again == orders[1], "back at the start of epoch 1, with the losses of epoch 0"
    train_epoch(second, make_loader(second, N), 2)
    assert second.run.info().next_epoch == 3


def test_refuses_to_skip_epochs(half: keepset.Sampler) -> None:
    half.set_epoch(3)
    with pytest.raises(KeepsetError, match=r"epoch is 3, but run .* has planned 0 epochs"):
        iter(half)


def test_finishes_its_run(half: keepset.Sampler) -> None:
    train_epoch(half, make_loader(half, N), 0)
    half.finish()
    assert half.run.info().state == "finished"


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (torch.tensor(1.0), 'reduction="none"'),
        (torch.ones(2, 3), "per_sample"),
        (torch.ones(3), "losses has 3 values, index 2"),
        (torch.ones(0), "losses is empty"),
    ],
)
def test_refuses_losses_that_do_not_fit(half: keepset.Sampler, losses: torch.Tensor, message: str) -> None:
    order = list(half)
    index = order[:2] if losses.numel() else []
    with pytest.raises(ValueError, match=message):
        half.report(index, losses)


@pytest.mark.parametrize(
    ("index", "losses", "error", "text"),
    [
        (torch.tensor([1.0, 2.0]), torch.ones(2), TypeError, r"index has dtype torch\.float32.*integers"),
        (torch.tensor([True, False]), torch.ones(2), TypeError, r"index has dtype torch\.bool.*integers"),
        (torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3, 4]), TypeError, "index has dtype"),
        (torch.tensor([[1], [2]]), torch.ones(2), ValueError, r"index has shape \(2, 1\)"),
        (torch.tensor(1), torch.ones(1), ValueError, r"index has shape \(\)"),
        (1, torch.ones(1), ValueError, r"indices: must have one value a sample, shape \(B,\), got shape \(\)"),
        ([1.5, 2.5], torch.ones(2), ValueError, "indices: must be integers: a float does not hold every index exactly"),
        (["a", "b"], torch.ones(2), ValueError, "indices: must be integers, got <U1"),
        ([1, 2], torch.ones(2, dtype=torch.complex64), ValueError, "losses: must be numbers, got complex64"),
    ],
)
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_refuses_what_is_no_index_or_no_loss(
    half: keepset.Sampler, index: Any, losses: torch.Tensor, error: type[Exception], text: str
) -> None:
    order = list(half)
    half.report(order[:4], torch.ones(4))
    with pytest.raises(error, match=text):
        half.report(index, losses)
    assert half.position == 4, "what was refused counts as not trained"
    half.report(order[4:6], torch.ones(2))
    assert half.position == 6
    half.flush()


def test_copies_what_it_is_given(half: keepset.Sampler) -> None:
    index = torch.tensor(list(half)[:3])
    losses = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    reported = index.tolist()
    half.report(index, losses)
    with torch.no_grad():
        losses.zero_()
        index.zero_()
    half.flush()
    assert half.run.client.statistics(half.run_id).last_losses[reported].tolist() == [1, 2, 3]


def test_refuses_losses_of_an_epoch_that_nobody_asked_for(half: keepset.Sampler) -> None:
    for index, _ in DataLoader(keepset.indexed(range(N)), batch_size=30):  # sampler=half is missing
        with pytest.raises(ValueError, match="sampler=sampler"):
            half.report(index, torch.ones(len(index)))


def test_warns_once_of_an_epoch_without_losses(half: keepset.Sampler, caplog: pytest.LogCaptureFixture) -> None:
    for epoch in range(3):
        half.set_epoch(epoch)
        list(half)
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        "epoch 0 ended without a loss, but Backlog chooses by losses: call sampler.report(index, losses) for each batch"
    ]


def test_a_policy_of_chance_needs_no_losses(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    chance = keepset.Sampler(N, policy=keepset.Random(), epochs=3, address=sampler.address, run_id=run_id)
    for epoch in range(3):
        chance.set_epoch(epoch)
        list(chance)
    assert caplog.records == []


def test_refuses_an_epoch_past_the_last(half: keepset.Sampler) -> None:
    half.set_epoch(4)  # frameworks do, after the last one
    with pytest.raises(ValueError, match=r"epoch is 4, but the sampler was made with epochs=4: it has epochs 0 to 3"):
        iter(half)


def test_refuses_settings_that_the_sampler_refuses(sampler: SamplerProcess, run_id: str) -> None:
    wrong = keepset.Sampler(N, selection_period=0, address=sampler.address, run_id=run_id)
    with pytest.raises(InvalidArgumentError, match="selection_period"):
        iter(wrong)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"prune_rate": 50}, "prune_rate is 50: it must be at least 0 and below 1"),
        ({"prune_rate": 1.0}, "prune_rate is 1"),
        ({"prune_rate": "0.5"}, "prune_rate is '0.5': it must be at least 0 and below 1"),
        ({"prune_rate_schedule": [(3, 0.2), (5, -0.5)]}, "prune_rate_schedule, from epoch 5 on, is -0.5"),
        ({"epochs": 0}, "epochs is 0: it must be at least 1"),
        ({"policy": "ucb"}, "policy is 'ucb': make it one of keepset's, for example policy=keepset.UCB"),
        ({"policy": keepset.UCB}, "policy is <class"),
    ],
)
def test_refuses_at_once_what_cannot_be_right(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        keepset.Sampler(N, **settings)


def test_refuses_data_without_a_length() -> None:
    with pytest.raises(ValueError, match="without a length"):
        keepset.Sampler(iter([1]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        keepset.Sampler([])


def test_cannot_be_pickled_in_use(half: keepset.Sampler) -> None:
    list(half)
    with pytest.raises(TypeError, match="in use cannot be pickled"):
        pickle.dumps(half)


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_credits_losses_right_with_workers_that_read_ahead(
    half: keepset.Sampler, workers: int, persistent: bool
) -> None:
    loader = make_loader(half, N, num_workers=workers, persistent_workers=persistent)
    counts = [Counter(train_epoch(half, loader, epoch)) for epoch in range(3)]
    half.flush()
    statistics = half._run.client.statistics(half.run_id)
    total = counts[0] + counts[1] + counts[2]
    assert statistics.times_reported.tolist() == [total[index] for index in range(N)]
    last = {index: epoch for epoch, count in enumerate(counts) for index in count}
    expected = [losses_of(np.array([index]), last[index]).item() for index in range(N)]
    assert statistics.last_losses.tolist() == expected


def test_works_with_torchs_own_collate(half: keepset.Sampler) -> None:
    data = TensorDataset(torch.arange(N), torch.arange(N))
    loader = DataLoader(keepset.indexed(data), batch_size=16, sampler=half)
    for index, (x, _) in loader:
        assert index.tolist() == x.tolist()
        half.report(index, x.float())
    half.flush()
    assert half._run.client.statistics(half.run_id).last_losses.tolist() == list(range(N))


def test_touches_no_global_random_state(half: keepset.Sampler) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(half)
    half.report(torch.ones(10))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])


def test_delivers_over_a_cut_connection(proxy: CuttingProxy, run_id: str) -> None:
    cut = keepset.Sampler(N, epochs=4, address=proxy.address, run_id=run_id)
    loader = make_loader(cut, N)
    for epoch in range(3):
        cut.set_epoch(epoch)
        for number, (index, _) in enumerate(loader):
            if number % 5 == 2:
                proxy.cut()
            cut.report(index, losses_of(index, epoch))
    cut.flush()
    progress = cut.run.info().progress
    assert (progress.observations, progress.repeats) == (N + 2 * (N // 2), 0)


def test_plots(half: keepset.Sampler, tmp_path: object) -> None:
    from pathlib import Path

    loader = make_loader(half, N)
    half.set_epoch(0)
    half.plot()
    for epoch in range(3):
        train_epoch(half, loader, epoch)
    path = Path(str(tmp_path)) / "run.png"
    figure = half.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert figure.axes[1].get_title().startswith("always ")


def test_shows_progress(sampler: SamplerProcess, run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = keepset.Sampler(N, epochs=4, address=sampler.address, run_id=run_id, progress=True)
    for epoch in range(2):
        train_epoch(shown, make_loader(shown, N), epoch)
    shown.close()
    text = capsys.readouterr().err
    assert "epoch 2/4" in text and "50/50" in text and "kept=50 %" in text and "saving=25.0 %" in text
