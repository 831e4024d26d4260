"""A data set whose samples carry their index, so that a loss can be credited to its sample."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, SupportsIndex, TypeVar, cast, overload

from torch.utils.data import Dataset, IterableDataset, Subset

Sample = TypeVar("Sample")
Sample_co = TypeVar("Sample_co", covariant=True)
Item_co = TypeVar("Item_co", covariant=True)
Value = TypeVar("Value")


class MapStyle(Protocol[Sample_co]):
    """What a data set needs: a length, and samples by position."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample_co: ...


class IndexedDataset(Dataset[Item_co]):
    """A map-style data set whose samples carry their position. Made by `indexed`.

    Attributes: dataset, the data set inside; key, the name under which a dict sample carries its index.
    """

    def __init__(self, dataset: MapStyle[Any], key: str = "index") -> None:
        self.dataset = dataset
        self.key = key

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: SupportsIndex) -> Item_co:
        """The sample at `index` with its index. Negative ones count from the end; IndexError outside the data set."""
        position = self._position(index)
        return self._item(position, self.dataset[position])

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[Item_co]:
        """The samples of a batch at once: the DataLoader asks so. Uses the data set's own batched reading if any."""
        positions = [self._position(index) for index in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        if not callable(fetch):
            return [self._item(position, self.dataset[position]) for position in positions]
        samples = cast(Sequence[object], fetch(positions))
        if len(samples) != len(positions):
            raise ValueError(
                f"{type(self.dataset).__name__}.__getitems__ gave {len(samples)} samples for {len(positions)} indices: "
                "their losses could not be told apart. It must give one sample for each index, in order."
            )
        return [self._item(position, sample) for position, sample in zip(positions, samples, strict=True)]

    def _position(self, index: SupportsIndex) -> int:
        try:
            position = operator.index(index)
        except TypeError:
            raise TypeError(
                f"indexed(dataset)[{index!r}]: an index is one whole number. For whole batches pass "
                "DataLoader(..., sampler=sampler, batch_size=...) or batch_sampler=."
            ) from None
        count = len(self.dataset)
        if not -count <= position < count:
            raise IndexError(f"index {position} is outside the data set of {count} samples")
        return position + count if position < 0 else position

    def _item(self, position: int, sample: object) -> Item_co:
        if not isinstance(sample, Mapping):
            return cast(Item_co, (position, sample))
        fields = cast(Mapping[str, object], sample)
        if self.key in fields:
            raise ValueError(
                f"the samples have a field {self.key!r} of their own. Name another for the position: "
                f'keepset.indexed(dataset, key="sample_index"), and keepset.Collate(..., key="sample_index").'
            )
        return cast(Item_co, {**fields, self.key: position})


@overload
def indexed(  # pyright: ignore[reportOverlappingOverload]
    dataset: Dataset[Mapping[str, Value]] | MapStyle[Mapping[str, Value]], *, key: str = "index"
) -> IndexedDataset[dict[str, Value | int]]: ...
@overload
def indexed(
    dataset: Dataset[Sample] | MapStyle[Sample], *, key: str = "index"
) -> IndexedDataset[tuple[int, Sample]]: ...
def indexed(dataset: Any, *, key: str = "index") -> IndexedDataset[Any]:
    """Wraps a map-style data set so that every sample carries its position 0 .. N - 1.

    A sample becomes `(position, sample)`; a sample that is a mapping becomes a plain dict with the position under
    `key`. The data set may be anything with a length and samples by position: a torch data set, a Subset, a list,
    a tensor, a Hugging Face `datasets.Dataset`. It is neither read nor copied here; the wrapper can be pickled
    wherever the data set can.

    The position is the one that `keepset.Sampler` counts in, so wrap the very data set that the sampler got, last of
    all: `indexed(Subset(data, kept))`, not `Subset(indexed(data), kept)`.

    Raises TypeError for a stream (iterable-style), an object without length or samples by position, a dict of
    splits, and a data set that is wrapped already. A mapping that has `key` already raises ValueError when read.
    """
    kind = cast(type[object], type(dataset))
    name = kind.__name__
    if _wrapped_already(dataset):
        raise TypeError(
            f"{name} carries its indices already: wrap once, after the data set was split, as in "
            "DataLoader(keepset.indexed(dataset), sampler=sampler)."
        )
    if isinstance(dataset, Mapping):
        raise TypeError(
            f"{name} is a mapping, not a data set of samples by position. Pass one split, as in "
            'keepset.indexed(splits["train"]), or keepset.indexed(list(samples.values())).'
        )
    # A torch IterableDataset inherits __getitem__ from Dataset, so it has to be asked for by its class.
    if isinstance(dataset, IterableDataset) or not hasattr(kind, "__getitem__"):
        raise TypeError(
            f"{name} has no samples by position (it is iterable-style): a stream cannot skip what was pruned, nor tell "
            "which sample a loss belongs to. Pass a map-style data set to keepset.indexed: one with __len__ and "
            "__getitem__; for Hugging Face load_dataset(..., streaming=False)."
        )
    if not hasattr(kind, "__len__"):
        raise TypeError(
            f"{name} has no __len__: pruning needs to know the number of samples. Give the class "
            "def __len__(self): return <number of samples>."
        )
    return IndexedDataset(dataset, key)


def _wrapped_already(dataset: object) -> bool:
    while isinstance(dataset, Subset):
        dataset = cast(object, dataset.dataset)
    return isinstance(dataset, IndexedDataset)
