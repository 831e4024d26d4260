"""One generation of a run."""

from __future__ import annotations

import weakref

from keepset._proto.sampler_service_pb2 import PlanEpochRequest
from keepset.client.checks import check_seconds, check_u32
from keepset.client.connection import Connection
from keepset.client.mapping import reason_from_wire
from keepset.client.plan import Plan
from keepset.client.plan_fetch import PlanFetch
from keepset.client.report_sender import ReportSender
from keepset.client.reports import Report
from keepset.client.settings import RunInfo


class RunLife:
    """One generation of a run, as far as one `Run` object has part in it: its plans, and the reports that they make.
    A rewind begins another."""

    def __init__(self, connection: Connection, info: RunInfo) -> None:
        self.generation = info.generation
        self.sender = ReportSender(connection, info.run_id, info.generation, info.settings.sample_count)
        self._connection = connection
        self._run_id = info.run_id
        self._settings = info.settings
        # The sender's thread outlives the trainer's interest in the run, but only until all is delivered. The end of
        # the interpreter has a handler of its own.
        weakref.finalize(self, self.sender.retire).atexit = False

    def plan_epoch(
        self, epoch: int, *, rank: int, world_size: int, start_position: int, timeout: float, last_sequence: int | None
    ) -> Plan:
        """See `Run.plan_epoch`."""
        request = PlanEpochRequest(
            run_id=self._run_id,
            epoch=check_u32("epoch", epoch),
            rank=check_u32("rank", rank),
            world_size=check_u32("world_size", world_size, 1),
            last_sequence=check_u32("last_sequence", last_sequence or 0),
            start_position=check_u32("start_position", start_position),
            generation=self.generation,
        )
        check_seconds("timeout", timeout)
        self.sender.flush()
        if last_sequence is None:
            request.last_sequence = self.sender.last_sequence_before(epoch, rank)
        return self._fetch(request, timeout)

    def plan_scoring(self, epoch: int, *, rank: int, world_size: int, start_position: int, timeout: float) -> Plan:
        """See `Run.plan_scoring`."""
        request = PlanEpochRequest(
            run_id=self._run_id,
            epoch=check_u32("epoch", epoch),
            rank=check_u32("rank", rank),
            world_size=check_u32("world_size", world_size, 1),
            start_position=check_u32("start_position", start_position),
            generation=self.generation,
            score_only=True,
        )
        check_seconds("timeout", timeout)
        self.sender.check()
        return self._fetch(request, timeout)

    def _fetch(self, request: PlanEpochRequest, timeout: float) -> Plan:
        header, indices, weights = PlanFetch(self._connection, self.sender, request, timeout).fetch()
        self.sender.begin(request.epoch, request.rank, header.applied_sequence)
        self.sender.start()
        return Plan(
            epoch=request.epoch,
            rank=request.rank,
            world_size=request.world_size,
            kept_count=header.kept_count,
            sample_count=header.sample_count,
            position_count=header.position_count,
            saving=header.saving,
            selection_epoch=header.selection_epoch,
            reason=reason_from_wire(header.reason),
            digest=header.digest,
            generation=header.generation,
            start_position=request.start_position,
            indices=indices,
            weights=weights,
            learning_rate_factor=header.learning_rate_factor or 1.0,
            score_count=header.score_count,
            is_scoring=header.score_only,
            metrics=tuple(self._settings.metrics),
            score_source=self._settings.score_source,
            _send=self._send,
        )

    def _send(self, report: Report) -> None:
        self.sender.send(report)
