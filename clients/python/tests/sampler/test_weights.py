"""Weighted losses: what `report` returns is mean(weight * loss), and what it hands over has no weight."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import keepset
from keepset.client import Plan
from keepset.weights import EpochWeights
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader, train_epoch

N = 100


@pytest.fixture
def weighted(sampler: SamplerProcess, run_id: str) -> keepset.Sampler:
    """After a full epoch in which the loss of a sample was its index: of those below 49.5 half are kept, weighing 2."""
    made = keepset.Sampler(N, policy=keepset.InfoBatch(), address=sampler.address, run_id=run_id)
    train_epoch(made, make_loader(made, N), 0, losses=lambda index, _: torch.from_numpy(index.astype(np.float32)))
    made.set_epoch(1)
    return made


def expected_weights(index: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.where(torch.from_numpy(index.astype(np.int64)) < 50, 2.0, 1.0)


def test_the_gradient_is_that_of_the_weighted_mean(weighted: keepset.Sampler) -> None:
    scale = torch.ones(N, requires_grad=True)
    batches = 0
    for index, x in make_loader(weighted, N, batch_size=16):
        losses = scale[x] * (x + 1.0)
        scale.grad = None
        loss = weighted.report(index, losses)
        loss.backward()
        weights = expected_weights(index)
        assert loss.dtype == torch.float32 and loss.item() == pytest.approx((weights * (x + 1.0)).mean().item())
        expected = torch.zeros(N).index_add(0, x, weights * (x + 1.0) / len(x))
        torch.testing.assert_close(scale.grad, expected)
        batches += 1
    assert batches == 5
    weighted.flush()
    losses = weighted.run.client.statistics(weighted.run_id).last_losses
    kept = weighted.plan.indices
    assert np.array_equal(losses[kept], kept + 1), "what was handed over has no weight"


def test_the_weighted_mean_stands_for_everything(weighted: keepset.Sampler) -> None:
    """The sum over an epoch of weight * 1 is the number of samples."""
    total = sum(
        weighted.report(index, torch.ones(len(index))).item() * len(index) for index, _ in make_loader(weighted, N)
    )
    assert total == pytest.approx(N)


@pytest.mark.parametrize("kind", [list, torch.tensor, np.array])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_takes_any_index_and_any_float(weighted: keepset.Sampler, kind: Any, dtype: torch.dtype) -> None:
    order = list(weighted)
    losses = torch.arange(1, 9).to(dtype)
    loss = weighted.report(kind(order[:8]), losses)
    expected = (expected_weights(np.array(order[:8])) * torch.arange(1, 9)).mean()
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(expected.item())


def test_follows_the_order_of_the_plan(weighted: keepset.Sampler) -> None:
    order = np.array(list(weighted))
    for start in (0, 8):
        loss = weighted.report(torch.ones(8))
        assert loss.item() == pytest.approx(expected_weights(order[start : start + 8]).mean().item())
    with pytest.raises(ValueError, match="68 losses were reported, but 59 of the 75 positions"):
        weighted.report(torch.ones(68))


def test_weights_go_on_in_the_middle_of_an_epoch(weighted: keepset.Sampler, sampler: SamplerProcess) -> None:
    for index, _ in islice(make_loader(weighted, N), 3):
        weighted.report(index, torch.ones(len(index)))
    state = weighted.state_dict()
    weighted.close()
    second = keepset.Sampler(N, policy=keepset.InfoBatch(), address=sampler.address, run_id=weighted.run_id)
    second.load_state_dict(state)
    assert len(second) == 75 - 24 and second.epoch == 1
    for index, _ in make_loader(second, N):
        loss = second.report(index, torch.ones(len(index)))
        assert loss.item() == pytest.approx(expected_weights(index).mean().item())


@pytest.mark.parametrize(
    ("index", "losses", "error", "text"),
    [
        ([1, 2], torch.ones(3), ValueError, "losses has 3 values, index 2"),
        ([1.5, 2.5], torch.ones(2), ValueError, "must be integers"),
        (torch.tensor([[1], [2]]), torch.ones(2), ValueError, "index has shape"),
        ([1, 2], torch.tensor(1.0), ValueError, 'reduction="none"'),
    ],
)
def test_what_does_not_fit_is_told_as_without_weights(
    weighted: keepset.Sampler, index: Any, losses: torch.Tensor, error: type[Exception], text: str
) -> None:
    list(weighted)
    with pytest.raises(error, match=text):
        weighted.report(index, losses)


def test_an_index_outside_the_data_set_is_the_reports_to_refuse(weighted: keepset.Sampler) -> None:
    list(weighted)
    weighted.report([N + 7], torch.ones(1))
    with pytest.raises(keepset.KeepsetError, match="must be from 0 to 99"):
        weighted.flush()


def test_weights_can_be_off(sampler: SamplerProcess, run_id: str) -> None:
    plain = keepset.Sampler(N, policy=keepset.InfoBatch(), weights="off", address=sampler.address, run_id=run_id)
    train_epoch(plain, make_loader(plain, N), 0)
    plain.set_epoch(1)
    index = list(plain)[:4]
    assert plain.plan.weights is None  # type: ignore[union-attr]
    assert plain.report(index, torch.tensor([1.0, 2.0, 3.0, 6.0])).item() == 3


def test_weights_need_the_loss_of_each_sample(weighted: keepset.Sampler) -> None:
    with pytest.raises(ValueError, match=r'Sampler\(weights="off"\)'):
        weighted.report_batch_loss([1, 2], torch.ones(()))
    with pytest.raises(ValueError, match=r'Sampler\(weights="off"\)'):
        keepset.Sampler(N, policy=keepset.InfoBatch(), score_source="batch_loss")
    keepset.Sampler(N, policy=keepset.InfoBatch(), score_source="batch_loss", weights="off")


def test_batches_of_an_epoch_that_is_over_keep_its_weights(sampler: SamplerProcess, run_id: str) -> None:
    """Where workers read ahead, the last batches of an epoch are trained when the plan of the next is there."""
    infinite = keepset.InfiniteSampler(
        64,
        batch_size=8,
        policy=keepset.Importance(),
        prune_rate=0.5,
        selection_period=1,
        address=sampler.address,
        run_id=run_id,
    )
    weights: list[dict[int, float]] = []
    fetch = infinite._run._fetch

    def remember() -> Any:
        plan = fetch()
        assert isinstance(plan, Plan)
        each = [1.0] * len(plan.indices) if plan.weights is None else plan.weights.tolist()
        weights.append(dict(zip(plan.indices.tolist(), each, strict=True)))
        return plan

    infinite._run._fetch = remember  # type: ignore[method-assign]
    lengths = [8] + [4] * 9
    batches = iter(make_loader(infinite, 64, num_workers=0))
    ahead = [next(batches) for _ in range(2)]
    for epoch, length in enumerate(lengths):
        for _ in range(length):
            ahead.append(next(batches))
            index, x = ahead.pop(0)
            loss = infinite.report(index, x + 1.0)
            expected = np.mean([weights[epoch][i] * (i + 1) for i in index.tolist()])
            assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert infinite.late_count > 0


def test_a_batch_of_two_epochs_has_the_weights_of_both(sampler: SamplerProcess, run_id: str) -> None:
    settings: dict[str, Any] = {"policy": keepset.RS2(), "prune_rate": 0.5, "weights": "on", "position_multiple": 1}
    infinite = keepset.InfiniteSampler(20, batch_size=8, address=sampler.address, run_id=run_id, **settings)
    batches = iter(make_loader(infinite, 20))
    for _ in range(2):
        index, _ = next(batches)
        infinite.report(index, torch.ones(8))
    index, _ = next(batches)  # four of epoch 0, with the weight 1, and four of epoch 1, with the weight 2
    assert infinite.report(index, torch.ones(8)).item() == 1.5


def test_indices_on_a_device_look_their_weights_up_there(weighted: keepset.Sampler) -> None:
    """As far as it can be seen without one."""
    plan = weighted.plan
    assert isinstance(plan, Plan) and plan.weights is not None
    weights = EpochWeights(plan, plan.weights)
    for dtype in (torch.int64, torch.int32, torch.uint8):
        index = torch.from_numpy(plan.indices.astype(np.int64)).to(dtype)
        found = weights._on_device(index, torch.device("cpu"))
        assert found.tolist() == plan.weights.tolist()
    assert weights._on_device(torch.tensor([-5, 10**9]), torch.device("cpu")).shape == (2,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_weights_have_arrived_where_the_losses_are_on_the_host(weighted: keepset.Sampler) -> None:
    plan = weighted.plan
    assert isinstance(plan, Plan) and plan.weights is not None
    weights = EpochWeights(plan, plan.weights)
    index = torch.from_numpy(plan.indices.astype(np.int64)).to("cuda")
    torch.cuda._sleep(10**8)  # the device is behind
    found = weights._on_device(index.repeat(10_000), torch.device("cpu"))
    assert torch.equal(found, torch.from_numpy(plan.weights).repeat(10_000))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_weights_reach_a_device_without_a_wait(weighted: keepset.Sampler) -> None:
    plan = weighted.plan
    list(weighted)
    assert isinstance(plan, Plan) and plan.weights is not None
    device = torch.device("cuda")
    losses = torch.arange(1.0, 9.0, device=device, requires_grad=True)
    index = plan.indices[:8]
    expected = (expected_weights(index) * torch.arange(1.0, 9.0)).mean().item()
    weights = EpochWeights(plan, plan.weights)
    on_device = torch.from_numpy(index.astype(np.int64)).to(device)
    for given in (index, on_device):
        weights.weighted_mean(given, losses)  # what is made once, and may wait
        torch.cuda.set_sync_debug_mode("error")
        try:
            loss = weights.weighted_mean(given, losses)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert loss.item() == pytest.approx(expected)
    outside = torch.tensor([-5, 10**9], device=device)
    assert torch.isfinite(weights.weighted_mean(outside, torch.ones(2, device=device)))
    loader = DataLoader(keepset.indexed(range(N)), batch_size=8, sampler=weighted)
    for given, _ in loader:
        losses = losses_of(given.numpy(), 0).to(device)
        weighted.report(given.to(device), losses)
    weighted.flush()
