import pickle
from collections import UserDict, namedtuple
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from keepset.collation import Collate, collate
from keepset.indexed_dataset import IndexedDataset, indexed

Pair = namedtuple("Pair", ["x", "y"])


class Squares(Dataset[tuple[int, float]]):
    """Samples that tell their own position, so that a wrong index cannot hide."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[int, float]:
        return index, float(index * index)


class Texts(Dataset[dict[str, Any]]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": torch.tensor([index, index]), "text": f"text {index}"}


class Batched(Squares):
    def __getitems__(self, indices: list[int]) -> list[tuple[int, float]]:
        self.asked = indices
        return [self[index] for index in indices]


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))

    def __len__(self) -> int:
        return 3


class Unsized(Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index


def test_is_a_map_style_data_set_of_the_same_length() -> None:
    inner = Squares(7)
    dataset = indexed(inner)
    assert isinstance(dataset, Dataset)
    assert not isinstance(dataset, IterableDataset)
    assert len(dataset) == 7
    assert dataset.dataset is inner


@pytest.mark.parametrize(
    ("sample", "same"),
    [
        ((1, 2), (1, 2)),
        (Pair(1, 2), Pair(1, 2)),
        ([1, 2], [1, 2]),
        ("text", "text"),
        (None, None),
        (5, 5),
    ],
)
def test_pairs_a_sample_with_its_position(sample: object, same: object) -> None:
    position, answer = indexed([None, sample])[1]
    assert position == 1
    assert answer == same
    assert type(answer) is type(same)


def test_takes_tensors_arrays_and_tensor_data_sets() -> None:
    values = torch.arange(6).reshape(3, 2)
    assert indexed(values)[2][1].tolist() == [4, 5]
    assert indexed(values.numpy())[2][1].tolist() == [4, 5]
    position, (x, y) = indexed(TensorDataset(values, values + 1))[1]
    assert (position, x.tolist(), y.tolist()) == (1, [2, 3], [3, 4])


@pytest.mark.parametrize("make", [dict, UserDict, MappingProxyType])
def test_puts_the_position_into_a_dict_sample(make: Any) -> None:
    inner = make({"x": 1})
    sample = indexed([inner])[0]
    assert type(sample) is dict
    assert sample == {"x": 1, "index": 0}
    assert dict(inner) == {"x": 1}, "the data set's own sample must stay as it is"


def test_makes_a_plain_dict_of_a_batch_encoding() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    encoding = transformers.BatchEncoding({"input_ids": [1, 2]})
    assert indexed([encoding])[0] == {"input_ids": [1, 2], "index": 0}


def test_names_the_key_that_is_taken() -> None:
    dataset = [{"index": "a", "x": 1}]
    with pytest.raises(ValueError, match=r"field 'index'.*key="):
        indexed(dataset)[0]
    assert indexed(dataset, key="sample_index")[0] == {"index": "a", "x": 1, "sample_index": 0}


@pytest.mark.parametrize("index", [2, -1, np.int64(2), np.uint32(2), np.array(2), torch.tensor(2), torch.tensor(-1)])
def test_gives_the_position_as_a_plain_integer(index: Any) -> None:
    position, sample = indexed(Squares(3))[index]
    assert type(position) is int
    assert (position, sample) == (2, (2, 4.0))
    positions = [position for position, _ in indexed(Squares(3)).__getitems__([index, 0])]
    assert positions == [2, 0]
    assert all(type(position) is int for position in positions)


def test_ends_where_the_data_set_ends() -> None:
    dataset = indexed(["a", "b"])
    assert list(dataset) == [(0, "a"), (1, "b")]
    for outside in (2, -3):
        with pytest.raises(IndexError, match="outside the data set of 2"):
            dataset[outside]


@pytest.mark.parametrize("index", [[0, 1], "0", 1.0, slice(0, 1), torch.tensor([0, 1])])
def test_refuses_what_is_no_index(index: Any) -> None:
    with pytest.raises(TypeError, match="sampler=sampler"):
        indexed(Squares(3))[index]


def test_reads_whole_batches_where_the_data_set_can() -> None:
    inner = Batched(9)
    assert indexed(inner).__getitems__([3, -1, 0]) == [(3, (3, 9.0)), (8, (8, 64.0)), (0, (0, 0.0))]
    assert inner.asked == [3, 8, 0]
    assert indexed(Squares(9)).__getitems__([3, 0]) == [(3, (3, 9.0)), (0, (0, 0.0))]


def test_refuses_a_batch_of_another_length_than_asked() -> None:
    inner = Batched(9)
    inner.__getitems__ = lambda indices: [(0, 0.0)]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="1 samples for 2 indices"):
        indexed(inner).__getitems__([3, 0])


@given(st.permutations(range(8)), st.integers(1, 8))
def test_counts_in_positions_of_the_subset(order: list[int], count: int) -> None:
    # InfoBatch's wrapper hands on the indices of the data set inside, which its scores have no place for.
    dataset = indexed(Subset(Squares(8), order[:count]))
    assert [(position, sample[0]) for position, sample in dataset] == list(enumerate(order[:count]))
    batch = dataset.__getitems__(range(count))
    assert [(position, sample[0]) for position, sample in batch] == list(enumerate(order[:count]))


def test_counts_through_concatenated_data_sets() -> None:
    assert indexed(ConcatDataset([Squares(2), Squares(3)]))[3] == (3, (1, 1.0))


@pytest.mark.parametrize("dataset", [Stream(), iter([1, 2]), {1, 2}, 5, (x for x in [1])])
def test_refuses_streams(dataset: Any) -> None:
    with pytest.raises(TypeError, match=r"iterable-style.*map-style"):
        indexed(dataset)


def test_refuses_a_loader_in_the_place_of_its_data_set() -> None:
    with pytest.raises(TypeError, match="DataLoader has no samples by position"):
        indexed(DataLoader(Squares(3)))  # pyright: ignore


def test_refuses_a_data_set_without_length() -> None:
    with pytest.raises(TypeError, match="Unsized has no __len__"):
        indexed(Unsized())


def test_refuses_a_dict_of_splits() -> None:
    with pytest.raises(TypeError, match=r'splits\["train"\]'):
        indexed({"train": Squares(3)})  # pyright: ignore


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: Subset(Subset(data, [1, 2]), [1])])
def test_refuses_to_wrap_twice(wrap: Any) -> None:
    with pytest.raises(TypeError, match="once, after the data set was split"):
        indexed(wrap(indexed(Squares(3))))


def test_survives_pickling() -> None:
    # InfoBatch's wrapper recurses without end here, as it forwards every attribute to a data set that is not there yet.
    dataset = pickle.loads(pickle.dumps(indexed(Texts(4), key="place")))
    assert isinstance(dataset, IndexedDataset)
    assert dataset[3]["place"] == 3
    assert not hasattr(dataset, "count"), "attributes of the data set inside are not those of the wrapper"


@pytest.mark.parametrize(("workers", "context"), [(0, None), (2, "fork"), (2, "spawn")])
@pytest.mark.parametrize("kind", ["tuple", "dict", "batched"])
def test_loads_every_sample_with_its_own_index(workers: int, context: str | None, kind: str) -> None:
    order = [5, 0, 10, 3, 7, 2, 9]
    inner: Any = {"tuple": Squares, "dict": Texts, "batched": Batched}[kind](11)
    loader = DataLoader(
        indexed(inner),
        batch_size=3,
        sampler=order,
        num_workers=workers,
        multiprocessing_context=context,
        collate_fn=Collate() if kind == "dict" else collate,
    )
    seen: list[int] = []
    for batch in loader:
        if kind == "dict":
            index, own = batch["index"], batch["x"][:, 0]
            assert batch["text"] == [f"text {place}" for place in index]
        else:
            index, (own, squares) = batch
            assert squares.tolist() == [float(place * place) for place in index]
        assert isinstance(index, np.ndarray)
        assert index.tolist() == own.tolist()
        seen += index.tolist()
    assert seen == order


def test_gives_an_integer_tensor_where_the_collate_function_is_torchs_own() -> None:
    index, (own, _) = next(iter(DataLoader(indexed(Squares(5)), batch_size=3, sampler=[4, 1, 3])))
    assert index.dtype == torch.int64
    assert index.tolist() == own.tolist() == [4, 1, 3]


@pytest.mark.parametrize("columns", [None, "torch", "numpy"])
def test_takes_hugging_face_data_sets(columns: str | None) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    inner = datasets.Dataset.from_dict({"x": [[i, i + 1] for i in range(6)], "label": list(range(6))})
    dataset = indexed(inner.with_format(columns))
    assert dataset[-1]["index"] == 5
    loader = DataLoader(dataset, batch_size=2, sampler=[4, 0, 5, 1], collate_fn=collate)
    batches = list(loader)
    assert [batch["index"].tolist() for batch in batches] == [[4, 0], [5, 1]]
    assert [batch["label"].tolist() for batch in batches] == [[4, 0], [5, 1]]
    selected = indexed(inner.select([3, 2]).with_format(columns))
    assert [(item["index"], int(item["label"])) for item in selected] == [(0, 3), (1, 2)]


def test_refuses_hugging_face_streams_and_splits() -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    inner = datasets.Dataset.from_dict({"x": [1, 2]})
    with pytest.raises(TypeError, match="streaming=False"):
        indexed(inner.to_iterable_dataset())
    with pytest.raises(TypeError, match="one split"):
        indexed(datasets.DatasetDict({"train": inner}))
