import pickle
from collections import UserDict
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data._utils.pin_memory import pin_memory

from keepset.collation import Collate, collate
from keepset.indexed_dataset import indexed


def to_pairs(samples: list[dict[str, int]]) -> tuple[list[int], list[int]]:
    return [sample["x"] for sample in samples], [sample["y"] for sample in samples]


def assert_index(index: object, expected: list[int]) -> None:
    assert type(index) is np.ndarray
    assert index.dtype == np.uint32
    assert index.tolist() == expected


def test_collates_pairs_as_torch_does() -> None:
    index, (x, y) = collate([(7, (torch.tensor([1.0]), 3)), (2**32 - 1, (torch.tensor([2.0]), 4))])
    assert_index(index, [7, 2**32 - 1])
    assert torch.equal(x, torch.tensor([[1.0], [2.0]]))
    assert torch.equal(y, torch.tensor([3, 4]))


def test_collates_dicts_with_the_index_under_its_key() -> None:
    items = [{"x": torch.tensor([1]), "index": 5}, {"x": torch.tensor([2]), "index": 0}]
    batch = collate(items)
    assert set(batch) == {"x", "index"}
    assert_index(batch["index"], [5, 0])
    assert batch["x"].tolist() == [[1], [2]]
    assert items[0]["index"] == 5, "the items must stay as they are"


def test_takes_pairs_whose_sample_is_a_dict() -> None:
    index, batch = collate([(1, {"x": 1.5}), (0, {"x": 2.5})])
    assert_index(index, [1, 0])
    assert batch["x"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("position", [4, np.int64(4), np.uint32(4), torch.tensor(4)])
def test_takes_the_index_as_any_integer(position: Any) -> None:
    assert_index(collate([(position, 1.0)])[0], [4])
    assert_index(collate([{"index": position, "x": 1.0}])["index"], [4])


def test_hands_samples_alone_to_the_collate_function() -> None:
    seen: list[Any] = []

    def remember(samples: list[Any]) -> str:
        seen.extend(samples)
        return "batch"

    index, batch = Collate(remember)([(3, "a"), (1, "b")])
    assert_index(index, [3, 1])
    assert batch == "batch"
    index, batch = Collate(remember, key="place")([{"x": 1, "place": 9}])
    assert_index(index, [9])
    assert batch == "batch"
    assert seen == ["a", "b", {"x": 1}]


def test_gives_a_pair_where_dicts_become_something_else() -> None:
    index, batch = Collate(to_pairs)([{"x": 1, "y": 2, "index": 6}, {"x": 3, "y": 4, "index": 8}])
    assert_index(index, [6, 8])
    assert batch == ([1, 3], [2, 4])


@pytest.mark.parametrize(("made", "answer"), [(UserDict, UserDict), (MappingProxyType, dict)])
def test_keeps_the_kind_of_mapping_where_it_can_be_written(made: Any, answer: type) -> None:
    batch = Collate(lambda samples: made({"n": len(samples)}))([{"x": 1, "index": 6}])
    assert type(batch) is answer
    assert batch["n"] == 1
    assert_index(batch["index"], [6])


@pytest.mark.parametrize(
    "items",
    [
        [torch.zeros(3)],
        [(torch.zeros(3), torch.tensor(1))],
        [(1.0, 2)],
        [(1, 2, 3)],
        ["text"],
        [5],
        [(0, 1), 5],
    ],
)
def test_says_how_to_index_items_that_are_not(items: list[Any]) -> None:
    with pytest.raises(TypeError, match=r"keepset\.indexed\(dataset\)"):
        collate(items)


@pytest.mark.parametrize("items", [[{"x": 1}], [{"x": 1, "index": 0}, {"x": 2}]])
def test_says_how_to_index_dicts_that_are_not(items: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"no field 'index'.*keepset\.indexed\(dataset, key=\"index\"\)"):
        collate(items)


def test_names_the_key_that_the_collate_function_takes() -> None:
    with pytest.raises(ValueError, match="made a field 'index' of its own"):
        Collate(lambda samples: {"index": 1})([{"x": 1, "index": 0}])


@pytest.mark.parametrize("position", [-1, 2**32])
def test_refuses_an_index_that_is_no_position(position: int) -> None:
    with pytest.raises(ValueError, match=f"index holds {position}"):
        collate([(position, 1.0)])


def test_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(Collate(to_pairs, key="place")))
    assert_index(again([{"x": 1, "y": 2, "place": 3}])[0], [3])
    assert pickle.loads(pickle.dumps(collate)) is collate


def test_leaves_the_index_on_the_host_when_torch_pins_the_batch() -> None:
    # What DataLoader(pin_memory=True) calls on each batch; texts, as tensors cannot be pinned without a device.
    pair = collate([(3, "a"), (1, "b")])
    assert pin_memory(pair)[0] is pair[0]
    batch = collate([{"x": "a", "index": 3}])
    assert pin_memory(batch)["index"] is batch["index"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_leaves_the_index_on_the_host_on_a_machine_with_a_device() -> None:
    loader = DataLoader(indexed(TensorDataset(torch.arange(4))), 4, collate_fn=collate, pin_memory=True)
    index, (x,) = next(iter(loader))
    assert_index(index, [0, 1, 2, 3])
    assert x.is_pinned()


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
def test_loads_with_pin_memory_asked_for() -> None:
    loader = DataLoader(indexed(TensorDataset(torch.arange(4))), 2, collate_fn=collate, pin_memory=True)
    assert [index.tolist() for index, _ in loader] == [[0, 1], [2, 3]]


def test_leaves_the_index_on_the_host_when_frameworks_move_the_batch() -> None:
    accelerate = pytest.importorskip("accelerate.utils", reason="accelerate is not installed")
    lightning = pytest.importorskip("lightning_fabric.utilities", reason="Lightning is not installed")
    batch = collate([{"x": torch.tensor([1.0]), "index": 3}])
    # The meta device stands for the GPU: whatever moves there is no longer on the host.
    for move in (accelerate.send_to_device, lightning.move_data_to_device):
        moved = move(batch, torch.device("meta"))
        assert moved["x"].device.type == "meta"
        assert_index(moved["index"], [3])


class Padding:
    """A tokenizer's part that DataCollatorWithPadding uses."""

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding
        self.deprecation_warnings: dict[str, bool] = {}

    def pad(self, features: list[dict[str, Any]], **_: Any) -> Any:
        assert all("index" not in feature for feature in features), "the index cannot be padded"
        longest = max(len(feature["input_ids"]) for feature in features)
        rows = [feature["input_ids"] + [0] * (longest - len(feature["input_ids"])) for feature in features]
        return self.encoding({"input_ids": torch.tensor(rows), "label": torch.tensor([f["label"] for f in features])})


def test_wraps_hugging_face_collators() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    samples = [{"input_ids": [1, 2, 3], "label": 1}, {"input_ids": [4], "label": 0}]
    items = [indexed(samples)[1], indexed(samples)[0]]

    padded = Collate(transformers.DataCollatorWithPadding(Padding(transformers.BatchEncoding)))(items)
    assert type(padded) is transformers.BatchEncoding
    assert padded["input_ids"].tolist() == [[4, 0, 0], [1, 2, 3]]
    assert padded["labels"].tolist() == [0, 1]
    assert_index(padded["index"], [1, 0])
    assert_index(padded.to("cpu")["index"], [1, 0])

    fixed = [{"input_ids": [1, 2], "label": 1}, {"input_ids": [3, 4], "label": 0}]
    batch = Collate(transformers.default_data_collator)([indexed(fixed)[1], indexed(fixed)[0]])
    assert batch["labels"].tolist() == [0, 1]
    assert_index(batch["index"], [1, 0])


def test_half_precision_samples_leave_the_index_exact() -> None:
    # InfoBatch sends both in one tensor of the losses' dtype: under float16 every index past 2,048 is rounded.
    order = [2049, 4097, 65_521, 69_999]
    dataset = indexed(TensorDataset(torch.zeros(70_000, dtype=torch.float16)))
    index, (x,) = next(iter(DataLoader(dataset, 4, sampler=order, collate_fn=collate)))
    assert x.dtype == torch.float16
    assert_index(index, order)
