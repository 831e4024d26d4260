"""The channels to one sampler, and what all calls share."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc

from keepset.client.errors import DeadlineError, KeepsetError, PreconditionError
from keepset.client.forks import fork_count
from keepset.client.retry import RetryBudget
from keepset.client.status import RpcStatus, error_of, status_of
from keepset.client.stubs import PlanStub, ReportStub, RunServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")
RequestIn = TypeVar("RequestIn", contravariant=True)
ResponseOut = TypeVar("ResponseOut", covariant=True)

_CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    # A peer that vanished without a word is noticed after 30 s + 20 s; an idle stream would wait for ever.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # The channel's own pause between attempts must not be much longer than that of this library, which is on top of it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # gRPC's own retries would come on top of ours; and with them a call whose connection fails right at its start may
    # never end, not even at its deadline (seen with grpcio 1.85).
    ("grpc.enable_retries", 0),
    # A connection of its own: by default channels to one address share theirs.
    ("grpc.use_local_subchannel_pool", 1),
]

_LOOPBACK = re.compile(r"^(ipv[46]:)?(127\.|localhost:|\[::1\])")


class UnaryCall(Protocol[RequestIn, ResponseOut]):
    """A call with one request and one response, as gRPC's stubs have it."""

    def __call__(self, request: RequestIn, /, *, timeout: float | None) -> ResponseOut: ...


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings:
    """Settings of a `Connection`, in seconds."""

    call_timeout: float
    give_up_after: float
    report_queue_limit: int


class Connection:
    """Two channels to a sampler: one for reports, one for all else, so that a plan of many megabytes holds up no
    report."""

    def __init__(
        self, address: str, settings: ConnectionSettings, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        self.address = address
        self.settings = settings
        self._channels = [_open_channel(address, credentials) for _ in range(2)]
        self.runs = RunServiceStub(self._channels[0])
        self.plans = PlanStub(self._channels[0])
        self.reports = ReportStub(self._channels[1])
        self._closed = threading.Event()
        self._is_closed = False
        self._fork_count = fork_count()

    @property
    def is_of_parent(self) -> bool:
        """Whether it belongs to the process that this one was forked from. Then nothing of it may be touched: its
        threads are not here, and its locks may be held for ever.
        """
        return self._fork_count != fork_count()

    def check_usable(self) -> None:
        """Throws where the client is closed, or belongs to the process that this one was forked from."""
        # As few calls as can be: each report passes here.
        if self._fork_count == fork_count() and not self._is_closed:
            return
        if self.is_of_parent:
            raise PreconditionError(
                f"This client of {self.address} was made before the process was forked and works in its parent only: "
                "call connect() anew in the child, or begin the process with the multiprocessing start method 'spawn'.",
                code="FAILED_PRECONDITION",
                reason="FORKED",
            )
        raise closed_error()

    def call(self, method: UnaryCall[Request, Response], request: Request) -> Response:
        """Makes a unary call, again while the sampler cannot be reached, within `call_timeout` for all of it."""
        end = time.monotonic() + self.settings.call_timeout
        budget = RetryBudget(self.settings.call_timeout)
        trouble: RpcStatus | None = None
        while True:
            try:
                with self.errors():
                    return method(request, timeout=grpc_timeout(end - time.monotonic()))
            except grpc.RpcError as error:
                status = status_of(error)
                # Time that ran out while the sampler was out of reach is not the sampler's being slow.
                if status.code is grpc.StatusCode.DEADLINE_EXCEEDED and trouble is not None:
                    raise error_of(trouble) from error
                delay = budget.delay_before_retry(status)
                if delay is None:
                    raise error_of(status) from error
                trouble = status
            self.wait(delay)

    @contextmanager
    def errors(self) -> Generator[None]:
        """Around a gRPC call: what it throws because the client is closed meanwhile, or the process forked, says so."""
        self.check_usable()
        try:
            yield
        except (grpc.RpcError, ValueError):  # ValueError: a call on a closed channel
            self.check_usable()
            raise

    def wait(self, seconds: float) -> None:
        """Sleeps, and throws as soon as the client is closed."""
        self._closed.wait(seconds)
        self.check_usable()

    def ready(self) -> None:
        """Waits until the sampler is reached, within `call_timeout`: before a call that cannot be made again."""
        self.check_usable()
        timeout = self.settings.call_timeout
        try:
            grpc.channel_ready_future(self._channels[0]).result(grpc_timeout(timeout))
        except grpc.FutureTimeoutError as error:
            text = f"The sampler at {self.address} was not reached within {timeout:g} s"
            raise error_of(RpcStatus(grpc.StatusCode.UNAVAILABLE, text)) from error

    def close(self) -> None:
        """Ends every call that is under way; every later one throws."""
        self._is_closed = True
        self._closed.set()
        for channel in self._channels:
            channel.close()


def closed_error() -> KeepsetError:
    """What every call on a closed client throws."""
    return PreconditionError(
        "The client is closed: connect() again.", code="FAILED_PRECONDITION", reason="CLIENT_CLOSED"
    )


def grpc_timeout(seconds: float) -> float | None:
    """As gRPC takes it: not negative, and None for what is longer than a call can say, about 30 years."""
    return None if seconds > 1e9 else max(0.0, seconds)


def no_answer(what: str, timeout: float, option: str) -> DeadlineError:
    """The error of a sampler that stays silent."""
    return DeadlineError(
        f"The sampler did not answer within {timeout:g} s when it was asked for {what}. Look whether it is overloaded "
        f"or cut off, or raise {option}.",
        code="DEADLINE_EXCEEDED",
        reason="NO_ANSWER",
    )


def _open_channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    # A proxy that http_proxy names cannot reach this machine's own loopback.
    options = [*_CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0)] if _LOOPBACK.match(address) else _CHANNEL_OPTIONS
    if credentials is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, credentials, options)
