"""PyTorch Lightning's checkpoints: a training that goes on from one trains what an undisturbed one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_training import BATCH, EPOCHS, UNEVEN, Model, N, fit, make_trainer
from pytorch_lightning.callbacks import ModelCheckpoint, OnExceptionCheckpoint

import keepset
from keepset.lightning import KeepsetCallback
from support.sampler_process import SamplerProcess
from support.training import make_loader

pytestmark = pytest.mark.filterwarnings("ignore")
Make = Callable[..., keepset.Sampler]
BATCHES = [12, 3, 6, 12]
"""Of each epoch with the settings UNEVEN."""


@pytest.fixture
def make(sampler: SamplerProcess, run_id: str) -> Iterator[Make]:
    """Makes a sampler of this test's run, as a program that is started again does."""
    with ExitStack() as stack:

        def make_sampler(**settings: Any) -> keepset.Sampler:
            common = {"address": sampler.address, "selection_period": 1, "prune_rate": 0.5, "epochs": EPOCHS}
            made = keepset.Sampler(N, **{"run_id": run_id, **common, **UNEVEN, **settings})
            stack.callback(made.close)
            return made

        yield make_sampler


@pytest.fixture(scope="module")
def undisturbed(sampler: SamplerProcess) -> Iterator[Model]:
    """A training that nothing happened to."""
    settings: dict[str, Any] = {"selection_period": 1, "prune_rate": 0.5, "epochs": EPOCHS, **UNEVEN}
    torch.manual_seed(0)
    whole = keepset.Sampler(N, address=sampler.address, run_id="lightning-resume-undisturbed", **settings)
    yield fit(whole)
    whole.close()


def interrupt(sampler: keepset.Sampler, callbacks: list[Any], folder: Path, **options: Any) -> Model:
    """Trains until the model fails."""
    torch.manual_seed(0)
    model = Model(sampler, fail_at=options.pop("fail_at"), late=options.pop("late", False))
    with pytest.raises(RuntimeError, match="as it was told"):
        fit(sampler, callbacks, model=model, folder=folder, **options)
    sampler.close()
    return model


def of_steps(folder: Path) -> ModelCheckpoint:
    """Makes a checkpoint after each step."""
    return ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)


def assert_went_on(resumed: Model, undisturbed: Model, epoch: int, batch: int) -> None:
    """From a batch of an epoch on, what was trained is what an undisturbed training trained, to the same weights."""
    rest = {later: undisturbed.trained[later] for later in range(epoch, EPOCHS)}
    rest[epoch] = rest[epoch][batch * BATCH :]
    assert resumed.trained == {later: order for later, order in rest.items() if order}
    assert resumed.batches.get(epoch, []) == list(range(batch, BATCHES[epoch]))
    assert resumed.trainer.global_step == sum(BATCHES)
    progress = resumed.sampler.run.info().progress
    assert progress.observations == sum(map(len, undisturbed.trained.values())), "no loss is missing, none counts twice"
    assert resumed.inner.weight.item() == undisturbed.inner.weight.item()
    assert resumed.rates == undisturbed.rates[-len(resumed.rates) :]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("max_steps", [-1, 100])
@pytest.mark.parametrize(
    "step, fail_at, goes_on_at",
    [
        (5, (0, 7), (0, 5)),
        (9, (0, 10), (0, 9)),  # fewer batches are left than are behind
        (12, (1, 0), (1, 0)),  # the epoch's last batch, before a shorter epoch
        (15, (2, 1), (2, 0)),  # before a longer one
        (20, (2, 5), (2, 5)),
    ],
)
def test_goes_on_from_a_checkpoint_of_a_step(
    make: Make,
    undisturbed: Model,
    tmp_path: Path,
    workers: int,
    max_steps: int,
    step: int,
    fail_at: tuple[int, int],
    goes_on_at: tuple[int, int],
) -> None:
    interrupt(make(), [of_steps(tmp_path)], tmp_path, fail_at=fail_at, max_steps=max_steps)
    checkpoint = tmp_path / f"step={step}.ckpt"
    assert torch.load(checkpoint, weights_only=True)["callbacks"]["KeepsetCallback"]
    resumed = fit(make(), resume=checkpoint, workers=workers, max_steps=max_steps)
    assert_went_on(resumed, undisturbed, *goes_on_at)


@pytest.mark.parametrize("validate", [False, True])
@pytest.mark.parametrize("max_steps", [-1, 100])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_goes_on_from_the_end_of_an_epoch(
    make: Make, undisturbed: Model, tmp_path: Path, after: int, max_steps: int, validate: bool
) -> None:
    saver = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
    options: dict[str, Any] = {"max_steps": max_steps, "validate": validate}
    interrupt(make(), [saver], tmp_path, fail_at=(after + 1, 1), **options)
    resumed = fit(make(), resume=tmp_path / f"epoch={after}.ckpt", **options)
    assert_went_on(resumed, undisturbed, after + 1, 0)
    assert resumed.validations == list(range(after + 1, EPOCHS)) * validate


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("epoch, place, goes_on_at", [(1, 1, (1, 1)), (1, 3, (2, 0)), (2, 3, (2, 3)), (2, 6, (3, 0))])
def test_goes_on_from_a_validation(
    make: Make, undisturbed: Model, tmp_path: Path, workers: int, epoch: int, place: int, goes_on_at: tuple[int, int]
) -> None:
    """In the middle of an epoch and at its end, also where the run has gone on to the next epoch since."""
    saver = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, save_on_train_epoch_end=False)
    fail_at = goes_on_at[0], goes_on_at[1] + 1
    interrupt(make(), [saver], tmp_path, fail_at=fail_at, val_check_interval=0.5)
    checkpoint = tmp_path / f"step={sum(BATCHES[:epoch]) + place}.ckpt"
    resumed = fit(make(), resume=checkpoint, workers=workers, val_check_interval=0.5)
    assert_went_on(resumed, undisturbed, *goes_on_at)


@pytest.mark.parametrize("late", [False, True])
def test_goes_on_from_an_exception(make: Make, undisturbed: Model, tmp_path: Path, late: bool) -> None:
    """In the middle of a batch, before its losses were reported and after it. The batch is trained again."""
    sampler = make()
    interrupt(sampler, [OnExceptionCheckpoint(tmp_path)], tmp_path, fail_at=(2, 3), late=late)
    resumed = fit(make(), resume=tmp_path / "on_exception.ckpt")
    assert_went_on(resumed, undisturbed, 2, 3)


def test_goes_on_twice(make: Make, undisturbed: Model, tmp_path: Path) -> None:
    """Checkpoints of a training that went on from one of an epoch's last batch are as good as any."""
    interrupt(make(), [of_steps(tmp_path)], tmp_path, fail_at=(2, 1))
    second = tmp_path / "second"
    interrupt(make(), [of_steps(second)], second, fail_at=(3, 4), resume=tmp_path / "step=15.ckpt")
    resumed = fit(make(), resume=second / "step=23.ckpt")
    assert_went_on(resumed, undisturbed, 3, 2)


def test_goes_on_in_limited_epochs(make: Make, run_id: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"limit_train_batches": 2}
    whole = fit(make(run_id=f"{run_id}-whole"), **options)
    interrupt(make(), [of_steps(tmp_path)], tmp_path, fail_at=(2, 1), **options)
    for step, epoch, batch in [(5, 2, 1), (4, 2, 0)]:
        resumed = fit(make(), resume=tmp_path / f"step={step}.ckpt", **options)
        orders = {later: whole.trained[later] for later in (2, 3)}
        assert resumed.trained == {**orders, epoch: orders[epoch][batch * BATCH :]}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("options", [{"limit_train_batches": 2}, {"drop_last": True}])
def test_goes_on_from_the_end_of_an_epoch_with_samples_left_out(
    make: Make, run_id: str, tmp_path: Path, options: dict[str, Any], workers: int
) -> None:
    """From its validation, when the run has gone on to the next epoch since."""
    settings = {"prune_rate_schedule": [(1, 0.6)], "tail_epochs": 0}  # 38 samples, of which 32 are in whole batches
    whole = fit(make(run_id=f"{run_id}-whole", **settings), **options)
    saver = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_on_train_epoch_end=False)
    interrupt(make(**settings), [saver], tmp_path, fail_at=(2, 1), **options)
    resumed = fit(make(**settings), resume=tmp_path / "epoch=1.ckpt", workers=workers, **options)
    assert resumed.trained == {epoch: whole.trained[epoch] for epoch in (2, 3)}
    assert resumed.validations == [2, 3]


def test_goes_on_with_another_sampler(
    make: Make, undisturbed: Model, file_sampler: SamplerProcess, tmp_path: Path
) -> None:
    """From the run's whole state in the checkpoint, which loads with weights_only=True."""
    interrupt(make(), [of_steps(tmp_path)], tmp_path, fail_at=(2, 5), export=True)
    checkpoint = tmp_path / "step=18.ckpt"
    assert torch.load(checkpoint, weights_only=True)["callbacks"]["KeepsetCallback"]["export"].dtype == torch.uint8
    resumed = fit(make(address=file_sampler.address), resume=checkpoint, export=True)
    assert_went_on(resumed, undisturbed, 2, 3)


def test_a_finished_training_goes_on_from_an_earlier_checkpoint(make: Make, undisturbed: Model, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sampler = make()
    fit(sampler, [ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)], folder=tmp_path)
    assert sampler.run.info().state == "finished"
    assert_went_on(fit(make(), resume=tmp_path / "epoch=1.ckpt"), undisturbed, 2, 0)


def test_the_same_trainer_fits_on(make: Make, run_id: str) -> None:
    whole = fit(make(run_id=f"{run_id}-whole"))
    sampler = make()
    model = fit(sampler, max_epochs=2)
    model.trainer.fit_loop.max_epochs = EPOCHS
    model.trainer.fit(model, make_loader(sampler, N, BATCH))
    assert model.trained == whole.trained


def test_refuses_a_checkpoint_that_does_not_fit(make: Make, tmp_path: Path) -> None:
    interrupt(make(), [of_steps(tmp_path)], tmp_path, fail_at=(0, 6))
    sampler = make()
    trainer = make_trainer([KeepsetCallback(sampler)])
    with pytest.raises(ValueError, match=r"after 5 batches of an epoch, of whose 24 batches 14 are left: go on with"):
        trainer.fit(Model(sampler), make_loader(sampler, N, BATCH // 2), ckpt_path=tmp_path / "step=5.ckpt")
    plain = make_trainer([], max_epochs=1)
    sampler = make()
    plain.fit(Model(sampler), make_loader(sampler, N, BATCH))
    plain.save_checkpoint(tmp_path / "plain.ckpt")
    with pytest.raises(ValueError, match=r"made without KeepsetCallback.*leave out fit\(ckpt_path=...\)"):
        fit(make(), resume=tmp_path / "plain.ckpt")
