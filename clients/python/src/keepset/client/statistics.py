"""What is known of each sample of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keepset._proto.run_service_pb2 import StatisticsChunk, StreamStatisticsRequest
from keepset.client.connection import Connection
from keepset.client.mapping import run_from_wire
from keepset.client.reading import read_stream
from keepset.client.settings import RunInfo
from keepset.client.status import unreadable


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """What is known of each sample of a run, all of one moment. Each array has shape (sample_count,)."""

    run: RunInfo
    """The run at that moment."""
    means: npt.NDArray[np.float32]
    """Moving mean of the loss; 0 where `times_reported` is 0."""
    variances: npt.NDArray[np.float32]
    """Moving variance of the loss; 0 where `times_reported` is 0."""
    last_losses: npt.NDArray[np.float32]
    """The finite loss observed last; 0 where `times_reported` is 0."""
    times_reported: npt.NDArray[np.uint32]
    """Losses observed, at most one an epoch; stays at 65535 once there."""
    times_kept: npt.NDArray[np.uint32]
    """Selections that kept the sample; stays at 65535 once there. All of `run.progress.selections`: always kept; 0:
    never; else sometimes."""
    metrics: Mapping[str, npt.NDArray[np.float32]]
    """The finite value reported last, by metric; NaN where none was reported."""
    policy_columns: Mapping[str, npt.NDArray[np.float32]]
    """What the policy keeps for itself, by its own names; NaN where there is nothing yet."""
    always_count: int
    """Samples that every selection kept; like the next two 0 while nothing was selected."""
    sometimes_count: int
    """Samples that some selections kept."""
    never_count: int
    """Samples that no selection kept."""


_COLUMNS: Mapping[str, str] = {
    "means": "<f4",
    "variances": "<f4",
    "last_losses": "<f4",
    "times_reported": "<u4",
    "times_kept": "<u4",
}


def read_statistics(connection: Connection, run_id: str) -> Statistics:
    """Fetches them. Throws where parts are missing or not in their order."""
    responses = read_stream(
        connection,
        connection.runs.stream_statistics,
        StreamStatisticsRequest(run_id=run_id),
        name=f"statistics of run {run_id!r}",
        to_do="call client.statistics() again.",
    )
    first = next(responses, None)
    if first is None or first.WhichOneof("part") != "run":
        raise unreadable("statistics without their run")
    run = run_from_wire(first.run)
    sample_count = run.settings.sample_count
    columns: dict[str, npt.NDArray[Any]] = {name: np.empty(sample_count, dtype[1:]) for name, dtype in _COLUMNS.items()}
    metrics = {name: np.empty(sample_count, np.float32) for name in run.settings.metrics}
    policy_columns: dict[str, npt.NDArray[np.float32]] = {}
    filled = 0
    for response in responses:
        match response.WhichOneof("part"):
            case "chunk":
                if filled == 0:
                    names = [column.name for column in response.chunk.metrics if column.name not in metrics]
                    policy_columns = {name: np.empty(sample_count, np.float32) for name in names}
                filled = _take_chunk(response.chunk, filled, columns, {**metrics, **policy_columns})
            case "summary" if filled == sample_count:
                summary = response.summary
                return Statistics(
                    run=run,
                    metrics=metrics,
                    policy_columns=policy_columns,
                    always_count=summary.always_count,
                    sometimes_count=summary.sometimes_count,
                    never_count=summary.never_count,
                    **columns,
                )
            case part:
                raise unreadable(f"statistics with a {part} out of its order")
    raise unreadable(f"statistics of {filled} samples without their end")


def _take_chunk(
    chunk: StatisticsChunk,
    filled: int,
    columns: Mapping[str, npt.NDArray[Any]],
    metrics: Mapping[str, npt.NDArray[Any]],
) -> int:
    arrays = {name: np.frombuffer(getattr(chunk, name), dtype) for name, dtype in _COLUMNS.items()}
    values = {column.name: np.frombuffer(column.values, "<f4") for column in chunk.metrics}
    sizes = {len(array) for array in [*arrays.values(), *values.values()]}
    end = filled + max(sizes)
    if chunk.start_index != filled or len(sizes) != 1 or end > len(columns["means"]) or values.keys() != metrics.keys():
        raise unreadable(f"statistics from index {chunk.start_index} on that do not fit their run")
    for name, array in arrays.items():
        columns[name][filled:end] = array
    for name, array in values.items():
        metrics[name][filled:end] = array
    return end
