"""`score_source="batch_loss"`: the mean loss of a batch is all that is known."""

from __future__ import annotations

import pytest
import torch

import keepset
from support.sampler_process import SamplerProcess
from support.training import make_loader

N = 40


@pytest.fixture
def batchwise(sampler: SamplerProcess, run_id: str) -> keepset.Sampler:
    return keepset.Sampler(
        N,
        epochs=4,
        selection_period=1,
        score_source="batch_loss",
        batch_loss_momentum=0.5,
        address=sampler.address,
        run_id=run_id,
    )


def last_losses(sampler: keepset.Sampler) -> list[float]:
    sampler.flush()
    return sampler.run.client.statistics(sampler.run_id).last_losses.tolist()


def test_one_value_is_returned_as_it_is_and_credited_to_the_batch(batchwise: keepset.Sampler) -> None:
    loader = make_loader(batchwise, N, batch_size=10)
    expected: dict[int, float] = {}
    for epoch in range(2):
        batchwise.set_epoch(epoch)
        for number, (index, _) in enumerate(loader):
            loss = torch.tensor(number + 1.0, requires_grad=True)
            assert batchwise.report(index, loss) is loss
            for one in index.tolist():
                mean = number + 1.0
                expected[one] = mean if epoch == 0 else 0.5 * expected[one] + 0.5 * mean
        assert batchwise.position == len(batchwise)
    assert last_losses(batchwise) == [expected[index] for index in range(N)]
    progress = batchwise.run.info().progress
    assert (progress.observations, progress.reports) == (N + N // 2, 4 + 2)


def test_is_what_report_batch_loss_does_too(batchwise: keepset.Sampler) -> None:
    index = list(batchwise)[:10]
    loss = torch.tensor([3.0])
    assert batchwise.report_batch_loss(index, loss) is loss
    assert [last_losses(batchwise)[one] for one in index] == [3.0] * 10


def test_tells_what_does_not_fit(batchwise: keepset.Sampler) -> None:
    index = list(batchwise)[:2]
    with pytest.raises(ValueError, match=r"loss has the shape \(2,\).*takes the batch's mean"):
        batchwise.report(index, torch.ones(2))
    with pytest.raises(ValueError, match=r"use report\(index, loss\)"):
        batchwise.report(torch.ones(()))
    with pytest.raises(ValueError, match="score is for each sample"):
        batchwise.report(index, torch.ones(()), score=torch.ones(2))
    with pytest.raises(ValueError, match="losses is empty"):
        batchwise.report([], torch.ones(()))
    assert batchwise.position == 0


def test_metrics_are_still_for_each_sample(sampler: SamplerProcess, run_id: str) -> None:
    made = keepset.Sampler(N, score_source="batch_loss", metrics=["margin"], address=sampler.address, run_id=run_id)
    index = list(made)[:2]
    made.report(index, torch.ones(()), metrics={"margin": [1.0, 2.0]})
    made.flush()
    assert made.run.client.statistics(run_id).metrics["margin"][index].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"metrics\['margin'\] has 1 values"):
        made.report(index, torch.ones(()), metrics={"margin": [1.0]})


def test_late_batches_of_an_infinite_sampler_are_left_out(sampler: SamplerProcess, run_id: str) -> None:
    infinite = keepset.InfiniteSampler(
        16, batch_size=8, prune_rate=0.5, score_source="batch_loss", address=sampler.address, run_id=run_id
    )
    batches = iter(make_loader(infinite, 16))
    indices = [next(batches)[0] for _ in range(3)]
    for index in indices:
        loss = torch.ones(())
        assert infinite.report(index, loss) is loss
    infinite.flush()
    assert (infinite.late_count, infinite.run.info().progress.observations) == (16, 8)
