"""From losses that are finer than a sample to one for each sample."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor


def per_sample(
    losses: Tensor, *, mask: Tensor | None = None, reduction: Literal["mean", "sum", "max"] = "mean"
) -> Tensor:
    """One loss for each sample from several: per token, per pixel, per box of a fixed grid.

        token_losses = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
        losses = keepset.per_sample(token_losses, mask=labels != -100)

    losses: shape (B, ...), floating. mask: what counts, bool or integer (0 does not count), of the shape of losses or
    of its leading dimensions (B, or B and T of B, T, C). What the mask leaves out has no part in the result or its
    gradient, not even where it is NaN or infinite.
    Answers shape (B,), differentiable, without waiting for the device; float32 for float16 and bfloat16 (summed in
    float32), else the dtype of losses.

    A sample where nothing counts has loss 0 and no gradient: training gets nothing from it, and the mean of the batch
    stays finite. If only the chance of a random mask left it empty, say that nothing was learnt about it by reporting
    NaN as its score, which changes no statistics: `score=torch.where(mask.any(1), losses, torch.nan)`.

    The mean of these means is not the mean over all tokens of the batch: use reduction="sum" to weigh samples by
    their tokens.

    Raises ValueError for shapes that do not fit and an unknown reduction, TypeError for dtypes.
    """
    _check(losses)
    values = _widen(losses)
    counts = torch.ones_like(values, dtype=torch.bool) if mask is None else _expand(mask, losses)
    rows = (len(losses), math.prod(losses.shape[1:]))
    values, counts = values.reshape(rows), counts.reshape(rows)
    if reduction == "sum":
        return values.masked_fill(~counts, 0.0).sum(1)
    if reduction == "mean":
        return values.masked_fill(~counts, 0.0).sum(1) / counts.sum(1).clamp(min=1)
    if reduction == "max":
        if rows[1] == 0:
            return values.sum(1)
        return values.masked_fill(~counts, -torch.inf).amax(1).masked_fill(~counts.any(1), 0.0)
    raise ValueError(f'reduction={reduction!r}: use "mean", "sum" or "max".')


def per_object(
    losses: Tensor, sample_of_object: Tensor, batch_size: int, *, reduction: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """One loss for each sample from those of its objects, as many as it has: boxes of an image, spans of a text.

    losses: shape (K,), floating, K objects of the whole batch. sample_of_object: shape (K,), integer, the place in
    the batch, 0 to batch_size - 1, of the sample that object k belongs to. batch_size: B.
    Answers shape (B,), differentiable, without waiting for the device; float32 for float16 and bfloat16 (summed in
    float32), else the dtype of losses. A sample without objects has loss 0 and no gradient, as in `per_sample`.

    Raises ValueError for shapes that do not fit and an unknown reduction, TypeError for dtypes. A place outside the
    batch is torch's IndexError (on a GPU a device-side assert).
    """
    _check(losses)
    if losses.ndim != 1 or sample_of_object.shape != losses.shape:
        raise ValueError(
            f"losses has shape {tuple(losses.shape)}, sample_of_object {tuple(sample_of_object.shape)}: both must be "
            "(number of objects,). Sum the parts of an object's loss first, as in losses.sum(1)."
        )
    if sample_of_object.is_floating_point() or sample_of_object.dtype == torch.bool:
        raise TypeError(f"sample_of_object has dtype {sample_of_object.dtype}: it must be integer.")
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction={reduction!r}: use "mean" or "sum".')
    values = _widen(losses)
    place = sample_of_object.to(losses.device, torch.int64, non_blocking=True)
    total = values.new_zeros(batch_size).index_add(0, place, values)
    if reduction == "sum":
        return total
    return total / values.new_zeros(batch_size).index_add(0, place, torch.ones_like(values)).clamp(min=1)


def _check(losses: Tensor) -> None:
    if losses.ndim == 0:
        raise ValueError(
            "losses is a single number (shape ()), the mean of the batch or so: the losses before it are needed. "
            'Change the loss to reduction="none", as in F.cross_entropy(logits, y, reduction="none").'
        )
    if not losses.is_floating_point():
        raise TypeError(f"losses has dtype {losses.dtype}: it must be floating.")


def _widen(losses: Tensor) -> Tensor:
    return losses.float() if losses.dtype in (torch.float16, torch.bfloat16) else losses


def _expand(mask: Tensor, losses: Tensor) -> Tensor:
    if mask.is_floating_point() or mask.is_complex():
        raise TypeError(
            f"mask has dtype {mask.dtype}: it says what counts, as bool or integer. Multiply losses by weights instead."
        )
    if mask.ndim == 0 or mask.shape != losses.shape[: mask.ndim]:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, losses {tuple(losses.shape)}: mask must have the shape of losses or "
            "of its leading dimensions."
        )
    return mask.bool().reshape(*mask.shape, *[1] * (losses.ndim - mask.ndim)).expand_as(losses)
