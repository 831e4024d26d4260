"""Runs, plans and reports: all that a trainer needs of a sampler, without torch."""

from __future__ import annotations

import os

# Before gRPC is loaded, which takes it when it starts. Its fork handlers write a line for each fork, and with them a
# child may abort when it collects what its parent left of a call. It needs none: no child uses a client of its parent.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from keepset.client.client import Client, connect
from keepset.client.errors import (
    AbortedError,
    DataLossError,
    DeadlineError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    KeepsetError,
    OutOfRangeError,
    PermissionDeniedError,
    PreconditionError,
    QueueFullError,
    ResourceExhaustedError,
    RunExistsError,
    RunNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from keepset.client.mapping import PlanReason
from keepset.client.plan import Plan
from keepset.client.reports import PendingValues, Values
from keepset.client.run import Run
from keepset.client.selections import Selection
from keepset.client.settings import (
    NonFiniteMode,
    PruneRateChange,
    RunInfo,
    RunProgress,
    RunSettings,
    ScoreSource,
    ShardMode,
    WeightsMode,
)
from keepset.client.statistics import Statistics

__all__ = [
    "AbortedError",
    "Client",
    "DataLossError",
    "DeadlineError",
    "FieldViolation",
    "InternalError",
    "InvalidArgumentError",
    "KeepsetError",
    "NonFiniteMode",
    "OutOfRangeError",
    "PendingValues",
    "PermissionDeniedError",
    "Plan",
    "PlanReason",
    "PreconditionError",
    "PruneRateChange",
    "QueueFullError",
    "ResourceExhaustedError",
    "Run",
    "RunExistsError",
    "RunInfo",
    "RunNotFoundError",
    "RunProgress",
    "RunSettings",
    "ScoreSource",
    "Selection",
    "ShardMode",
    "Statistics",
    "UnauthenticatedError",
    "UnavailableError",
    "Values",
    "WeightsMode",
    "connect",
]
