"""A training with Lightning whose losses depend on sample and epoch alone, so that every kept set can be repeated."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import keepset
from keepset.lightning import KeepsetCallback, total_steps
from support.training import losses_of, make_loader, train_epoch

N, BATCH, EPOCHS = 96, 8, 4
# 12, 3, 6 and 12 batches: epochs get shorter and longer again.
UNEVEN: dict[str, Any] = {"prune_rate_schedule": [(1, 0.75), (2, 0.5)], "tail_epochs": 1}


class Model(pl.LightningModule):
    """Remembers what it was given: indices, batch numbers, validations by epoch, the rate of each optimizer step.

    In the batch `fail_at` (epoch, number) it fails, before its losses are reported or, if `late`, after that. In its
    first `tries` batches it has other losses than later.
    """

    def __init__(
        self, sampler: keepset.Sampler, *, fail_at: tuple[int, int] | None = None, late: bool = False, tries: int = 0
    ) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(1, 1)
        self.sampler = sampler
        self.fail_at, self.late, self.tries = fail_at, late, tries
        self.trained: dict[int, list[int]] = {}
        self.batches: dict[int, list[int]] = {}
        self.validations: list[int] = []
        self.rates: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        index, x = batch
        place = (self.current_epoch, batch_idx)
        if place == self.fail_at and not self.late:
            raise RuntimeError("as it was told")
        output = self.inner(x.float().reshape(-1, 1) / N).flatten()
        losses = (output - x / N) ** 2
        score = losses_of(index, self.current_epoch)
        self.tries -= 1
        loss = self.sampler.report(index, losses, score=1 - score if self.tries >= 0 else score)
        if place == self.fail_at:
            raise RuntimeError("as it was told")
        self.trained.setdefault(self.current_epoch, []).extend(index.tolist())
        self.batches.setdefault(self.current_epoch, []).append(batch_idx)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0 and not self.trainer.sanity_checking:
            self.validations.append(self.current_epoch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        steps = total_steps(self.trainer, self.sampler, BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=max(steps, 2))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def make_trainer(callbacks: Sequence[Any], folder: Path | None = None, **options: Any) -> Any:
    """A quiet trainer; with checkpoints, of the callbacks that make them, where there is a folder."""
    options.setdefault("max_epochs", EPOCHS)
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        callbacks=list(callbacks),
        default_root_dir=folder,
        enable_checkpointing=folder is not None,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        **options,
    )


def fit(
    sampler: keepset.Sampler,
    callbacks: Sequence[Any] = (),
    *,
    model: Model | None = None,
    workers: int = 0,
    drop_last: bool = False,
    validate: bool = True,
    resume: Path | None = None,
    export: bool = False,
    **options: Any,
) -> Model:
    """Trains with a KeepsetCallback and returns the model, whose trainer is the one that trained it."""
    model = model or Model(sampler)
    trainer = make_trainer([KeepsetCallback(sampler, export=export), *callbacks], **options)
    loader = make_loader(sampler, N, BATCH, num_workers=workers, drop_last=drop_last)
    validation = DataLoader(range(8), batch_size=4) if validate else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few workers, short epochs, unused logs
        trainer.fit(model, loader, validation, ckpt_path=resume)
    return model


def undisturbed(sampler: keepset.Sampler) -> dict[int, list[int]]:
    """The orders of a training without Lightning that nothing happens to, by epoch."""
    loader = make_loader(sampler, N, BATCH)
    return {epoch: train_epoch(sampler, loader, epoch) for epoch in range(EPOCHS)}
