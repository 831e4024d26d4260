"""PyTorch Lightning in one process: lengths, steps, validation, and what the callback refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_training import BATCH, EPOCHS, UNEVEN, Model, N, fit, make_trainer, undisturbed
from pytorch_lightning.callbacks import GradientAccumulationScheduler, LearningRateFinder, ModelCheckpoint
from torch.utils.data import BatchSampler, DataLoader

import keepset
from keepset.lightning import KeepsetCallback, total_steps
from support.sampler_process import SamplerProcess
from support.training import make_loader

pytestmark = pytest.mark.filterwarnings("ignore")
Make = Callable[..., keepset.Sampler]


@pytest.fixture
def make(sampler: SamplerProcess, run_id: str) -> Iterator[Make]:
    """Makes a sampler of this test's run; `twin` of another one with the same settings."""
    with ExitStack() as stack:

        def make_sampler(*, twin: bool = False, **settings: Any) -> keepset.Sampler:
            common = {"address": sampler.address, "selection_period": 1, "prune_rate": 0.5, "epochs": EPOCHS}
            made = keepset.Sampler(N, run_id=run_id + "-twin" * twin, **{**common, **settings})
            stack.callback(made.close)
            return made

        yield make_sampler


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("settings", [{}, UNEVEN])
def test_trains_every_plan_whole(make: Make, workers: int, settings: dict[str, Any]) -> None:
    """Also where epochs get longer again. With workers Lightning iterates twice for an epoch, and reads ahead."""
    sampler = make(**settings)
    model = fit(sampler, workers=workers)
    assert model.trained == undisturbed(make(twin=True, **settings))
    assert model.validations == [0, 1, 2, 3], "one after each epoch"
    assert model.trainer.callback_metrics["kept_fraction"] == len(model.trained[3]) / N
    info = sampler.run.info()
    assert info.generation == 1, "nothing was planned a second time"
    assert info.progress.observations == sum(map(len, model.trained.values()))


@pytest.mark.parametrize("settings", [{}, {"position_multiple": BATCH * 4}])
@pytest.mark.parametrize("accumulation, steps", [(1, 33), (4, 3 + 1 + 2 + 3)])
def test_a_schedule_ends_with_the_last_step(
    make: Make, settings: dict[str, Any], accumulation: int, steps: int
) -> None:
    """Without a multiple an epoch's odd batches make a step of their own; with one all steps are whole."""
    sampler = make(**UNEVEN, **settings)
    model = fit(sampler, accumulate_grad_batches=accumulation)
    if settings:
        assert {len(batches) % 4 for batches in model.batches.values()} == {0}
        steps = (12 + 4 + 8 + 12) // accumulation
    assert len(model.rates) == steps == total_steps(model.trainer, sampler, BATCH)
    assert max(model.rates) == pytest.approx(0.1, rel=0.05)
    assert model.rates[-1] == pytest.approx(0.1 / 25 / 1e4), "where OneCycleLR ends"


@pytest.mark.parametrize(
    "options",
    [
        {"limit_train_batches": 5},
        {"limit_train_batches": 0.5, "accumulate_grad_batches": 2},
        {"max_steps": 14},
        {"max_epochs": -1, "max_steps": 20},
        {"fast_dev_run": True},
        {"callbacks": [GradientAccumulationScheduler({0: 4, 2: 2})]},
    ],
)
def test_counts_the_steps_that_a_trainer_makes(make: Make, options: dict[str, Any]) -> None:
    sampler = make(**UNEVEN)
    model = fit(sampler, **options)
    assert len(model.rates) == model.trainer.global_step == total_steps(model.trainer, sampler, BATCH)


def test_steps_without_an_end_cannot_be_counted(make: Make) -> None:
    with pytest.raises(ValueError, match=r"the trainer has no end: give Trainer\(max_epochs=...\)"):
        total_steps(make_trainer([], max_epochs=-1), make(), BATCH)


def test_drop_last_makes_fewer_steps(make: Make) -> None:
    sampler, trainer = make(), make_trainer([])
    assert total_steps(trainer, sampler, 10) == 10 + 3 * 5
    assert total_steps(trainer, sampler, 10, drop_last=True) == 9 + 3 * 4


def test_finishes_a_run_that_had_all_its_epochs(make: Make) -> None:
    sampler = make()
    fit(sampler, max_epochs=EPOCHS - 1)
    assert sampler.run.info().state == "active"
    fit(sampler)
    assert sampler.run.info().state == "finished"
    sampler.flush()
    assert sampler.state_dict()["position"] == N // 2, "it can be saved still"
    fit(sampler, max_epochs=1)
    assert sampler.run.info().progress.observations == N, "and begun anew"


def test_limited_epochs_train_the_first_batches_of_their_plans(make: Make) -> None:
    sampler = make()
    model = fit(sampler, limit_train_batches=2)
    assert [model.batches[epoch] for epoch in range(EPOCHS)] == [[0, 1]] * EPOCHS
    assert model.validations == [0, 1, 2, 3]
    assert sampler.run.info().progress.observations == EPOCHS * 2 * BATCH


def test_a_trial_run_leaves_nothing_behind(make: Make) -> None:
    """Neither plans nor losses of another model."""
    sampler = make()
    assert fit(sampler, model=Model(sampler, tries=2), fast_dev_run=2).batches == {0: [0, 1]}
    model = fit(sampler)
    assert model.trained == undisturbed(make(twin=True))
    assert sampler.run.info().progress.observations == sum(map(len, model.trained.values()))


def test_finding_a_learning_rate_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    sampler = make()
    finder = LearningRateFinder(num_training_steps=3, early_stop_threshold=None, update_attr=False)
    model = Model(sampler, tries=3)
    fit(sampler, [finder, ModelCheckpoint(tmp_path)], model=model, folder=tmp_path)
    tried = len(model.trained[0]) - N
    assert tried > 0
    model.trained[0] = model.trained[0][tried:]
    assert model.trained == undisturbed(make(twin=True))
    assert sampler.run.info().progress.observations == sum(map(len, model.trained.values()))


def test_an_error_of_the_sampler_ends_the_training(make: Make) -> None:
    class Diverging(Model):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            index, x = batch
            return self.sampler.report(index, self.inner(x.float()[:, None]).flatten() * float("nan"))

    sampler = make(non_finite="reject")
    with pytest.raises(keepset.KeepsetError, match="finite"):
        fit(sampler, model=Diverging(sampler))


def test_tests_and_validation_leave_the_sampler_alone(make: Make, tmp_path: Path) -> None:
    """Even with a checkpoint, whose state of the sampler is an older one."""
    sampler = make()
    model = fit(sampler, [ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)], folder=tmp_path)
    before = sampler.run.info()
    trainer = make_trainer([KeepsetCallback(sampler)])
    trainer.test(model, DataLoader(range(8)), ckpt_path=tmp_path / "epoch=0.ckpt", verbose=False)
    trainer.validate(model, DataLoader(range(8)), ckpt_path=tmp_path / "epoch=0.ckpt", verbose=False)
    assert (sampler.epoch, sampler.saving) == (EPOCHS - 1, pytest.approx(0.375))
    assert sampler.run.info() == before


@pytest.mark.parametrize("place", ["batch_sampler", "list"])
def test_finds_the_sampler_in_the_loaders(make: Make, place: str) -> None:
    sampler = make()
    data = keepset.indexed(range(N))
    if place == "batch_sampler":
        batches = BatchSampler(sampler, BATCH, drop_last=False)
        loaders: Any = DataLoader(data, batch_sampler=batches, collate_fn=keepset.collate)
        model = Model(sampler)
    else:
        loaders = [{"train": make_loader(sampler, N, BATCH)}, DataLoader(range(3))]

        class OfTwo(Model):
            def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
                return super().training_step(batch[0]["train"], batch_idx)

        model = OfTwo(sampler)
    make_trainer([KeepsetCallback(sampler)]).fit(model, loaders)
    assert model.trained == undisturbed(make(twin=True))


def test_refuses_what_would_be_silently_wrong(make: Make) -> None:
    other = make(twin=True)

    class Silent(Model):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return self.inner(batch[1].float()[:, None]).mean()

    def attempt(sampler: keepset.Sampler, kind: type[Model] = Model, **options: Any) -> None:
        loader = make_loader(options.pop("of", sampler), N, BATCH)
        make_trainer([KeepsetCallback(sampler)], **options).fit(kind(sampler), loader)

    with pytest.raises(ValueError, match=r"overfit_batches takes the sampler out.*Trainer\(overfit_batches=...\)"):
        attempt(make(), overfit_batches=2)
    with pytest.raises(ValueError, match=r"0 of the loaders.*DataLoader\(keepset.indexed\(dataset\), sampler=sampler"):
        attempt(make(), of=other)
    with pytest.raises(ValueError, match=r"losses of batch 0: end it with `return sampler.report\(index, losses\)`"):
        attempt(make(), Silent)
    with pytest.raises(ValueError, match=r"rank 1 of 2, Lightning's process is rank 0 of 1: leave out Sampler\(rank="):
        attempt(make(rank=1, world_size=2))
    for data, collate, text in [
        (range(N), keepset.collate, r"data set is a range, whose samples.*DataLoader\(keepset.indexed\(dataset\), "),
        (keepset.indexed(range(N)), None, r"no collate_fn: DataLoader\(..., collate_fn=keepset.collate\)"),
    ]:
        sampler = make()
        loader = DataLoader(data, BATCH, sampler=sampler, collate_fn=collate)  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match=text):
            make_trainer([KeepsetCallback(sampler)]).fit(Model(sampler), loader)
    for wrong in (keepset.InfiniteSampler(N, batch_size=BATCH), make_loader(other, N, BATCH)):
        with pytest.raises(ValueError, match=r"sampler is a .*: KeepsetCallback\(sampler\) takes a keepset.Sampler"):
            KeepsetCallback(wrong)  # pyright: ignore[reportArgumentType]
