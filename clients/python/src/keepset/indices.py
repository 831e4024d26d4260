"""Sample indices as they go to the sampler."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

INDEX_LIMIT = 2**32
_ITERATED_AT_ONCE = 65_536


def to_indices(values: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Sample indices as a new uint32 array of shape (B,), exactly as they were given.

    values: integers of any width and sign, shape (B,), each in 0 .. 2**32 - 1.
    Raises TypeError for anything but integers: a float has lost digits before it comes here (float16 from 2049 up,
    float32 from 16,777,217 up). Raises ValueError for another shape or an index out of range.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(
            f"index has shape {array.shape}: one whole number for each sample is needed, shape (batch size,). "
            "Pass the index of the batch as the loader gives it."
        )
    if array.size == 0:
        return np.empty(0, dtype=np.uint32)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"index has dtype {array.dtype}: sample indices must be integers, as other types lose digits. "
            "Keep the index out of tensors that hold losses and out of autocast."
        )
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest >= INDEX_LIMIT:
        outside = lowest if lowest < 0 else highest
        raise ValueError(
            f"index holds {outside}: a sample index is a position in the data set, 0 to {INDEX_LIMIT - 1}. "
            "Pass the indices of keepset.indexed(dataset) unchanged."
        )
    return array.astype(np.uint32)


def iterate(indices: npt.NDArray[np.uint32]) -> Iterator[int]:
    """Python's own integers, which every data set takes, made a piece at a time."""
    for start in range(0, len(indices), _ITERATED_AT_ONCE):
        yield from indices[start : start + _ITERATED_AT_ONCE].tolist()
