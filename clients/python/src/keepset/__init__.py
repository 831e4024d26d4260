"""Train on the samples that matter now: the Keepset sampler for PyTorch and any other trainer.

The PyTorch names (`Sampler`, `InfiniteSampler`, `indexed`, `collate`, `Collate`, `per_sample`, `per_object`, `scores`,
`score_left_out`) load torch when they are first used; everything else works without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from keepset import client, policies
from keepset.client import connect
from keepset.client.errors import KeepsetError
from keepset.policies import (
    IES,
    RS2,
    UCB,
    Backlog,
    CustomScore,
    EpsilonGreedy,
    Full,
    Importance,
    InfoBatch,
    Kakurenbo,
    OrderDP,
    Policy,
    Random,
    RePB,
    SelectiveBackprop,
    SeTa,
    StaticRandom,
    StaticScore,
)

if TYPE_CHECKING:
    from keepset import scores
    from keepset.collation import Collate, collate
    from keepset.indexed_dataset import indexed
    from keepset.infinite_sampler import InfiniteSampler
    from keepset.learning_rate import ScaledRates
    from keepset.left_out import score_left_out
    from keepset.losses import per_object, per_sample
    from keepset.sampler import Sampler

__version__ = "0.1.0"

__all__ = [
    "IES",
    "RS2",
    "UCB",
    "Backlog",
    "Collate",
    "CustomScore",
    "EpsilonGreedy",
    "Full",
    "Importance",
    "InfiniteSampler",
    "InfoBatch",
    "Kakurenbo",
    "KeepsetError",
    "OrderDP",
    "Policy",
    "Random",
    "RePB",
    "Sampler",
    "ScaledRates",
    "SeTa",
    "SelectiveBackprop",
    "StaticRandom",
    "StaticScore",
    "client",
    "collate",
    "connect",
    "indexed",
    "per_object",
    "per_sample",
    "policies",
    "score_left_out",
    "scores",
]

# Where each name is that needs torch. No module has the name of what it holds: importing it would put the module in
# that place.
_TORCH_NAMES = {
    "Collate": "keepset.collation",
    "InfiniteSampler": "keepset.infinite_sampler",
    "Sampler": "keepset.sampler",
    "ScaledRates": "keepset.learning_rate",
    "collate": "keepset.collation",
    "indexed": "keepset.indexed_dataset",
    "per_object": "keepset.losses",
    "per_sample": "keepset.losses",
    "score_left_out": "keepset.left_out",
}


def __getattr__(name: str) -> Any:
    if name == "scores":
        return importlib.import_module("keepset.scores")
    if name not in _TORCH_NAMES:
        raise AttributeError(f"module 'keepset' has no attribute {name!r}")
    return getattr(importlib.import_module(_TORCH_NAMES[name]), name)
