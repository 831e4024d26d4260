"""Which failures are tried again, and when."""

from __future__ import annotations

import random
import re
import time

import grpc

from keepset.client.status import RpcStatus

_INITIAL_SECONDS = 0.05
_MAX_SECONDS = 5.0

# Chance of its own: the global generator is the trainer's.
_random = random.Random()

# Statuses that the transport, or a proxy on the way, makes up for a stream that was cut. With the sampler's own
# reason they are an answer, and an answer is final.
_FROM_TRANSPORT = {
    grpc.StatusCode.CANCELLED: re.compile("RST_STREAM|^CANCELLED$"),
    grpc.StatusCode.INTERNAL: re.compile("RST_STREAM"),
    grpc.StatusCode.UNKNOWN: re.compile("^Stream removed|RST_STREAM|^$"),
}


def is_retryable(status: RpcStatus) -> bool:
    """Whether the call may succeed when it is sent again, the same.

    Every call of this library may be repeated, but for an import: plans are made once, reports carry a sequence, a
    rewind states the generation that it ends, creating and finishing are idempotent, a deletion that was repeated
    takes NOT_FOUND for done.
    """
    if status.code is grpc.StatusCode.UNAVAILABLE:
        return True
    pattern = _FROM_TRANSPORT.get(status.code)
    return pattern is not None and status.reason is None and pattern.search(status.details) is not None


def backoff_delay(attempt: int, chance: float) -> float:
    """Seconds to wait before try number `attempt` + 2: the upper end doubles with every attempt (0, 1, 2, ...) from
    50 ms to 5 s, and the wait lies in its upper half, so that many trainers do not come back at the same moment.
    `chance` lies in [0, 1)."""
    upper = min(_MAX_SECONDS, _INITIAL_SECONDS * 2.0 ** min(attempt, 16))
    return upper * (0.5 + chance / 2)


class RetryBudget:
    """Follows one trouble with the connection: hands out the waits between tries until it has lasted too long.
    Progress ends a trouble."""

    def __init__(self, give_up_after: float) -> None:
        self._give_up_after = give_up_after
        self._attempt = 0
        self._since: float | None = None

    def progress(self) -> None:
        """The call got somewhere: the next trouble starts from nothing."""
        self._attempt = 0
        self._since = None

    def delay_before_retry(self, status: RpcStatus) -> float | None:
        """Seconds to wait before the call is sent again, no less than the sampler asks for; None where the status is
        final or the time is up."""
        return self.next_delay(status.retry_delay or 0.0) if is_retryable(status) else None

    def next_delay(self, at_least: float = 0.0) -> float | None:
        """Seconds to wait before the next try, `at_least` or more; None when it is time to give up."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        delay = max(at_least, backoff_delay(self._attempt, _random.random()))
        self._attempt += 1
        return None if now + delay - self._since > self._give_up_after else delay
