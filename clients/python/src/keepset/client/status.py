"""What gRPC says of a call that failed, and the typed error made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from keepset._proto.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from keepset._proto.status_pb2 import Status
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
    ResourceExhaustedError,
    RunExistsError,
    RunNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)

_DOMAIN = "keepset.dev"
_INTERNAL = (InternalError, "A fault of the sampler or of something before it: look for this text in its log.")

# By status: the class of the error, and what its reader can do.
_CAUSES: dict[str, tuple[type[KeepsetError], str]] = {
    "INVALID_ARGUMENT": (InvalidArgumentError, "Correct the fields that are named."),
    "NOT_FOUND": (RunNotFoundError, "Check the run id, or create the run with client.create_run()."),
    "ALREADY_EXISTS": (
        RunExistsError,
        "Use another run_id, give the same settings as before, or delete the run with client.delete_run().",
    ),
    "FAILED_PRECONDITION": (
        PreconditionError,
        "Compare with run.info(): its state and next_epoch say what the run takes now. To train again from an earlier "
        "epoch, call run.rewind(epoch).",
    ),
    "OUT_OF_RANGE": (OutOfRangeError, "Give a start_position from 0 to the plan's position_count."),
    "RESOURCE_EXHAUSTED": (
        ResourceExhaustedError,
        "Stay below the limit that is named, or raise it in the sampler.",
    ),
    "UNAVAILABLE": (
        UnavailableError,
        "Check that the sampler runs and that its address is right (`keepset serve` starts one).",
    ),
    "DEADLINE_EXCEEDED": (DeadlineError, "Raise the timeout, or look for what the sampler waits for."),
    "ABORTED": (AbortedError, "Ask for the plan of the epoch again."),
    "UNAUTHENTICATED": (UnauthenticatedError, "Connect with credentials that the sampler knows."),
    "PERMISSION_DENIED": (PermissionDeniedError, "Use a token that is allowed to do this."),
    "DATA_LOSS": (DataLossError, "Restore the run, or begin a new one."),
    "UNIMPLEMENTED": (
        InternalError,
        "The server at this address is no Keepset sampler, or an older one than this library.",
    ),
}

# What the reader can do where the reason says more than the status.
_ADVICE_BY_REASON = {
    "SEQUENCE_GAP": "Ask for the plan of the epoch again: it says which reports the sampler has.",
    "RUN_FINISHED": "Create a run with another run_id, or call client.delete_run() first.",
    "ASK_SUPERSEDED": "Give each worker a rank of its own, let one at a time ask for a rank, and end the worker that "
    "was replaced.",
    "STALE_GENERATION": "End this trainer; or attach to the run anew with client.attach_run(), and go on at its "
    "next_epoch with the model as it was then.",
    "EPOCH_START_GONE": "Rewind to one of the run's epoch_starts (run.info() has them), or begin a new run.",
    "STORE_UNAVAILABLE": "The sampler's log says why it cannot write its records: a full disk, for example.",
    "RUN_DAMAGED": "The sampler's log names the file. Restore the run's record from a copy, or client.delete_run() and "
    "import_run() an export, or begin a new run.",
}


@dataclass(frozen=True)
class RpcStatus:
    """How a call ended."""

    code: grpc.StatusCode
    details: str = ""
    reason: str | None = None
    """From the sampler's own ErrorInfo; None where the transport or something between made the status up."""
    field_violations: tuple[FieldViolation, ...] = ()
    retry_delay: float | None = None
    """What the sampler asks to wait, in seconds."""


def status_of(error: grpc.RpcError) -> RpcStatus:
    """The status of a failed call. Details that cannot be read never hide the error itself."""
    call: Any = error  # Every RpcError of a call is a grpc.Call, too; the type does not say so.
    code, details = call.code(), call.details() or ""
    trailer = next((value for key, value in call.trailing_metadata() or () if key == "grpc-status-details-bin"), None)
    if trailer is None:
        return RpcStatus(code, details)
    try:
        messages = {any_.type_url.rpartition(".")[2]: any_.value for any_ in Status.FromString(trailer).details}
        info = ErrorInfo.FromString(messages.get("ErrorInfo", b""))
        violations = BadRequest.FromString(messages.get("BadRequest", b"")).field_violations
        retry = RetryInfo.FromString(messages["RetryInfo"]).retry_delay if "RetryInfo" in messages else None
    except DecodeError:
        return RpcStatus(code, details)
    return RpcStatus(
        code,
        details,
        reason=info.reason if info.domain == _DOMAIN else None,
        field_violations=tuple(FieldViolation(one.field, one.description) for one in violations),
        retry_delay=None if retry is None else retry.seconds + retry.nanos / 1e9,
    )


def error_of(status: RpcStatus, to_do: str | None = None) -> KeepsetError:
    """The typed error of a status that is not OK. `to_do`: what the reader can do, where the call knows more than its
    status says."""
    name = status.code.name
    kind, advice = _CAUSES.get(name, _INTERNAL)
    text = (status.details or name).removesuffix(".")
    return kind(
        f"{text}. {to_do or _ADVICE_BY_REASON.get(status.reason or '', advice)}",
        code=name,
        reason=status.reason,
        field_violations=status.field_violations,
        retry_delay=status.retry_delay,
    )


def unreadable(what: str) -> InternalError:
    """The error of an answer that no sampler of this version gives."""
    return InternalError(
        f"The sampler sent {what}. Use versions of the sampler and the client that fit.",
        code="INTERNAL",
        reason="UNREADABLE_ANSWER",
    )
