"""One class for each cause of an error. All are a `KeepsetError`."""

from __future__ import annotations

from typing import NamedTuple


class FieldViolation(NamedTuple):
    """A field that was refused, and why."""

    field: str
    """Path of the field in the request, as in the proto: for example `spec.prune_rate`."""
    description: str


class KeepsetError(Exception):
    """Base class of every error of this library. The text says what is wrong and what to do."""

    code: str
    """Name of the gRPC status behind the error, for example "NOT_FOUND"."""
    reason: str | None
    """Stable, upper-case reason; None where the error came neither from a sampler nor from this library."""
    field_violations: tuple[FieldViolation, ...]
    """The fields that were refused; empty where the error is not about fields."""
    retry_delay: float | None
    """What the sampler suggests to wait before the next try, in seconds; None where it says nothing."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        reason: str | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.field_violations = field_violations
        self.retry_delay = retry_delay


class RunNotFoundError(KeepsetError):
    """The sampler has no run of that name."""


class RunExistsError(KeepsetError):
    """The run id is taken by a run with other settings."""


class InvalidArgumentError(KeepsetError, ValueError):
    """A value was refused; `field_violations` says which and why."""


class PreconditionError(KeepsetError):
    """Not in this state of the run: wrong epoch, gap between reports, run finished, client closed, client of another
    process."""


class OutOfRangeError(KeepsetError):
    """A start position past the end of the plan."""


class ResourceExhaustedError(KeepsetError):
    """Over a limit of the sampler: number of runs, memory, size of a message."""


class QueueFullError(KeepsetError):
    """The bounded queue of reports had no room for `give_up_after` seconds. Nothing was queued."""


class UnavailableError(KeepsetError):
    """The sampler could not be reached, or was draining, for longer than the client tries again."""


class DeadlineError(KeepsetError):
    """The answer did not come in time; for a plan: not all ranks have asked."""


class AbortedError(KeepsetError):
    """Lost against another. `reason` says against which: STALE_GENERATION, the run was rewound and this trainer is of
    its life before, which is over for good; ASK_SUPERSEDED, a later call of the same rank for the same plan;
    TWO_TRAINERS, another trainer reports as the same rank; PLAN_CHANGED, a plan that changed while it was read."""


class UnauthenticatedError(KeepsetError):
    """No token, or one that the sampler does not know."""


class PermissionDeniedError(KeepsetError):
    """The token does not allow this."""


class DataLossError(KeepsetError):
    """The sampler's record of the run is damaged."""


class InternalError(KeepsetError):
    """A fault of the sampler, of this library or of something between the two."""
