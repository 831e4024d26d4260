"""Batches that carry the indices of their samples, on the host."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from torch.utils.data import default_collate  # pyright: ignore[reportUnknownVariableType]

from keepset.indices import to_indices


class Collate:
    """A collate function for the items of `keepset.indexed`, around any other one.

    collate_fn: makes a batch of a list of samples; it never sees the index. Hugging Face data collators fit.
    key: the name of the index in dict samples; the one that `keepset.indexed` got.

    The index of the batch is a numpy array, uint32, shape (B,): DataLoader's pin_memory, Lightning, accelerate and
    the Hugging Face Trainer move tensors to the device and leave it on the host, where it is needed. It can be
    pickled wherever collate_fn can. collate_fn must keep every sample, in order: a loss is credited by its place.
    """

    def __init__(self, collate_fn: Callable[[list[Any]], Any] = default_collate, *, key: str = "index") -> None:
        self.collate_fn = collate_fn
        self.key = key

    def __call__(self, items: Sequence[Any]) -> Any:
        """A batch of the items: `(index, batch)`, or for dict samples the batch with the index under `key`.

        Where collate_fn makes something else than a mapping of dict samples, the answer is `(index, batch)` too.
        Raises TypeError or ValueError for items without an index.
        """
        if isinstance(items[0], Mapping):
            return self._dicts(cast(Sequence[Mapping[str, Any]], items))
        index, samples = _split(items)
        return index, self.collate_fn(samples)

    def _dicts(self, items: Sequence[Mapping[str, Any]]) -> Any:
        key = self.key
        if any(key not in item for item in items):
            raise ValueError(
                f"a sample of the batch has no field {key!r}. Wrap the data set: "
                f'DataLoader(keepset.indexed(dataset, key="{key}"), collate_fn=..., sampler=sampler).'
            )
        index = to_indices([operator.index(item[key]) for item in items])
        batch = self.collate_fn([{name: item[name] for name in item if name != key} for item in items])
        if not isinstance(batch, Mapping):
            return index, batch
        if key in batch:
            raise ValueError(
                f"the collate function made a field {key!r} of its own. Name another for the index: "
                'keepset.indexed(dataset, key="sample_index") and keepset.Collate(collate_fn, key="sample_index").'
            )
        if not isinstance(batch, MutableMapping):
            return {**cast(Mapping[str, Any], batch), key: index}
        batch[key] = index  # In place, to keep what is more than a dict, as BatchEncoding is.
        return cast(Any, batch)


def _split(items: Sequence[Any]) -> tuple[npt.NDArray[np.uint32], list[Any]]:
    try:
        index = [operator.index(position) for position, _ in items]
    except (TypeError, ValueError):
        raise TypeError(
            f"the items of the batch are no (index, sample) pairs (the first is a {type(items[0]).__name__}). Wrap the "
            "data set: DataLoader(keepset.indexed(dataset), collate_fn=keepset.collate, sampler=sampler)."
        ) from None
    return to_indices(index), [sample for _, sample in items]


_default = Collate()


def collate(items: Sequence[Any]) -> Any:
    """torch's default_collate for the items of `keepset.indexed`, with the index as a numpy array: see `Collate`.

    `DataLoader(keepset.indexed(dataset), collate_fn=keepset.collate, sampler=sampler)` gives `(index, batch)`, or for
    dict samples a dict with the index under "index".
    """
    return _default(items)
