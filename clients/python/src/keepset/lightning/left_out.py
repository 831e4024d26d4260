"""The forward pass of a Lightning training over what an epoch left out."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.utils.data import DataLoader

from keepset.left_out import evaluating, scoring_loader
from keepset.lightning.package import LightningModule, Trainer
from keepset.sampler import Sampler


def check_scoring_step(module: LightningModule, sampler: Sampler) -> None:
    """Raises ValueError where the sampler has left-out samples scored and the module cannot."""
    if sampler.scores_left_out and not callable(getattr(module, "scoring_step", None)):
        raise ValueError(
            "the policy has what an epoch leaves out scored after it: give the module "
            "`def scoring_step(self, batch, batch_idx)`, which makes the losses as training_step does and ends with "
            "`self.sampler.scoring.report(index, losses)`, or the sampler score_left_out=False"
        )


def run_scoring_steps(trainer: Trainer, module: LightningModule, sampler: Sampler, trained_on: DataLoader[Any]) -> None:
    """Calls the module's `scoring_step` with batches of what this rank is to score, in eval mode and without gradient;
    they are made as those of the loader that is trained on, and come to the device by the module's own hooks. Then the
    losses of all ranks are recorded.
    """
    if not sampler.scores_left_out:
        return
    precision: Any = trainer.precision_plugin
    with evaluating(module), torch.no_grad(), precision.forward_context():
        for number, batch in enumerate(scoring_loader(sampler, trained_on, cast(Any, trainer).model)):
            converted = cast(Any, module)._on_before_batch_transfer(precision.convert_input(batch), dataloader_idx=0)
            moved: Any = trainer.strategy.batch_to_device(converted, dataloader_idx=0)
            cast(Any, module).scoring_step(moved, number)
    sampler.flush()
    trainer.strategy.barrier("keepset")  # A checkpoint is of all ranks.
