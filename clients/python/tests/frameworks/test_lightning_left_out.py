"""Lightning with weights, and with a forward pass over what an epoch left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from lightning_training import BATCH, EPOCHS, Model, N, fit

import keepset
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader

pytestmark = pytest.mark.filterwarnings("ignore")


class Scoring(Model):
    """Scores with losses of 10 and more; any policy, as its rate does not need to know the steps."""

    def __init__(self, sampler: keepset.Sampler) -> None:
        super().__init__(sampler)
        self.scored: dict[int, list[int]] = {}
        self.modes: set[tuple[bool, bool]] = set()
        self.numbers: list[int] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        index, x = batch
        assert self.training
        output = self.inner(x.float().reshape(-1, 1) / N).flatten()
        self.trained.setdefault(self.current_epoch, []).extend(index.tolist())
        losses = (output - x / N) ** 2
        sure = torch.ones(len(index))
        metrics = {name: sure for name in self.sampler.plan.metrics}  # type: ignore[union-attr]
        return self.sampler.report(index, losses, score=losses_of(index, self.current_epoch), metrics=metrics)

    def scoring_step(self, batch: Any, batch_idx: int) -> None:
        index, x = batch
        self.modes.add((self.training, torch.is_grad_enabled()))
        self.numbers.append(batch_idx)
        self.scored.setdefault(self.current_epoch, []).extend(index.tolist())
        sure = torch.ones(len(index))
        metrics = {name: sure for name in self.sampler.plan.metrics}  # type: ignore[union-attr]
        self.sampler.scoring.report(index, 10.0 + x, metrics=metrics)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def settings(sampler: SamplerProcess, run_id: str) -> Iterator[dict[str, Any]]:
    yield {"address": sampler.address, "run_id": run_id, "selection_period": 1, "epochs": EPOCHS}


@pytest.mark.parametrize("workers", [0, 1])
def test_what_an_epoch_left_out_is_scored_at_its_end(settings: dict[str, Any], workers: int) -> None:
    sampler = keepset.Sampler(
        N, policy=keepset.EpsilonGreedy(epsilon=0.0, alpha=1.0), prune_rate=0.5, score_left_out=True, **settings
    )
    model = Scoring(sampler)
    fit(sampler, model=model, workers=workers)
    for epoch in range(1, EPOCHS - 1):
        assert sorted(model.trained[epoch] + model.scored[epoch]) == list(range(N))
        # Their losses are the larger ones: they are what is kept next.
        assert sorted(model.trained[epoch + 1]) == sorted(model.scored[epoch])
    assert model.modes == {(False, False)} and model.training
    assert model.numbers[: N // 2 // BATCH] == list(range(N // 2 // BATCH))
    progress = sampler.run.info().progress
    assert progress.scored == sum(map(len, model.scored.values())) > 0
    assert sampler.run.info().generation == 1


def test_a_policy_that_decides_how_many_it_keeps(settings: dict[str, Any]) -> None:
    sampler = keepset.Sampler(N, policy=keepset.Kakurenbo(), prune_rate=0.5, **settings)
    model = Scoring(sampler)
    fit(sampler, model=model)
    counts = [len(model.trained[epoch]) for epoch in range(EPOCHS)]
    assert counts == [N, N // 2, N - int(0.8 * 0.5 * N), N - int(0.6 * 0.5 * N)]
    assert [len(model.scored.get(epoch, [])) for epoch in range(1, EPOCHS - 1)] == [N - count for count in counts[1:-1]]


def test_a_module_that_cannot_score_is_told_at_the_start(settings: dict[str, Any]) -> None:
    sampler = keepset.Sampler(N, policy=keepset.IES(), **settings)
    with pytest.raises(ValueError, match=r"def scoring_step\(self, batch, batch_idx\).*score_left_out=False"):
        fit(sampler, model=Plain(sampler))
    assert sampler.position == 0
    settings["run_id"] += "-off"
    off = keepset.Sampler(N, policy=keepset.IES(), score_left_out=False, **settings)
    assert len(fit(off, model=Plain(off)).trained) == EPOCHS


class Plain(Model):
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_the_loss_that_is_trained_is_weighted(settings: dict[str, Any]) -> None:
    """As in a loop by hand, with the weights that the plans have."""
    common: dict[str, Any] = {"policy": keepset.InfoBatch(), "tail_epochs": 0}
    sampler = keepset.Sampler(N, **common, **settings)
    torch.manual_seed(0)
    model = fit(sampler, model=Plain(sampler))
    settings["run_id"] += "-by-hand"
    twin = keepset.Sampler(N, **common, **settings)
    torch.manual_seed(0)
    inner = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(inner.parameters(), lr=0.1)
    found: set[float] = set()
    for epoch in range(EPOCHS):
        twin.set_epoch(epoch)
        loader = make_loader(twin, N, BATCH)
        for index, x in loader:
            plan: Any = twin.plan
            weights = np.ones(N, np.float32)
            if plan.weights is not None:
                weights[plan.indices] = plan.weights
            found |= set(weights[index].tolist())
            losses = (inner(x.float().reshape(-1, 1) / N).flatten() - x / N) ** 2
            twin.report(index, losses.detach(), score=losses_of(index, epoch))
            optimizer.zero_grad()
            (torch.from_numpy(weights[index]) * losses).mean().backward()
            optimizer.step()
    assert max(found) > 1.9
    for name, parameter in inner.state_dict().items():
        torch.testing.assert_close(model.inner.state_dict()[name], parameter, msg=name)
