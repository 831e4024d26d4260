from keepset._proto import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_REASON_UNSPECIFIED: _ClassVar[PlanReason]
    PLAN_REASON_WARMUP: _ClassVar[PlanReason]
    PLAN_REASON_SELECTED: _ClassVar[PlanReason]
    PLAN_REASON_REUSED: _ClassVar[PlanReason]
    PLAN_REASON_TAIL: _ClassVar[PlanReason]
PLAN_REASON_UNSPECIFIED: PlanReason
PLAN_REASON_WARMUP: PlanReason
PLAN_REASON_SELECTED: PlanReason
PLAN_REASON_REUSED: PlanReason
PLAN_REASON_TAIL: PlanReason

class PlanEpochRequest(_message.Message):
    __slots__ = ("run_id", "epoch", "rank", "world_size", "last_sequence", "start_position", "max_wait_ms", "generation", "score_only")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    MAX_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SCORE_ONLY_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    rank: int
    world_size: int
    last_sequence: int
    start_position: int
    max_wait_ms: int
    generation: int
    score_only: bool
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., rank: _Optional[int] = ..., world_size: _Optional[int] = ..., last_sequence: _Optional[int] = ..., start_position: _Optional[int] = ..., max_wait_ms: _Optional[int] = ..., generation: _Optional[int] = ..., score_only: bool = ...) -> None: ...

class PlanEpochResponse(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: PlanHeader
    chunk: PlanChunk
    def __init__(self, header: _Optional[_Union[PlanHeader, _Mapping]] = ..., chunk: _Optional[_Union[PlanChunk, _Mapping]] = ...) -> None: ...

class PlanHeader(_message.Message):
    __slots__ = ("epoch", "kept_count", "sample_count", "position_count", "saving", "selection_epoch", "reason", "digest", "generation", "applied_sequence", "has_weights", "score_count", "score_only", "learning_rate_factor")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    POSITION_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAVING_FIELD_NUMBER: _ClassVar[int]
    SELECTION_EPOCH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    APPLIED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HAS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SCORE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SCORE_ONLY_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    kept_count: int
    sample_count: int
    position_count: int
    saving: float
    selection_epoch: int
    reason: PlanReason
    digest: bytes
    generation: int
    applied_sequence: int
    has_weights: bool
    score_count: int
    score_only: bool
    learning_rate_factor: float
    def __init__(self, epoch: _Optional[int] = ..., kept_count: _Optional[int] = ..., sample_count: _Optional[int] = ..., position_count: _Optional[int] = ..., saving: _Optional[float] = ..., selection_epoch: _Optional[int] = ..., reason: _Optional[_Union[PlanReason, str]] = ..., digest: _Optional[bytes] = ..., generation: _Optional[int] = ..., applied_sequence: _Optional[int] = ..., has_weights: bool = ..., score_count: _Optional[int] = ..., score_only: bool = ..., learning_rate_factor: _Optional[float] = ...) -> None: ...

class PlanChunk(_message.Message):
    __slots__ = ("start_position", "sample_indices", "weights")
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_INDICES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    start_position: int
    sample_indices: bytes
    weights: bytes
    def __init__(self, start_position: _Optional[int] = ..., sample_indices: _Optional[bytes] = ..., weights: _Optional[bytes] = ...) -> None: ...

class LossReport(_message.Message):
    __slots__ = ("run_id", "epoch", "rank", "sequence", "sample_indices", "losses", "generation", "metrics")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_INDICES_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    rank: int
    sequence: int
    sample_indices: bytes
    losses: bytes
    generation: int
    metrics: _containers.RepeatedCompositeFieldContainer[_run_pb2.MetricColumn]
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., rank: _Optional[int] = ..., sequence: _Optional[int] = ..., sample_indices: _Optional[bytes] = ..., losses: _Optional[bytes] = ..., generation: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[_run_pb2.MetricColumn, _Mapping]]] = ...) -> None: ...

class LossReportAck(_message.Message):
    __slots__ = ("epoch", "rank", "sequence", "duplicate", "observation_count", "non_finite_count", "repeat_count")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    NON_FINITE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPEAT_COUNT_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    rank: int
    sequence: int
    duplicate: bool
    observation_count: int
    non_finite_count: int
    repeat_count: int
    def __init__(self, epoch: _Optional[int] = ..., rank: _Optional[int] = ..., sequence: _Optional[int] = ..., duplicate: bool = ..., observation_count: _Optional[int] = ..., non_finite_count: _Optional[int] = ..., repeat_count: _Optional[int] = ...) -> None: ...

class ReportLossesRequest(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: LossReport
    def __init__(self, report: _Optional[_Union[LossReport, _Mapping]] = ...) -> None: ...

class ReportLossesResponse(_message.Message):
    __slots__ = ("ack",)
    ACK_FIELD_NUMBER: _ClassVar[int]
    ack: LossReportAck
    def __init__(self, ack: _Optional[_Union[LossReportAck, _Mapping]] = ...) -> None: ...

class StreamReportsRequest(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: LossReport
    def __init__(self, report: _Optional[_Union[LossReport, _Mapping]] = ...) -> None: ...

class StreamReportsResponse(_message.Message):
    __slots__ = ("acks",)
    ACKS_FIELD_NUMBER: _ClassVar[int]
    acks: _containers.RepeatedCompositeFieldContainer[LossReportAck]
    def __init__(self, acks: _Optional[_Iterable[_Union[LossReportAck, _Mapping]]] = ...) -> None: ...
