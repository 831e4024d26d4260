import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepset.indices import to_indices

LAST = 2**32 - 1


@given(st.lists(st.integers(0, LAST), max_size=50))
def test_keeps_every_index_exactly(index: list[int]) -> None:
    answer = to_indices(index)
    assert answer.dtype == np.uint32
    assert [int(value) for value in answer] == index


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, np.uint64, ">i8"])
def test_takes_integers_of_any_width(dtype: str) -> None:
    assert to_indices(np.array([0, 5, 127], dtype=dtype)).tolist() == [0, 5, 127]


def test_shares_no_memory_with_the_argument() -> None:
    given = np.array([1, 2], dtype=np.uint32)
    answer = to_indices(given)
    given[:] = 9
    assert answer.tolist() == [1, 2]


@pytest.mark.parametrize(("index", "outside"), [([3, -1], "-1"), ([LAST + 1], "4294967296")])
def test_refuses_what_is_no_position(index: list[int], outside: str) -> None:
    with pytest.raises(ValueError, match=f"index holds {outside}:"):
        to_indices(index)


@pytest.mark.parametrize("index", [[1.0], np.array([2048], np.float16), [True, False], ["1"], [2**64]])
def test_refuses_what_is_no_integer(index: object) -> None:
    with pytest.raises(TypeError, match="must be integers"):
        to_indices(index)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("index", [3, [[1], [2]]])
def test_refuses_another_shape(index: object) -> None:
    with pytest.raises(ValueError, match="shape"):
        to_indices(index)  # pyright: ignore[reportArgumentType]
