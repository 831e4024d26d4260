"""This process's place among the data-parallel workers of a training."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple


class World(NamedTuple):
    """Rank and world size, as in torch.distributed."""

    rank: int
    world_size: int


def find_world(rank: int | None = None, world_size: int | None = None) -> World:
    """What the arguments say; else torch.distributed, if it is initialised; else RANK and WORLD_SIZE of the
    environment, as torchrun sets them; else rank 0 of 1.

    Raises ValueError where only one of the two is given, or the rank is not below the world size.
    """
    if (rank is None) != (world_size is None):
        raise ValueError(f"rank is {rank} and world_size is {world_size}: give both or none")
    found = World(rank, world_size) if rank is not None and world_size is not None else _find()
    if not 0 <= found.rank < found.world_size:
        raise ValueError(f"rank is {found.rank}: it must be 0 to {found.world_size - 1}, below the world size")
    return found


def is_across_machines(world: World) -> bool:
    """Whether the launcher says that some ranks run on other machines than this one (LOCAL_WORLD_SIZE, as torchrun
    sets it).
    """
    local = os.environ.get("LOCAL_WORLD_SIZE", "")
    return local.isdigit() and int(local) < world.world_size


def _find() -> World:
    # Who has not imported torch.distributed has not initialised it.
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return World(distributed.get_rank(), distributed.get_world_size())
    rank, world_size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return World(int(rank), int(world_size)) if rank.isdigit() and world_size.isdigit() else World(0, 1)
