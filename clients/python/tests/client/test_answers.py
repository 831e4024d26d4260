"""Answers that a real sampler gives seldom or never."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from keepset._proto import run_service_pb2, sampler_service_pb2
from keepset.client import (
    AbortedError,
    DataLossError,
    DeadlineError,
    InternalError,
    KeepsetError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RunNotFoundError,
    UnauthenticatedError,
    UnavailableError,
    connect,
)
from keepset.policies import Full
from support.scripted_sampler import Handler, ScriptedSampler, ack_of, create_run, plan_of, refuse

Code = grpc.StatusCode


def script(*steps: Handler) -> Handler:
    """A handler that does another step at each call, and the last one from then on."""
    left = list(steps)
    return lambda request, context: (left.pop(0) if len(left) > 1 else left[0])(request, context)


def refusing(code: grpc.StatusCode, text: str = "no", reason: str | None = None, **more: Any) -> Handler:
    return lambda _, context: refuse(context, code, text, reason, **more)


def _wait_for_the_end(context: grpc.ServicerContext) -> None:
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()


def deleted(_: Any, __: grpc.ServicerContext) -> Any:
    return run_service_pb2.DeleteRunResponse()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.UNAUTHENTICATED, UnauthenticatedError),
        (Code.PERMISSION_DENIED, PermissionDeniedError),
        (Code.DATA_LOSS, DataLossError),
        (Code.ABORTED, AbortedError),
        (Code.RESOURCE_EXHAUSTED, ResourceExhaustedError),
        (Code.DEADLINE_EXCEEDED, DeadlineError),
        (Code.INTERNAL, InternalError),
        (Code.UNKNOWN, InternalError),
        (Code.UNIMPLEMENTED, InternalError),
    ],
)
def test_each_status_is_a_class_of_error(code: grpc.StatusCode, kind: type[KeepsetError]) -> None:
    with ScriptedSampler(delete_run=refusing(code, "no way.", "A_REASON")) as server, connect(server.address) as client:
        with pytest.raises(kind, match=r"^no way\. ") as caught:
            client.delete_run("a")
        assert (caught.value.code, caught.value.reason) == (code.name, "A_REASON")


def test_details_of_somebody_else_are_no_reason() -> None:
    handler = refusing(Code.NOT_FOUND, "no", "GONE", domain="proxy.example")
    with ScriptedSampler(delete_run=handler) as server, connect(server.address) as client:
        with pytest.raises(RunNotFoundError) as caught:
            client.delete_run("a")
        assert caught.value.reason is None


def test_details_that_cannot_be_read_do_not_hide_the_error() -> None:
    def garbled(_: Any, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
        context.abort(Code.NOT_FOUND, "there is none")

    server = ScriptedSampler(delete_run=garbled)
    with server, connect(server.address) as client, pytest.raises(RunNotFoundError, match="there is none"):
        client.delete_run("a")


def test_a_server_that_is_no_sampler_is_told() -> None:
    server = ScriptedSampler()
    with (
        server,
        connect(server.address) as client,
        pytest.raises(InternalError, match="no Keepset sampler, or an older"),
    ):
        client.get_run("a")


def test_a_call_is_made_again_while_the_sampler_is_not_ready() -> None:
    handler = script(refusing(Code.UNAVAILABLE, "draining", "DRAINING", retry_delay=0.01), deleted)
    with ScriptedSampler(delete_run=handler) as server, connect(server.address) as client:
        client.delete_run("a")


def test_a_call_waits_no_longer_than_it_may() -> None:
    handler = refusing(Code.UNAVAILABLE, "the disk is full", "STORE_UNAVAILABLE", retry_delay=60)
    with ScriptedSampler(delete_run=handler) as server, connect(server.address, call_timeout=5) as client:
        with pytest.raises(UnavailableError, match="the disk is full") as caught:
            client.delete_run("a")
        assert caught.value.retry_delay == 60


def test_a_deletion_that_was_repeated_takes_not_found_for_done() -> None:
    handler = script(refusing(Code.UNAVAILABLE), refusing(Code.NOT_FOUND, "no run", "RUN_NOT_FOUND"))
    with ScriptedSampler(delete_run=handler) as server, connect(server.address) as client:
        client.delete_run("a")
        with pytest.raises(RunNotFoundError):
            client.delete_run("a")


def test_an_internal_error_of_the_transport_is_tried_again_and_one_of_the_sampler_is_not() -> None:
    text = "Received RST_STREAM with error code 2"
    handler = script(refusing(Code.INTERNAL, text), refusing(Code.INTERNAL, text, "INTERNAL"), deleted)
    with ScriptedSampler(delete_run=handler) as server, connect(server.address) as client:
        with pytest.raises(InternalError) as caught:
            client.delete_run("a")
        assert caught.value.reason == "INTERNAL"


def test_a_run_that_cannot_be_read_is_told() -> None:
    handler: Handler = lambda *_: run_service_pb2.GetRunResponse()  # noqa: E731
    with ScriptedSampler(get_run=handler) as server, connect(server.address) as client:
        with pytest.raises(InternalError, match="Use versions of the sampler and the client that fit") as caught:
            client.get_run("a")
        assert caught.value.reason == "UNREADABLE_ANSWER"


def acks(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
    return map(ack_of, requests)


@pytest.mark.parametrize("changes", [{"sequence": 2}, {"rank": 1}, {"epoch": 1}])
def test_acknowledgements_out_of_order_fail_the_run(changes: dict[str, int]) -> None:
    def wrong(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        return (ack_of(request, **changes) for request in requests)

    server = ScriptedSampler(create_run=create_run, plan_epoch=plan_of(4), stream_reports=wrong)
    with server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        run.plan_epoch(0).report([1], [0.0])
        with pytest.raises(InternalError, match="when report 1 of epoch 0 and rank 0 was next"):
            run.flush()


def in_one_message(*acks: Any) -> Any:
    return sampler_service_pb2.StreamReportsResponse(acks=[ack for response in acks for ack in response.acks])


def test_several_acknowledgements_come_in_one_message() -> None:
    def in_pairs(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            yield in_one_message(ack_of(request), ack_of(next(requests)))

    server = ScriptedSampler(create_run=create_run, plan_epoch=plan_of(4), stream_reports=in_pairs)
    with server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        plan = run.plan_epoch(0)
        for index in range(4):
            plan.report([index], [0.0])
        run.flush()


def test_one_of_several_acknowledgements_that_is_out_of_order_fails_the_run() -> None:
    def wrong(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        first, second = next(requests), next(requests)
        yield in_one_message(ack_of(first), ack_of(second, sequence=7), ack_of(second))

    server = ScriptedSampler(create_run=create_run, plan_epoch=plan_of(4), stream_reports=wrong)
    with server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        plan = run.plan_epoch(0)
        for index in range(2):
            plan.report([index], [0.0])
        with pytest.raises(InternalError, match=r"acknowledged report 7 .* when report 2 of epoch 0"):
            run.flush()


def test_duplicates_of_reports_that_were_sent_again_are_fine() -> None:
    """The first stream takes reports and breaks before it answers; the sampler has them when they come again."""
    seen: set[int] = set()

    def break_off(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            seen.add(request.report.sequence)
            if len(seen) == 3:
                context.abort(Code.UNAVAILABLE, "draining")
        yield from ()

    def answer(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        return (ack_of(request, duplicate=request.report.sequence in seen) for request in requests)

    handlers = {"create_run": create_run, "plan_epoch": plan_of(4), "stream_reports": script(break_off, answer)}
    with ScriptedSampler(**handlers) as server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        plan = run.plan_epoch(0)
        for index in range(4):
            plan.report([index], [0.0])
        run.flush()
        assert seen == {1, 2, 3}


def test_a_duplicate_that_was_sent_once_fails_the_run() -> None:
    def duplicate(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        return (ack_of(request, duplicate=True) for request in requests)

    server = ScriptedSampler(create_run=create_run, plan_epoch=plan_of(4), stream_reports=duplicate)
    with server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        run.plan_epoch(0).report([1], [0.0])
        with pytest.raises(AbortedError, match="two trainers") as caught:
            run.flush()
        assert caught.value.reason == "TWO_TRAINERS"


def test_a_stream_that_the_server_ends_is_opened_again() -> None:
    def one(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        yield ack_of(next(requests))

    server = ScriptedSampler(create_run=create_run, plan_epoch=plan_of(4), stream_reports=one)
    with server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        plan = run.plan_epoch(0)
        for index in range(4):
            plan.report([index], [0.0])
        run.flush()


def test_a_plan_that_changes_while_it_is_read_is_told() -> None:
    def first(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield next(iter(plan_of(5)(request, context)))
        context.abort(Code.UNAVAILABLE, "draining")

    with ScriptedSampler(create_run=create_run, plan_epoch=script(first, plan_of(4))) as server:
        with connect(server.address) as client, pytest.raises(AbortedError) as caught:
            client.create_run(sample_count=5, policy=Full()).plan_epoch(0)
        assert caught.value.reason == "PLAN_CHANGED"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (None, "ended without a header"),
        ([{"start_position": 1, "sample_indices": b"1234"}], "for position 1 when 0 was next"),
        ([{"sample_indices": b"12345"}], "5 bytes"),
        ([{"sample_indices": b"1234" * 5}], "20 bytes"),
        ([{"sample_indices": b"1234" * 3}], "ended 1 positions too early"),
        ([{"sample_indices": b"1234" * 4, "weights": b"1234"}], "holds 4 bytes of weights beside 16 of indices"),
    ],
)
def test_a_plan_that_cannot_be_read_is_told(fields: list[dict[str, Any]] | None, text: str) -> None:
    def garbled(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        if fields is not None:
            yield next(iter(plan_of(4)(request, context)))
        for chunk in fields or []:
            yield sampler_service_pb2.PlanEpochResponse(chunk=sampler_service_pb2.PlanChunk(**chunk))

    server = ScriptedSampler(create_run=create_run, plan_epoch=garbled)
    with server, connect(server.address) as client, pytest.raises(InternalError, match=text):
        client.create_run(sample_count=4, policy=Full()).plan_epoch(0)


def test_a_sampler_that_knows_no_scoring_is_told() -> None:
    server = ScriptedSampler(create_run=create_run, plan_epoch=plan_of(4))
    with server, connect(server.address) as client:
        run = client.create_run(sample_count=4, policy=Full())
        with pytest.raises(InternalError, match="is not of what is to be scored"):
            run.plan_scoring(0)
        plan = run.plan_epoch(0)
        assert (plan.weights, plan.learning_rate_factor, plan.score_count) == (None, 1.0, 0)


def test_weights_that_break_off_are_fetched_on() -> None:
    weights = np.array([1, 2, 0.5, 4], np.float32)

    def weighted(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        first, rest = plan_of(4)(request, context)
        first.header.has_weights = True
        yield first
        start = request.start_position
        rest.chunk.weights = weights[start:].tobytes()
        if start == 0:
            rest.chunk.sample_indices = rest.chunk.sample_indices[:8]
            rest.chunk.weights = rest.chunk.weights[:8]
            yield rest
            context.abort(Code.UNAVAILABLE, "draining")
        yield rest

    with ScriptedSampler(create_run=create_run, plan_epoch=weighted) as server, connect(server.address) as client:
        plan = client.create_run(sample_count=4, policy=Full()).plan_epoch(0)
        assert plan.weights is not None and plan.weights.tolist() == weights.tolist()


def test_a_sampler_that_stays_silent_is_told() -> None:
    def silent(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        _wait_for_the_end(context)
        yield from ()

    with ScriptedSampler(create_run=create_run, plan_epoch=silent) as server, connect(server.address) as client:
        with pytest.raises(DeadlineError, match=r"plan of epoch 0 for rank 0.* raise timeout") as caught:
            client.create_run(sample_count=4, policy=Full()).plan_epoch(0, timeout=0.1)
        assert caught.value.reason == "NO_ANSWER"


def test_chunks_may_take_longer_than_the_wait_for_the_plan() -> None:
    """The call's deadline passes after the header; the rest comes with another call."""

    def slow(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield next(iter(plan_of(4)(request, context)))
        _wait_for_the_end(context)

    with ScriptedSampler(create_run=create_run, plan_epoch=script(slow, plan_of(4))) as server:
        with connect(server.address) as client:
            plan = client.create_run(sample_count=4, policy=Full()).plan_epoch(0, timeout=0.1)
        assert plan.indices.tolist() == [0, 1, 2, 3]
