from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_ACTIVE: _ClassVar[RunState]
    RUN_STATE_FINISHED: _ClassVar[RunState]

class ShardMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHARD_MODE_UNSPECIFIED: _ClassVar[ShardMode]
    SHARD_MODE_PAD: _ClassVar[ShardMode]
    SHARD_MODE_DROP: _ClassVar[ShardMode]

class NonFiniteMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NON_FINITE_MODE_UNSPECIFIED: _ClassVar[NonFiniteMode]
    NON_FINITE_MODE_IGNORE: _ClassVar[NonFiniteMode]
    NON_FINITE_MODE_REJECT: _ClassVar[NonFiniteMode]

class WeightsMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHTS_MODE_UNSPECIFIED: _ClassVar[WeightsMode]
    WEIGHTS_MODE_OFF: _ClassVar[WeightsMode]
    WEIGHTS_MODE_ON: _ClassVar[WeightsMode]

class ScoreSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_SOURCE_UNSPECIFIED: _ClassVar[ScoreSource]
    SCORE_SOURCE_LOSS: _ClassVar[ScoreSource]
    SCORE_SOURCE_BATCH_LOSS: _ClassVar[ScoreSource]

class InitialStatistics(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INITIAL_STATISTICS_UNSPECIFIED: _ClassVar[InitialStatistics]
    INITIAL_STATISTICS_FIRST_LOSS: _ClassVar[InitialStatistics]
    INITIAL_STATISTICS_ZERO: _ClassVar[InitialStatistics]

class StaticMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATIC_METRIC_UNSPECIFIED: _ClassVar[StaticMetric]
    STATIC_METRIC_FORGETTING: _ClassVar[StaticMetric]
    STATIC_METRIC_EL2N: _ClassVar[StaticMetric]
    STATIC_METRIC_GRAND: _ClassVar[StaticMetric]
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_ACTIVE: RunState
RUN_STATE_FINISHED: RunState
SHARD_MODE_UNSPECIFIED: ShardMode
SHARD_MODE_PAD: ShardMode
SHARD_MODE_DROP: ShardMode
NON_FINITE_MODE_UNSPECIFIED: NonFiniteMode
NON_FINITE_MODE_IGNORE: NonFiniteMode
NON_FINITE_MODE_REJECT: NonFiniteMode
WEIGHTS_MODE_UNSPECIFIED: WeightsMode
WEIGHTS_MODE_OFF: WeightsMode
WEIGHTS_MODE_ON: WeightsMode
SCORE_SOURCE_UNSPECIFIED: ScoreSource
SCORE_SOURCE_LOSS: ScoreSource
SCORE_SOURCE_BATCH_LOSS: ScoreSource
INITIAL_STATISTICS_UNSPECIFIED: InitialStatistics
INITIAL_STATISTICS_FIRST_LOSS: InitialStatistics
INITIAL_STATISTICS_ZERO: InitialStatistics
STATIC_METRIC_UNSPECIFIED: StaticMetric
STATIC_METRIC_FORGETTING: StaticMetric
STATIC_METRIC_EL2N: StaticMetric
STATIC_METRIC_GRAND: StaticMetric

class Run(_message.Message):
    __slots__ = ("run_id", "spec", "state", "next_epoch", "create_time", "update_time", "progress", "generation", "epoch_starts")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_STARTS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    spec: RunSpec
    state: RunState
    next_epoch: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    progress: RunProgress
    generation: int
    epoch_starts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, run_id: _Optional[str] = ..., spec: _Optional[_Union[RunSpec, _Mapping]] = ..., state: _Optional[_Union[RunState, str]] = ..., next_epoch: _Optional[int] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[RunProgress, _Mapping]] = ..., generation: _Optional[int] = ..., epoch_starts: _Optional[_Iterable[int]] = ...) -> None: ...

class RunProgress(_message.Message):
    __slots__ = ("epochs_planned", "samples_planned", "reports", "observations", "non_finite", "repeats", "saving", "selections", "scored", "samples_planned_elsewhere")
    EPOCHS_PLANNED_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PLANNED_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NON_FINITE_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    SAVING_FIELD_NUMBER: _ClassVar[int]
    SELECTIONS_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PLANNED_ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    epochs_planned: int
    samples_planned: int
    reports: int
    observations: int
    non_finite: int
    repeats: int
    saving: float
    selections: int
    scored: int
    samples_planned_elsewhere: int
    def __init__(self, epochs_planned: _Optional[int] = ..., samples_planned: _Optional[int] = ..., reports: _Optional[int] = ..., observations: _Optional[int] = ..., non_finite: _Optional[int] = ..., repeats: _Optional[int] = ..., saving: _Optional[float] = ..., selections: _Optional[int] = ..., scored: _Optional[int] = ..., samples_planned_elsewhere: _Optional[int] = ...) -> None: ...

class RunSpec(_message.Message):
    __slots__ = ("sample_count", "seed", "prune_rate", "prune_rate_schedule", "total_epochs", "selection_period", "warmup_epochs", "tail_epochs", "shard_mode", "position_multiple", "non_finite", "metrics", "weights", "weight_cap", "score_source", "batch_loss_momentum", "score_left_out", "full", "static_random", "random", "epsilon_greedy", "ucb", "order_dp", "info_batch", "rs2", "importance", "selective_backprop", "custom_score", "seta", "repb", "kakurenbo", "ies", "static_score", "backlog")
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PRUNE_RATE_FIELD_NUMBER: _ClassVar[int]
    PRUNE_RATE_SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    SELECTION_PERIOD_FIELD_NUMBER: _ClassVar[int]
    WARMUP_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    TAIL_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    SHARD_MODE_FIELD_NUMBER: _ClassVar[int]
    POSITION_MULTIPLE_FIELD_NUMBER: _ClassVar[int]
    NON_FINITE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_CAP_FIELD_NUMBER: _ClassVar[int]
    SCORE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    BATCH_LOSS_MOMENTUM_FIELD_NUMBER: _ClassVar[int]
    SCORE_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    FULL_FIELD_NUMBER: _ClassVar[int]
    STATIC_RANDOM_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    EPSILON_GREEDY_FIELD_NUMBER: _ClassVar[int]
    UCB_FIELD_NUMBER: _ClassVar[int]
    ORDER_DP_FIELD_NUMBER: _ClassVar[int]
    INFO_BATCH_FIELD_NUMBER: _ClassVar[int]
    RS2_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    SELECTIVE_BACKPROP_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_SCORE_FIELD_NUMBER: _ClassVar[int]
    SETA_FIELD_NUMBER: _ClassVar[int]
    REPB_FIELD_NUMBER: _ClassVar[int]
    KAKURENBO_FIELD_NUMBER: _ClassVar[int]
    IES_FIELD_NUMBER: _ClassVar[int]
    STATIC_SCORE_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    sample_count: int
    seed: int
    prune_rate: float
    prune_rate_schedule: _containers.RepeatedCompositeFieldContainer[PruneRateChange]
    total_epochs: int
    selection_period: int
    warmup_epochs: int
    tail_epochs: int
    shard_mode: ShardMode
    position_multiple: int
    non_finite: NonFiniteMode
    metrics: _containers.RepeatedScalarFieldContainer[str]
    weights: WeightsMode
    weight_cap: float
    score_source: ScoreSource
    batch_loss_momentum: float
    score_left_out: bool
    full: FullPolicy
    static_random: StaticRandomPolicy
    random: RandomPolicy
    epsilon_greedy: EpsilonGreedyPolicy
    ucb: UcbPolicy
    order_dp: OrderDpPolicy
    info_batch: InfoBatchPolicy
    rs2: Rs2Policy
    importance: ImportancePolicy
    selective_backprop: SelectiveBackpropPolicy
    custom_score: CustomScorePolicy
    seta: SetaPolicy
    repb: RepbPolicy
    kakurenbo: KakurenboPolicy
    ies: IesPolicy
    static_score: StaticScorePolicy
    backlog: BacklogPolicy
    def __init__(self, sample_count: _Optional[int] = ..., seed: _Optional[int] = ..., prune_rate: _Optional[float] = ..., prune_rate_schedule: _Optional[_Iterable[_Union[PruneRateChange, _Mapping]]] = ..., total_epochs: _Optional[int] = ..., selection_period: _Optional[int] = ..., warmup_epochs: _Optional[int] = ..., tail_epochs: _Optional[int] = ..., shard_mode: _Optional[_Union[ShardMode, str]] = ..., position_multiple: _Optional[int] = ..., non_finite: _Optional[_Union[NonFiniteMode, str]] = ..., metrics: _Optional[_Iterable[str]] = ..., weights: _Optional[_Union[WeightsMode, str]] = ..., weight_cap: _Optional[float] = ..., score_source: _Optional[_Union[ScoreSource, str]] = ..., batch_loss_momentum: _Optional[float] = ..., score_left_out: bool = ..., full: _Optional[_Union[FullPolicy, _Mapping]] = ..., static_random: _Optional[_Union[StaticRandomPolicy, _Mapping]] = ..., random: _Optional[_Union[RandomPolicy, _Mapping]] = ..., epsilon_greedy: _Optional[_Union[EpsilonGreedyPolicy, _Mapping]] = ..., ucb: _Optional[_Union[UcbPolicy, _Mapping]] = ..., order_dp: _Optional[_Union[OrderDpPolicy, _Mapping]] = ..., info_batch: _Optional[_Union[InfoBatchPolicy, _Mapping]] = ..., rs2: _Optional[_Union[Rs2Policy, _Mapping]] = ..., importance: _Optional[_Union[ImportancePolicy, _Mapping]] = ..., selective_backprop: _Optional[_Union[SelectiveBackpropPolicy, _Mapping]] = ..., custom_score: _Optional[_Union[CustomScorePolicy, _Mapping]] = ..., seta: _Optional[_Union[SetaPolicy, _Mapping]] = ..., repb: _Optional[_Union[RepbPolicy, _Mapping]] = ..., kakurenbo: _Optional[_Union[KakurenboPolicy, _Mapping]] = ..., ies: _Optional[_Union[IesPolicy, _Mapping]] = ..., static_score: _Optional[_Union[StaticScorePolicy, _Mapping]] = ..., backlog: _Optional[_Union[BacklogPolicy, _Mapping]] = ...) -> None: ...

class MetricColumn(_message.Message):
    __slots__ = ("name", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: bytes
    def __init__(self, name: _Optional[str] = ..., values: _Optional[bytes] = ...) -> None: ...

class PruneRateChange(_message.Message):
    __slots__ = ("from_epoch", "prune_rate")
    FROM_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PRUNE_RATE_FIELD_NUMBER: _ClassVar[int]
    from_epoch: int
    prune_rate: float
    def __init__(self, from_epoch: _Optional[int] = ..., prune_rate: _Optional[float] = ...) -> None: ...

class FullPolicy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StaticRandomPolicy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RandomPolicy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EpsilonGreedyPolicy(_message.Message):
    __slots__ = ("epsilon", "alpha", "initial")
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    epsilon: float
    alpha: float
    initial: InitialStatistics
    def __init__(self, epsilon: _Optional[float] = ..., alpha: _Optional[float] = ..., initial: _Optional[_Union[InitialStatistics, str]] = ...) -> None: ...

class UcbPolicy(_message.Message):
    __slots__ = ("c", "alpha", "initial")
    C_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    c: float
    alpha: float
    initial: InitialStatistics
    def __init__(self, c: _Optional[float] = ..., alpha: _Optional[float] = ..., initial: _Optional[_Union[InitialStatistics, str]] = ...) -> None: ...

class OrderDpPolicy(_message.Message):
    __slots__ = ("pool_rate",)
    POOL_RATE_FIELD_NUMBER: _ClassVar[int]
    pool_rate: float
    def __init__(self, pool_rate: _Optional[float] = ...) -> None: ...

class InfoBatchPolicy(_message.Message):
    __slots__ = ("r",)
    R_FIELD_NUMBER: _ClassVar[int]
    r: float
    def __init__(self, r: _Optional[float] = ...) -> None: ...

class Rs2Policy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ImportancePolicy(_message.Message):
    __slots__ = ("exponent", "uniform_share")
    EXPONENT_FIELD_NUMBER: _ClassVar[int]
    UNIFORM_SHARE_FIELD_NUMBER: _ClassVar[int]
    exponent: float
    uniform_share: float
    def __init__(self, exponent: _Optional[float] = ..., uniform_share: _Optional[float] = ...) -> None: ...

class SelectiveBackpropPolicy(_message.Message):
    __slots__ = ("exponent",)
    EXPONENT_FIELD_NUMBER: _ClassVar[int]
    exponent: float
    def __init__(self, exponent: _Optional[float] = ...) -> None: ...

class CustomScorePolicy(_message.Message):
    __slots__ = ("draw", "uniform_share")
    DRAW_FIELD_NUMBER: _ClassVar[int]
    UNIFORM_SHARE_FIELD_NUMBER: _ClassVar[int]
    draw: bool
    uniform_share: float
    def __init__(self, draw: bool = ..., uniform_share: _Optional[float] = ...) -> None: ...

class SetaPolicy(_message.Message):
    __slots__ = ("drop_rate", "groups", "window")
    DROP_RATE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    drop_rate: float
    groups: int
    window: float
    def __init__(self, drop_rate: _Optional[float] = ..., groups: _Optional[int] = ..., window: _Optional[float] = ...) -> None: ...

class RepbPolicy(_message.Message):
    __slots__ = ("rho",)
    RHO_FIELD_NUMBER: _ClassVar[int]
    rho: float
    def __init__(self, rho: _Optional[float] = ...) -> None: ...

class KakurenboPolicy(_message.Message):
    __slots__ = ("confidence",)
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    confidence: float
    def __init__(self, confidence: _Optional[float] = ...) -> None: ...

class IesPolicy(_message.Message):
    __slots__ = ("tau",)
    TAU_FIELD_NUMBER: _ClassVar[int]
    tau: float
    def __init__(self, tau: _Optional[float] = ...) -> None: ...

class StaticScorePolicy(_message.Message):
    __slots__ = ("metric", "observe_epochs", "scores_from")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    OBSERVE_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FROM_FIELD_NUMBER: _ClassVar[int]
    metric: StaticMetric
    observe_epochs: int
    scores_from: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, metric: _Optional[_Union[StaticMetric, str]] = ..., observe_epochs: _Optional[int] = ..., scores_from: _Optional[_Iterable[str]] = ...) -> None: ...

class BacklogPolicy(_message.Message):
    __slots__ = ("alpha", "initial")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    initial: InitialStatistics
    def __init__(self, alpha: _Optional[float] = ..., initial: _Optional[_Union[InitialStatistics, str]] = ...) -> None: ...
