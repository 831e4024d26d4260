"""How many optimizer steps a training of several epochs makes, where epochs have different lengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from keepset.sampler import Sampler


class Steps(NamedTuple):
    """Length of a training."""

    steps: int
    """Optimizer steps."""
    epochs: int
    """Epochs that they take, the last one perhaps in part."""


def count_steps(
    sampler: Sampler, *, batch_size: int, accumulation: int, drop_last: bool, epochs: float, max_steps: int
) -> Steps:
    """The length of a training of `epochs` epochs, or, where it is positive, of `max_steps` optimizer steps.

    Where the policy itself decides how long epochs are, only `max_steps` can say how long the training is; it ends with
    the sampler's epochs before.

    Raises ValueError where batches would get no optimizer step, the sampler counts other epochs, or the length is not
    known.
    """
    lengths = sampler.lengths
    multiple = batch_size * accumulation
    if accumulation > 1 and lengths.position_multiple % multiple:
        raise ValueError(
            f"position_multiple is {lengths.position_multiple}, but a step takes {multiple} samples of a rank "
            f"(batch size {batch_size} x gradient_accumulation_steps {accumulation}): the last batches of an epoch "
            f"would get none. Make it keepset.Sampler(position_multiple={multiple})"
        )

    if not lengths.are_all_known:
        if max_steps > 0 and lengths.epochs is not None:
            return Steps(max_steps, lengths.epochs)
        raise ValueError(
            "the policy decides by the losses how many samples an epoch has, so the number of steps is not known: give "
            "TrainingArguments(max_steps=...), which ends the training, and keepset.Sampler(epochs=...)"
        )

    def steps_in(epoch: int) -> int:
        steps = lengths.step_count(epoch, sampler.world_size, batch_size, drop_last) // accumulation
        if steps == 0:
            raise ValueError(f"epoch {epoch} has too few samples for a step: lower prune_rate or the batch size")
        return steps

    if max_steps > 0:
        return _until(max_steps, steps_in, lengths.epochs)
    whole = math.ceil(epochs)
    if whole < 1 or lengths.epochs not in (None, whole):
        raise ValueError(
            f"num_train_epochs is {epochs:g}, the sampler has epochs={lengths.epochs}: give both the same number"
        )
    before = sum(steps_in(epoch) for epoch in range(whole - 1))
    return Steps(before + math.ceil((epochs - whole + 1) * steps_in(whole - 1)), whole)


def _until(max_steps: int, steps_in: Callable[[int], int], epochs: int | None) -> Steps:
    done = epoch = 0
    while done < max_steps:
        if epoch == epochs:
            raise ValueError(f"max_steps is {max_steps}, but the sampler's {epochs} epochs have {done} steps only")
        done += steps_in(epoch)
        epoch += 1
    return Steps(max_steps, epoch)
