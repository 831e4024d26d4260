"""Where a batch stands in the plan of its epoch, and how large it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keepset.client import PendingValues, Plan
from keepset.unpruned import UnprunedPlan

Values = npt.NDArray[Any] | PendingValues
"""Values of a batch, (B,): an array, or one that is still on its way from a device."""


def following(plan: Plan | UnprunedPlan, position: int, count: int) -> npt.NDArray[np.uint32]:
    """The indices of the `count` positions from `position` on. Raises ValueError where fewer are left."""
    start = position - plan.start_position
    indices = plan.indices[start : start + count]
    if len(indices) < count:
        raise ValueError(
            f"{count} losses were reported, but {len(indices)} of the {plan.position_count} positions of "
            f"epoch {plan.epoch} are left: "
            "report(losses) needs every batch once and in the loader's order; else use report(index, losses), "
            "and sampler.set_epoch(epoch) before each epoch"
        )
    return indices


def position_after(plan: Plan | UnprunedPlan, position: int, indices: Values, count: int, largest_batch: int) -> int:
    """Where a batch ends. A loader that keeps the plan's order, as all but few do, is followed exactly, also when
    it begins the epoch anew. `position`: where the rank stands. `largest_batch`: of the epoch so far.

    Raises ValueError where the epoch was reported whole.
    """
    start = position - plan.start_position
    is_from_start = (
        isinstance(indices, np.ndarray)
        and not _is_at(start, plan.indices, indices)
        and np.array_equal(plan.indices[:count], indices)
    )
    left = plan.position_count - position
    if left <= 0 or (is_from_start and left < largest_batch):
        raise ValueError(
            f"every sample of epoch {plan.epoch} has been reported already: call sampler.set_epoch(epoch), with "
            "the next number, before each epoch, and report each batch once"
        )
    return plan.start_position + count if is_from_start else position + min(count, left)


def batch_size(indices: Values | None, losses: Values, metrics: Mapping[str, Values], *, is_batch_loss: bool) -> int:
    """Number of samples of a batch, B. `is_batch_loss`: `losses` is one value, (1,), for all of them. Raises ValueError
    where a column has not as many, or there are none.
    """
    if is_batch_loss:
        if indices is None:
            raise ValueError("the mean loss of a batch does not say of which samples: use report(index, loss)")
        count = indices.size
    else:
        count = losses.size
    if count == 0:
        raise ValueError("losses is empty: report at least one sample")
    if indices is not None and indices.size != count:
        raise ValueError(f"losses has {count} values, index {indices.size}: there must be one loss a sample")
    for name, values in metrics.items():
        if values.size != count:
            raise ValueError(f"metrics[{name!r}] has {values.size} values, losses {count}: there must be one a sample")
    return count


def _is_at(start: int, order: npt.NDArray[np.uint32], indices: npt.NDArray[Any]) -> bool:
    """Whether a batch stands at a place of the plan's order, by its ends: all but padding is there once."""
    last = start + indices.size - 1
    return last < len(order) and order.item(start) == indices.item(0) and order.item(last) == indices.item(-1)
