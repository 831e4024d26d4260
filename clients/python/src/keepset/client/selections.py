"""What came of the selections of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keepset._proto.run_service_pb2 import StreamSelectionsRequest
from keepset.client.connection import Connection
from keepset.client.reading import read_stream


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """What came of a selection: how its kept set lies to those before it."""

    epoch: int
    """Epoch that it was held for."""
    kept_count: int
    """Samples that it kept."""
    always_count: int
    """Samples that every selection so far kept, this one included."""
    sometimes_count: int
    """Samples that some selections so far kept."""
    never_count: int
    """Samples that no selection so far kept."""
    overlap: float | None
    """Jaccard index of its kept set and that of the selection before: samples in both / samples in one or both. Range
    [0, 1]; None for the first."""
    times_kept: npt.NDArray[np.uint32]
    """How many samples the selections so far kept how often, (at most 64,): the first entry counts those kept 0 to
    `bin_width` - 1 times, and so on."""
    bin_width: int
    """Times kept that an entry is for; 1 with 63 selections or fewer."""


def read_selections(connection: Connection, run_id: str) -> list[Selection]:
    """Fetches them, in their order."""
    responses = read_stream(
        connection,
        connection.runs.stream_selections,
        StreamSelectionsRequest(run_id=run_id),
        name=f"selections of run {run_id!r}",
        to_do="call client.selections() again.",
    )
    return [
        Selection(
            epoch=one.epoch,
            kept_count=one.kept_count,
            always_count=one.always_count,
            sometimes_count=one.sometimes_count,
            never_count=one.never_count,
            overlap=one.overlap if one.HasField("overlap") else None,
            times_kept=np.array(one.times_kept, np.uint32),
            bin_width=one.bin_width,
        )
        for one in (response.selection for response in responses)
    ]
