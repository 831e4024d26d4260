"""Fetches a plan whole."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import grpc
import numpy as np
import numpy.typing as npt

from keepset._proto.sampler_service_pb2 import PlanChunk, PlanEpochRequest, PlanHeader
from keepset.client.checks import MAX_U32
from keepset.client.connection import Connection, grpc_timeout, no_answer
from keepset.client.errors import AbortedError, InternalError
from keepset.client.report_sender import ReportSender
from keepset.client.retry import RetryBudget
from keepset.client.status import RpcStatus, error_of, status_of

_ANSWER_SECONDS = 2.0
"""How much later than the sampler we give up a wait: its answer names the ranks that are missing, ours cannot."""


class FetchedPlan(NamedTuple):
    """A plan as it came."""

    header: PlanHeader
    indices: npt.NDArray[np.uint32]
    """From the request's start position on. Read-only, like `weights`."""
    weights: npt.NDArray[np.float32] | None
    """Of each of `indices`; None where the plan has none."""


class PlanFetch:
    """One plan on its way.

    `timeout` bounds the wait for the header, connection trouble included; the chunks after it come as slowly as the
    network brings them. A stream that breaks is opened again at the position reached, and goes on only if it is the
    same plan.
    """

    def __init__(self, connection: Connection, sender: ReportSender, request: PlanEpochRequest, timeout: float) -> None:
        self._connection = connection
        self._sender = sender
        self._request = request
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._header: PlanHeader | None = None
        self._indices = np.empty(0, np.uint32)
        self._weights: npt.NDArray[np.float32] | None = None
        self._filled = 0

    def fetch(self) -> FetchedPlan:
        """The plan. Throws typed errors."""
        budget = RetryBudget(self._timeout)
        trouble: RpcStatus | None = None
        while True:
            had_header, filled = self._header is not None, self._filled
            try:
                return self._read_stream()
            except grpc.RpcError as error:
                status = status_of(error)
                if self._header is not None and (not had_header or self._filled > filled):
                    budget = RetryBudget(self._connection.settings.give_up_after)
                delay = self._delay_before_retry(status, budget)
                if delay is None:
                    raise self._error_of(status, trouble) from error
                trouble = status
            self._connection.wait(delay)
            self._sender.check()

    def _read_stream(self) -> FetchedPlan:
        with self._connection.errors():
            call = self._connection.plans.plan_epoch(self._next_request(), timeout=grpc_timeout(self._call_seconds()))
            try:
                with self._sender.watching(call):
                    for response in call:
                        if response.WhichOneof("part") == "header":
                            self._take_header(response.header)
                        else:
                            self._take_chunk(response.chunk)
            except grpc.RpcError:
                self._sender.check()
                raise
        if self._header is None:
            raise _garbled("ended without a header")
        if self._filled < len(self._indices):
            raise _garbled(f"ended {len(self._indices) - self._filled} positions too early")
        for array in (self._indices, self._weights):
            if array is not None:
                array.flags.writeable = False
        return FetchedPlan(self._header, self._indices, self._weights)

    def _next_request(self) -> PlanEpochRequest:
        request = PlanEpochRequest()
        request.CopyFrom(self._request)
        request.start_position += self._filled
        wait_ms = max(0.0, self._end - time.monotonic()) * 1000
        # What the field cannot say, without end or months, is left to the call's own deadline.
        if self._header is None and wait_ms <= MAX_U32:
            request.max_wait_ms = math.ceil(wait_ms)
        return request

    def _call_seconds(self) -> float:
        if self._header is not None:
            return self._connection.settings.give_up_after
        return max(0.0, self._end - time.monotonic()) + _ANSWER_SECONDS

    def _delay_before_retry(self, status: RpcStatus, budget: RetryBudget) -> float | None:
        # The deadline of a call is meant for the header; the chunks may take longer.
        if self._header is not None and status.code is grpc.StatusCode.DEADLINE_EXCEEDED and status.reason is None:
            return budget.next_delay()
        return budget.delay_before_retry(status)

    def _error_of(self, status: RpcStatus, trouble: RpcStatus | None) -> Exception:
        if status.code is not grpc.StatusCode.DEADLINE_EXCEEDED or status.reason is not None:
            return error_of(status)
        if trouble is not None:
            return error_of(trouble)
        what = f"the plan of epoch {self._request.epoch} for rank {self._request.rank}"
        return no_answer(what, self._timeout, "timeout")

    def _take_header(self, header: PlanHeader) -> None:
        epoch, generation = self._request.epoch, self._request.generation
        if header.epoch != epoch or (generation != 0 and header.generation != generation):
            raise _garbled(
                f"is of epoch {header.epoch} and generation {header.generation}, not of {epoch} and {generation}"
            )
        if header.score_only != self._request.score_only:
            raise _garbled(f"is {'' if header.score_only else 'not '}of what is to be scored")
        if self._header is None:
            self._header = header
            count = header.position_count - self._request.start_position
            self._indices = np.empty(count, np.uint32)
            self._weights = np.empty(count, np.float32) if header.has_weights else None
        elif (header.digest, header.position_count) != (self._header.digest, self._header.position_count):
            raise AbortedError(
                f"The plan of epoch {epoch} changed while it was read. Ask for it again.",
                code="ABORTED",
                reason="PLAN_CHANGED",
            )

    def _take_chunk(self, chunk: PlanChunk) -> None:
        if self._header is None:
            raise _garbled("began without a header")
        size, start = len(chunk.sample_indices), self._request.start_position + self._filled
        end = self._filled + size // 4
        if chunk.start_position != start or size % 4 != 0 or end > len(self._indices):
            raise _garbled(f"holds {size} bytes for position {chunk.start_position} when {start} was next")
        if len(chunk.weights) != (0 if self._weights is None else size):
            raise _garbled(f"holds {len(chunk.weights)} bytes of weights beside {size} of indices")
        self._indices[self._filled : end] = np.frombuffer(chunk.sample_indices, "<u4")
        if self._weights is not None:
            self._weights[self._filled : end] = np.frombuffer(chunk.weights, "<f4")
        self._filled = end


def _garbled(what: str) -> InternalError:
    return InternalError(
        f"The plan's stream {what}. Use versions of the sampler and the client that fit.",
        code="INTERNAL",
        reason="UNREADABLE_ANSWER",
    )
