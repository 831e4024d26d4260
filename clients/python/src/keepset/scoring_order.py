"""The order in which a rank scores, where its forward passes may have to meet those of other ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import Sampler as TorchSampler

from keepset.sampler import Sampler

# By name: they lie elsewhere in each version of torch, or in no torch at all.
_SHARDED_MODULES = {"FullyShardedDataParallel", "FSDPModule"}
_SHARDED_PARAMETERS = {"DTensor"}


class ScoringOrder(TorchSampler[int]):
    """What a rank is to score, up to `count` positions: the first of it once more, or the data set's where it has
    none, whose losses go nowhere.
    """

    def __init__(self, sampler: Sampler, count: int) -> None:
        super().__init__()
        self._scoring = sampler.scoring
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        first = 0
        for place, index in enumerate(self._scoring):
            if place == 0:
                first = index
            yield index
        for _ in range(self._count - len(self._scoring)):
            yield first


def scoring_order(sampler: Sampler, model: nn.Module) -> ScoringOrder:
    """What this rank scores by `model`. Where its forward pass is one of all ranks, they agree here on equally many."""
    count = len(sampler.scoring)
    if sampler.scores_left_out and meets_other_ranks(model) and dist.is_initialized():
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        most = torch.tensor(count, device=device)
        cast(Any, dist).all_reduce(most, dist.ReduceOp.MAX)  # torch's own type is partial
        count = int(most.item())
    return ScoringOrder(sampler, count)


def meets_other_ranks(model: nn.Module) -> bool:
    """Whether the forward pass collects parameters from other ranks, as with FSDP, tensor parallelism or ZeRO-3."""
    return any(kind.__name__ in _SHARDED_MODULES for module in model.modules() for kind in type(module).__mro__) or any(
        type(parameter).__name__ in _SHARDED_PARAMETERS or hasattr(parameter, "ds_id")
        for parameter in model.parameters()
    )
