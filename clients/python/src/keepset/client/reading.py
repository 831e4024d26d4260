"""Streams that are read once and cannot be resumed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

import grpc

from keepset.client.connection import Connection
from keepset.client.retry import RetryBudget, is_retryable
from keepset.client.status import error_of, status_of

Request = TypeVar("Request")
Response = TypeVar("Response")


def read_stream(
    connection: Connection,
    method: grpc.UnaryStreamMultiCallable[Request, Response],
    request: Request,
    *,
    name: str,
    to_do: str,
) -> Generator[Response]:
    """The messages of a stream, no faster than they are taken.

    Up to the first message it is made again while the sampler cannot be reached, for `call_timeout` in all. A stream
    that breaks after that throws: what came is a part. `name`: what it is, for an error's text; `to_do`: what the
    reader can do when it broke.
    """
    end = time.monotonic() + connection.settings.call_timeout
    budget = RetryBudget(connection.settings.call_timeout)
    while True:
        has_begun = False
        call: Any = None
        try:
            with connection.errors():
                # No deadline: it would bound the reading, too. A sampler that vanished is noticed by the keep-alive.
                call = method(request)
            for message in _checked(connection, call):
                has_begun = True
                yield message
            return
        except grpc.RpcError as error:
            status = status_of(error)
            if has_begun:
                broke_off = f"The {name} broke off and cannot be resumed: {to_do}"
                raise error_of(status, broke_off if is_retryable(status) else None) from error
            delay = budget.delay_before_retry(status)
            if delay is None or time.monotonic() + delay > end:
                raise error_of(status) from error
        finally:
            if call is not None:
                call.cancel()
        connection.wait(delay)


def _checked(connection: Connection, call: Iterator[Response]) -> Iterator[Response]:
    while True:
        with connection.errors():
            try:
                message = next(call)
            except StopIteration:
                return
        yield message
