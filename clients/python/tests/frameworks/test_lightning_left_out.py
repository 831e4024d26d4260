"""Lightning with weights, and with a forward pass over what an epoch left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_training import BATCH, EPOCHS, Model, N, fit
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

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


def test_a_checkpoint_of_an_epochs_last_step_knows_what_was_scored(settings: dict[str, Any], tmp_path: Path) -> None:
    settings |= {"policy": keepset.EpsilonGreedy(epsilon=0.0, alpha=1.0), "prune_rate": 0.5, "score_left_out": True}
    sampler = keepset.Sampler(N, **settings)
    seen: list[int] = []

    class See(Callback):
        def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
            seen.append(sampler.run.info().progress.scored)

    steps = N // BATCH
    checkpoints = ModelCheckpoint(tmp_path, every_n_train_steps=steps // 2, save_top_k=-1)
    fit(sampler, [checkpoints, See()], model=Scoring(sampler), folder=tmp_path, max_steps=steps + steps // 2)
    assert seen[:3] == [0, 0, N // 2]
    left_out = set(range(N)) - set(sampler.plan.indices.tolist())
    sampler.close()
    again = keepset.Sampler(N, **settings)
    (last,) = tmp_path.glob(f"*step={steps + steps // 2}.ckpt")
    model = fit(again, model=Scoring(again), resume=last)
    assert set(model.trained[2]) == left_out


def test_an_epoch_that_ends_in_its_middle_is_not_scored(settings: dict[str, Any]) -> None:
    sampler = keepset.Sampler(N, policy=keepset.UCB(), prune_rate=0.5, score_left_out=True, **settings)
    model = fit(sampler, model=Scoring(sampler), max_steps=N // BATCH + 2)
    assert (model.scored, sampler.epoch, sampler.position) == ({}, 1, 2 * BATCH)


class Moving(Scoring):
    """Makes tensors of its batches in a hook, before they come to the device."""

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0], batch[1] + 0.5

    def scoring_step(self, batch: Any, batch_idx: int) -> None:
        index, x = batch
        assert torch.equal(x, torch.as_tensor(index) + 0.5)
        super().scoring_step(batch, batch_idx)


def test_batches_to_score_come_by_the_modules_hooks(settings: dict[str, Any]) -> None:
    sampler = keepset.Sampler(N, policy=keepset.UCB(), prune_rate=0.5, score_left_out=True, **settings)
    assert len(fit(sampler, model=Moving(sampler)).trained) == EPOCHS
    assert sampler.run.info().progress.scored > 0


class Slowing(Scoring):
    """Its rates shrink by each step."""

    def __init__(self, sampler: keepset.Sampler) -> None:
        super().__init__(sampler)
        self.taken: list[tuple[float, float]] = []

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.taken.append((self.sampler.learning_rate_factor, optimizer.param_groups[0]["lr"]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def test_steps_are_as_large_as_the_plan_says(settings: dict[str, Any]) -> None:
    sampler = keepset.Sampler(N, policy=keepset.Kakurenbo(), prune_rate=0.5, **settings)
    model = fit(sampler, model=Slowing(sampler))
    assert {round(factor, 2) for factor, _ in model.taken} == {1, 2, 1.67, 1.43}
    for number, (factor, rate) in enumerate(model.taken):
        assert rate == pytest.approx(0.1 * 0.99**number * factor)
    assert model.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.99 ** len(model.taken))


class Failing(Slowing):
    def on_before_optimizer_step(self, optimizer: Any) -> None:
        if self.current_epoch == 1:
            raise RuntimeError("as it was told")


def test_a_training_that_fails_has_its_own_rates(settings: dict[str, Any]) -> None:
    sampler = keepset.Sampler(N, policy=keepset.Kakurenbo(), prune_rate=0.5, **settings)
    model = Failing(sampler)
    with pytest.raises(RuntimeError, match="as it was told"):
        fit(sampler, model=model)
    assert model.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.99 ** (N // BATCH))


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
