"""How many optimizer steps a training with Lightning makes."""

from __future__ import annotations

from typing import Any, cast

from keepset.lightning.package import Trainer
from keepset.sampler import Sampler


def total_steps(trainer: Trainer, sampler: Sampler, batch_size: int, drop_last: bool = False) -> int:
    """Optimizer steps of a whole `fit`, for a learning-rate schedule: `trainer.estimated_stepping_batches` takes every
    epoch for as long as the first one. To be called in `configure_optimizers`.

    It follows the trainer's `max_epochs`, `max_steps`, `limit_train_batches` and `accumulate_grad_batches`, also that
    of a GradientAccumulationScheduler; the odd batches at an epoch's end make a step, as they do in Lightning.

    Args:
        batch_size, drop_last: those of the loader, for one process.

    Raises:
        ValueError: the trainer has no end.
    """
    max_epochs, max_steps = trainer.max_epochs, trainer.max_steps
    if max_epochs is None or max_epochs < 0:
        if max_steps < 0:
            raise ValueError("the trainer has no end: give Trainer(max_epochs=...) or Trainer(max_steps=...)")
        return max_steps
    steps = 0
    for epoch in range(max_epochs):
        batches = _limit(trainer, sampler.steps_per_epoch(batch_size, drop_last, epoch=epoch))
        steps += -(-batches // _accumulation(trainer, epoch))
    return min(steps, max_steps) if max_steps >= 0 else steps


def _limit(trainer: Trainer, batches: int) -> int:
    limit: int | float = cast(Any, trainer).limit_train_batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _accumulation(trainer: Trainer, epoch: int) -> int:
    for callback in cast(Any, trainer).callbacks:
        if hasattr(callback, "get_accumulate_grad_batches"):
            return callback.get_accumulate_grad_batches(epoch)
    return trainer.accumulate_grad_batches
