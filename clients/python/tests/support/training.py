"""A training without a model: the loss of a sample depends on its index and the epoch alone, so every kept set can be
repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

import keepset

Losses = Callable[[np.ndarray[Any, Any], int], torch.Tensor]


def losses_of(indices: np.ndarray[Any, Any], epoch: int) -> torch.Tensor:
    """Losses in [0, 1) that differ between samples and change between epochs."""
    mixed = (indices.astype(np.uint64) * np.uint64(2654435761) + np.uint64(epoch) * np.uint64(40503)) % np.uint64(10007)
    return torch.from_numpy((mixed / 10007).astype(np.float32))


def make_loader(sampler: keepset.Sampler, count: int, batch_size: int = 8, **options: Any) -> DataLoader[Any]:
    """A loader of `count` samples that are their own index."""
    options.setdefault("collate_fn", keepset.collate)
    return DataLoader(keepset.indexed(range(count)), batch_size=batch_size, sampler=sampler, **options)


def train_epoch(
    sampler: keepset.Sampler,
    loader: DataLoader[Any],
    epoch: int,
    *,
    stop_after: int | None = None,
    losses: Losses = losses_of,
) -> list[int]:
    """Trains on an epoch, or on its first `stop_after` batches. Returns the indices in their order."""
    sampler.set_epoch(epoch)
    trained: list[int] = []
    for number, (index, _) in enumerate(loader):
        if number == stop_after:
            break
        sampler.report(index, losses(index, epoch))
        trained.extend(index.tolist())
    return trained
