"""The way of a run's reports to the sampler, in the background."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from keepset._proto.sampler_service_pb2 import LossReportAck
from keepset.client.connection import Connection
from keepset.client.errors import (
    AbortedError,
    DeadlineError,
    InternalError,
    KeepsetError,
    QueueFullError,
    UnavailableError,
)
from keepset.client.exit_flush import deliver_at_exit, forget
from keepset.client.reports import Report
from keepset.client.retry import RetryBudget, is_retryable
from keepset.client.sequences import Sequences
from keepset.client.status import RpcStatus, error_of, status_of

_log = logging.getLogger("keepset")

# How long a report may lie before it is sent, where nobody waits for it, and how often in a row it is looked for.
_NAP_SECONDS = 0.02
_NAPS = 50


class ReportSender:
    """Brings the reports of one run to the sampler, all ranks over one stream at a time.

    A report leaves the queue when it is acknowledged. After a broken connection all that are left are sent again, in
    order and with the same sequence; the sampler counts each once. What cannot be mended is remembered as `failure`.

    Two threads work for it. Its own opens the stream, reads the acknowledgements and opens the next stream when one
    breaks; gRPC's takes reports from the queue and writes them. The trainer's thread only appends: waking another
    thread costs it more than all the rest of a report, so while reports come gRPC's looks for them by itself.
    """

    def __init__(self, connection: Connection, run_id: str, generation: int, sample_count: int) -> None:
        self._sequences = Sequences()
        self.connection = connection
        self._run_id = run_id
        self._generation = generation
        self._sample_count = sample_count
        self._limit = connection.settings.report_queue_limit
        self._budget = RetryBudget(connection.settings.give_up_after)
        # Re-entrant: a finalizer that takes it may run at any line that holds it.
        self._lock = threading.RLock()
        self._written_or_ended = threading.Condition(self._lock)
        self._acknowledged_or_ended = threading.Condition(self._lock)
        self._encoding = threading.Lock()
        self._reports: deque[Report] = deque()
        self._pushed = 0
        self._acknowledged = 0
        # How many reports of the queue, from its head, were written to the stream, and to one that broke: the sampler
        # may have those.
        self._written = 0
        self._written_before = 0
        # Threads that wait for a report until they are woken: that of a stream that broke may still be one of them.
        self._sleepers = 0
        self._writer: _Writer | None = None
        self._calls: set[Any] = set()
        self._failure: KeepsetError | None = None
        self._retired = False
        self._opened = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def failure(self) -> KeepsetError | None:
        """Why reports can no longer be delivered."""
        return self._failure

    def check(self) -> None:
        """Throws the failure, or what makes the client unusable."""
        self.connection.check_usable()
        self._check_failure()

    def _check_failure(self) -> None:
        if self._failure is not None:
            forget(self)
            # A copy: each of several threads that throw it writes its own traceback into it.
            raise copy.copy(self._failure) from self._failure.__cause__

    def start(self) -> None:
        """Opens the stream before there is a report: a program that ends right after its first one cannot start
        threads any more."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"keepset reports {self._run_id}", daemon=True)
                deliver_at_exit(self)
                self._thread.start()
        self._opened.wait()

    def send(self, report: Report) -> None:
        """Queues a report under the next sequence of its rank and returns; waits only while the queue is full."""
        self.connection.check_usable()
        with self._lock:
            if len(self._reports) >= self._limit:
                self._wait_for_room()
            self._check_failure()
            report.sequence = self._sequences.take(report.epoch, report.rank)
            self._reports.append(report)
            self._pushed += 1
            if self._sleepers:
                self._written_or_ended.notify_all()

    def flush(self, timeout: float | None = None) -> None:
        """Returns when all reports handed over until now are acknowledged."""
        self.check()
        end = None if timeout is None or timeout > threading.TIMEOUT_MAX else time.monotonic() + timeout
        with self._lock:
            target = self._pushed
            self._written_or_ended.notify_all()
            while self._acknowledged < target and self._failure is None:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise DeadlineError(
                        f"{target - self._acknowledged} reports of run {self._run_id!r} were not acknowledged within "
                        f"{timeout:g} s. Look whether the sampler is overloaded or cut off, or raise timeout.",
                        code="DEADLINE_EXCEEDED",
                        reason="NO_ANSWER",
                    )
                self._acknowledged_or_ended.wait(left)
        self.check()

    def last_sequence_before(self, epoch: int, rank: int) -> int:
        """See `Sequences.of_epoch_before`."""
        with self._lock:
            return self._sequences.of_epoch_before(epoch, rank)

    def begin(self, epoch: int, rank: int, applied: int) -> None:
        """The rank has a plan of the epoch; see `Sequences.begin`."""
        with self._lock:
            self._sequences.begin(epoch, rank, applied)

    def deliver(self, timeout: float) -> None:
        """Flushes for `timeout` seconds at most, and logs what could not be delivered instead of throwing it."""
        try:
            self.flush(timeout)
        except KeepsetError as error:
            if self._reports:
                _log.warning("%d reports of run %r were not delivered: %s", len(self._reports), self._run_id, error)

    @contextmanager
    def watching(self, call: Any) -> Generator[None]:
        """Around another call of the run: it is cancelled when the run fails or ends, and then `check` throws."""
        with self._lock:
            self._calls.add(call)
            failed = self._failure is not None
        if failed:
            call.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)
            call.cancel()

    def fail(self, error: KeepsetError) -> None:
        """Takes no more reports: every later call throws `error`, and what waits ends. Reports that are left are
        given up."""
        with self._lock:
            if self._failure is not None:
                return
            self._failure = error
            # With nothing left to say the stream of reports ends by itself, without being cut.
            spared = self._writer.call if self._writer is not None and not self._reports else None
            calls = [call for call in self._calls if call is not spared]
            self._end_stream()
            self._acknowledged_or_ended.notify_all()
        for call in calls:
            call.cancel()

    def end(self, reason: KeepsetError) -> None:
        """As `fail`, where the trainer itself ends it: there is nobody to tell, and no matter what failed before."""
        self.fail(reason)
        self._failure = reason
        forget(self)

    def retire(self) -> None:
        """Ends when the reports that are left are delivered: nobody is left who could hand over others."""
        if self.connection.is_of_parent:
            return
        with self._lock:
            self._retired = True
            self._written_or_ended.notify_all()
            if not self._reports:
                self._end_stream()

    def _wait_for_room(self) -> None:
        seconds = self.connection.settings.give_up_after
        self._written_or_ended.notify_all()
        if not self._acknowledged_or_ended.wait_for(
            lambda: len(self._reports) < self._limit or self._failure is not None,
            seconds if seconds < threading.TIMEOUT_MAX else None,
        ):
            raise QueueFullError(
                f"{self._limit} reports wait to be sent or acknowledged, and none was acknowledged for {seconds:g} s. "
                "Look whether the sampler is overloaded, or raise report_queue_limit.",
                code="RESOURCE_EXHAUSTED",
                reason="QUEUE_FULL",
            )

    def _work(self) -> None:
        try:
            while self._failure is None:
                ended = self._run_stream()
                if not self._go_on_after(ended):
                    return
        except BaseException as error:  # the trainer must hear of it, whatever it is
            self.fail(_internal(f"The thread that sends reports ended: {error!r}", error))
        finally:
            self._opened.set()
            if not self._reports:
                forget(self)

    def _run_stream(self) -> RpcStatus:
        writer = _Writer(self)
        with self._lock:
            self._writer = writer
            self._written = 0
        try:
            _check_threads()
            with self.connection.errors():
                call = self.connection.reports.stream_reports(writer)
            writer.call = call
            with self.watching(call):
                self._opened.set()
                for response in call:
                    self._acknowledge(response.acks)
            return RpcStatus(grpc.StatusCode.UNAVAILABLE, "The sampler ended the stream of reports")
        except grpc.RpcError as error:
            return status_of(error)
        except KeepsetError as error:
            self.fail(error)
            return RpcStatus(grpc.StatusCode.CANCELLED)
        finally:
            with self._lock:
                self._written_before = max(self._written_before, self._written)
                self._written = 0
                self._end_stream()

    def _go_on_after(self, ended: RpcStatus) -> bool:
        """Waits until another stream is to be opened; False when there is none to come."""
        with self._lock:
            if self._failure is not None:
                return False
            # Without reports to send again nothing is in trouble.
            delay = self._budget.delay_before_retry(ended) if self._reports or not is_retryable(ended) else 0.0
            if delay is None:
                self.fail(error_of(ended))
                return False
            self._acknowledged_or_ended.wait_for(lambda: self._failure is not None, delay)
            while not (self._reports or self._retired or self._failure is not None):
                self._sleep()
            return self._failure is None and bool(self._reports)

    def _acknowledge(self, acks: Iterable[LossReportAck]) -> None:
        with self._lock:
            for ack in acks:
                if self._failure is not None:
                    return
                self._acknowledge_one(ack)
            self._acknowledged_or_ended.notify_all()
            if self._retired and not self._reports:
                self._end_stream()

    def _acknowledge_one(self, ack: LossReportAck) -> None:
        oldest = self._reports[0] if self._written > 0 else None
        if oldest is None or (ack.epoch, ack.rank, ack.sequence) != (oldest.epoch, oldest.rank, oldest.sequence):
            got = f"report {ack.sequence} of epoch {ack.epoch} and rank {ack.rank}"
            self.fail(_internal(f"The sampler acknowledged {got} when {oldest or 'no report'} was next."))
            return
        if self._written_before > 0:
            self._written_before -= 1
        elif ack.duplicate:
            self.fail(_two_trainers(self._run_id, oldest))
            return
        self._budget.progress()
        self._written -= 1
        self._reports.popleft()
        self._acknowledged += 1

    def _sleep(self) -> None:
        """Waits until the next report wakes it, or the end."""
        self._sleepers += 1
        try:
            self._written_or_ended.wait()
        finally:
            self._sleepers -= 1

    def _end_stream(self) -> None:
        self._writer = None
        self._written_or_ended.notify_all()

    def next_of(self, writer: _Writer) -> bytes | None:
        """The next report for a stream, as soon as there is one; None when the stream is over."""
        with self._lock:
            naps = 0
            while self._writer is writer and self._written >= len(self._reports):
                if naps < _NAPS:
                    naps += 1
                    self._written_or_ended.wait(_NAP_SECONDS)
                else:
                    self._sleep()
            if self._writer is not writer:
                return None
            report = self._reports[self._written]
        try:
            with self._encoding:  # a stream that broke may still be at the same report
                message = report.encode(self._run_id, self._generation, self._sample_count)
        except KeepsetError as error:
            self.fail(error)
            return None
        except Exception as error:  # of the trainer's own PendingValues
            self.fail(_internal(f"The values of {report} could not be read: {error!r}", error))
            return None
        with self._lock:
            if self._writer is not writer:
                return None
            self._written += 1
            return message


class _Writer(Iterator[bytes]):
    """The requests of one stream: gRPC takes them on a thread of its own."""

    def __init__(self, sender: ReportSender) -> None:
        self._sender = sender
        self.call: Any = None

    def __next__(self) -> bytes:
        message = self._sender.next_of(self)
        if message is None:
            raise StopIteration
        return message


def _check_threads() -> None:
    """Throws where the interpreter ends and starts no threads any more: gRPC, which needs some, would hang."""
    try:
        threading.Thread(target=_nothing, daemon=True).start()
    except RuntimeError as error:
        raise UnavailableError(
            "The connection to the sampler broke while the program ended, and cannot be made again then.",
            code="UNAVAILABLE",
            reason="PROGRAM_ENDED",
        ) from error


def _nothing() -> None:
    pass


def _internal(text: str, cause: BaseException | None = None) -> InternalError:
    error = InternalError(text, code="INTERNAL", reason="REPORTS_BROKEN")
    error.__cause__ = cause
    return error


def _two_trainers(run_id: str, report: Report) -> AbortedError:
    return AbortedError(
        f"The sampler had {report} of run {run_id!r} already, from another trainer: two trainers report as rank "
        f"{report.rank}, and losses are lost. Give each worker a rank of its own, or each training a run_id of its own,"
        " and end the trainer that was replaced.",
        code="ABORTED",
        reason="TWO_TRAINERS",
    )
