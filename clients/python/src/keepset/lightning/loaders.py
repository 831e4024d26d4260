"""The loader of a Lightning training that has the sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from torch.utils.data import DataLoader, default_collate  # pyright: ignore[reportUnknownVariableType]

from keepset.indexed_dataset import IndexedDataset
from keepset.sampler import Sampler


def find_loader(loaders: Any, sampler: Sampler) -> DataLoader[Any]:
    """The one of the trainer's loaders, alone or in lists and dicts, that has the sampler. Raises ValueError where it
    is not exactly one, or its batches carry no index, or one that Lightning moves to the device.
    """
    found = [loader for loader in _flat(loaders) if _has(loader, sampler)]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} of the loaders that trainer.fit trains on have the sampler of KeepsetCallback(sampler): "
            "give one of them DataLoader(keepset.indexed(dataset), sampler=sampler)"
        )
    loader = found[0]
    if not isinstance(loader.dataset, IndexedDataset):
        raise ValueError(
            f"the loader's data set is a {type(loader.dataset).__name__}, whose samples do not carry their index: "
            "DataLoader(keepset.indexed(dataset), sampler=sampler, collate_fn=keepset.collate)"
        )
    if loader.collate_fn is default_collate:
        raise ValueError(
            "the loader has no collate_fn: DataLoader(..., collate_fn=keepset.collate) leaves the index on the host, "
            "where Lightning would move it to the device with the batch"
        )
    return loader


def _flat(loaders: Any) -> Iterator[Any]:
    if isinstance(loaders, Mapping):
        loaders = list(cast(Mapping[Any, Any], loaders).values())
    if not isinstance(loaders, Sequence):
        yield loaders
        return
    for part in cast(Sequence[Any], loaders):
        yield from _flat(part)


def _has(loader: Any, sampler: Sampler) -> bool:
    if not isinstance(loader, DataLoader):
        return False
    batch_sampler = cast(Any, loader).batch_sampler
    return sampler in (cast(Any, loader).sampler, getattr(batch_sampler, "sampler", None))
