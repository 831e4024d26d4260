"""What is tried again, and when."""

from __future__ import annotations

import math

import grpc
import pytest

from keepset.client.retry import RetryBudget, backoff_delay, is_retryable
from keepset.client.sequences import Sequences
from keepset.client.status import RpcStatus

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (RpcStatus(Code.UNAVAILABLE, "Socket closed"), True),
        (RpcStatus(Code.UNAVAILABLE, "draining", reason="DRAINING"), True),
        (RpcStatus(Code.INTERNAL, "Received RST_STREAM with error code 2"), True),
        (RpcStatus(Code.INTERNAL, "a bug, see RST_STREAM", reason="INTERNAL"), False),
        (RpcStatus(Code.INTERNAL, "Error deserializing request"), False),
        (RpcStatus(Code.CANCELLED, "Received RST_STREAM with error code 8"), True),
        (RpcStatus(Code.CANCELLED, "Locally cancelled by application!"), False),
        (RpcStatus(Code.UNKNOWN, "Stream removed"), True),
        (RpcStatus(Code.UNKNOWN, "Exception iterating requests!"), False),
        (RpcStatus(Code.NOT_FOUND, "no run"), False),
        (RpcStatus(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"), False),
        (RpcStatus(Code.RESOURCE_EXHAUSTED, "too many runs", reason="TOO_MANY_RUNS", retry_delay=1), False),
    ],
)
def test_the_transport_is_tried_again_and_an_answer_is_final(status: RpcStatus, expected: bool) -> None:
    assert is_retryable(status) is expected


def test_waits_double_up_to_five_seconds_and_lie_in_their_upper_half() -> None:
    assert [backoff_delay(attempt, 0.0) for attempt in range(3)] == [0.025, 0.05, 0.1]
    assert [backoff_delay(attempt, 0.5) for attempt in (0, 7, 1000)] == pytest.approx([0.0375, 3.75, 3.75])


def test_a_budget_waits_as_long_as_it_is_asked_to_and_ends() -> None:
    asks = RpcStatus(Code.UNAVAILABLE, retry_delay=2.0)
    assert RetryBudget(10).delay_before_retry(asks) == 2.0
    assert RetryBudget(1).delay_before_retry(asks) is None
    assert RetryBudget(math.inf).delay_before_retry(asks) == 2.0
    assert RetryBudget(10).delay_before_retry(RpcStatus(Code.NOT_FOUND, retry_delay=2.0)) is None


def test_progress_begins_the_waits_anew() -> None:
    budget = RetryBudget(1000)
    for _ in range(5):
        budget.next_delay()
    before = budget.next_delay()
    budget.progress()
    after = budget.next_delay()
    assert before is not None and after is not None and before >= 0.8 and after <= 0.05


def test_sequences_count_within_rank_and_epoch() -> None:
    sequences = Sequences()
    sequences.begin(4, 0, 2)
    sequences.begin(4, 1, 0)
    assert [sequences.take(4, 0), sequences.take(4, 0), sequences.take(4, 1)] == [3, 4, 1]
    sequences.begin(4, 0, 3)  # an answer that is older than what was sent since
    assert sequences.take(4, 0) == 5
    assert [sequences.of_epoch_before(epoch, 0) for epoch in (4, 5, 6)] == [0, 5, 0]
    sequences.begin(5, 0, 0)
    assert (sequences.of_epoch_before(5, 0), sequences.of_epoch_before(6, 0), sequences.take(5, 0)) == (5, 0, 1)
