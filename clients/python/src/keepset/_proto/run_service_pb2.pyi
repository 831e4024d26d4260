from keepset._proto import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateRunRequest(_message.Message):
    __slots__ = ("run_id", "spec")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    spec: _run_pb2.RunSpec
    def __init__(self, run_id: _Optional[str] = ..., spec: _Optional[_Union[_run_pb2.RunSpec, _Mapping]] = ...) -> None: ...

class CreateRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token", "damaged_run_ids")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_run_pb2.Run]
    next_page_token: str
    damaged_run_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, runs: _Optional[_Iterable[_Union[_run_pb2.Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., damaged_run_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FinishRunRequest(_message.Message):
    __slots__ = ("run_id", "generation")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    generation: int
    def __init__(self, run_id: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class FinishRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class DeleteRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class DeleteRunResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RewindRunRequest(_message.Message):
    __slots__ = ("run_id", "epoch", "generation")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    generation: int
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class RewindRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ExportRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ExportRunResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class ImportRunRequest(_message.Message):
    __slots__ = ("run_id", "chunk")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    chunk: bytes
    def __init__(self, run_id: _Optional[str] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class StreamStatisticsRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class StreamStatisticsResponse(_message.Message):
    __slots__ = ("run", "chunk", "summary")
    RUN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    chunk: StatisticsChunk
    summary: StatisticsSummary
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., chunk: _Optional[_Union[StatisticsChunk, _Mapping]] = ..., summary: _Optional[_Union[StatisticsSummary, _Mapping]] = ...) -> None: ...

class StatisticsChunk(_message.Message):
    __slots__ = ("start_index", "means", "variances", "last_losses", "times_reported", "times_kept", "metrics")
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    MEANS_FIELD_NUMBER: _ClassVar[int]
    VARIANCES_FIELD_NUMBER: _ClassVar[int]
    LAST_LOSSES_FIELD_NUMBER: _ClassVar[int]
    TIMES_REPORTED_FIELD_NUMBER: _ClassVar[int]
    TIMES_KEPT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    start_index: int
    means: bytes
    variances: bytes
    last_losses: bytes
    times_reported: bytes
    times_kept: bytes
    metrics: _containers.RepeatedCompositeFieldContainer[_run_pb2.MetricColumn]
    def __init__(self, start_index: _Optional[int] = ..., means: _Optional[bytes] = ..., variances: _Optional[bytes] = ..., last_losses: _Optional[bytes] = ..., times_reported: _Optional[bytes] = ..., times_kept: _Optional[bytes] = ..., metrics: _Optional[_Iterable[_Union[_run_pb2.MetricColumn, _Mapping]]] = ...) -> None: ...

class StatisticsSummary(_message.Message):
    __slots__ = ("always_count", "sometimes_count", "never_count")
    ALWAYS_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOMETIMES_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEVER_COUNT_FIELD_NUMBER: _ClassVar[int]
    always_count: int
    sometimes_count: int
    never_count: int
    def __init__(self, always_count: _Optional[int] = ..., sometimes_count: _Optional[int] = ..., never_count: _Optional[int] = ...) -> None: ...

class StreamSelectionsRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class StreamSelectionsResponse(_message.Message):
    __slots__ = ("selection",)
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    selection: Selection
    def __init__(self, selection: _Optional[_Union[Selection, _Mapping]] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("epoch", "kept_count", "always_count", "sometimes_count", "never_count", "overlap", "times_kept", "bin_width")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALWAYS_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOMETIMES_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEVER_COUNT_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    TIMES_KEPT_FIELD_NUMBER: _ClassVar[int]
    BIN_WIDTH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    kept_count: int
    always_count: int
    sometimes_count: int
    never_count: int
    overlap: float
    times_kept: _containers.RepeatedScalarFieldContainer[int]
    bin_width: int
    def __init__(self, epoch: _Optional[int] = ..., kept_count: _Optional[int] = ..., always_count: _Optional[int] = ..., sometimes_count: _Optional[int] = ..., never_count: _Optional[int] = ..., overlap: _Optional[float] = ..., times_kept: _Optional[_Iterable[int]] = ..., bin_width: _Optional[int] = ...) -> None: ...
