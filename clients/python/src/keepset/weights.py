"""The weights of a plan, for the losses of its batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from keepset.client import Plan


class EpochWeights:
    """Weights by sample: 4 bytes for each of the data set on the host, and where the indices of the batches are on a
    device, there too. None of it waits for the device. What the plan does not have weighs 1.
    """

    def __init__(self, plan: Plan, weights: npt.NDArray[np.float32]) -> None:
        self.plan = plan
        self._table = np.ones(plan.sample_count, np.float32)
        self._table[plan.indices] = weights
        self._tables: dict[torch.device, Tensor] = {}

    def weighted_mean(self, index: Any, losses: Tensor) -> Tensor:
        """mean(weight * loss) over a batch, a float32 scalar that can be differentiated. index: (B,) its samples, as
        `keepset.Sampler.report` takes them. losses: (B,). Its expectation is N / k times the mean loss of all samples.
        """
        if isinstance(index, Tensor) and not index.is_cpu:
            return self._mean(losses, self._on_device(index, losses.device))
        indices = np.asarray(index)
        # What is no index is told by the report, which looks at all of it.
        if indices.dtype.kind not in "iu":
            return losses.mean(dtype=torch.float32)
        weights = self._table.take(indices.astype(np.int64, copy=False), mode="clip")
        return self._mean(losses, _upload(weights, losses.device))

    def _on_device(self, index: Tensor, device: torch.device) -> Tensor:
        table = self._tables.get(index.device)
        if table is None:
            table = self._tables[index.device] = _upload(self._table, index.device)
        # An index outside the table would end the whole process; clamped, the report refuses it.
        weights = table[index.long().clamp(0, len(table) - 1)]
        # Nothing waits for a copy to the host, which might be read before it is there.
        return weights.to(device, non_blocking=device.type != "cpu")

    @staticmethod
    def _mean(losses: Tensor, weights: Tensor) -> Tensor:
        if losses.shape != weights.shape:  # the report tells it better
            return losses.mean(dtype=torch.float32)
        return (losses * weights).mean(dtype=torch.float32)


def _upload(values: npt.NDArray[np.float32], device: torch.device) -> Tensor:
    """A copy of values on a device. Page-locked memory lets one with streams fetch it by itself."""
    host = torch.from_numpy(values)  # pyright: ignore[reportUnknownMemberType]
    return host.pin_memory().to(device, non_blocking=True) if device.type in ("cuda", "xpu") else host.to(device)
