"""A run, as a trainer uses it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from keepset._proto.run_service_pb2 import FinishRunRequest, GetRunRequest, RewindRunRequest
from keepset.client.checks import check_u32
from keepset.client.connection import Connection
from keepset.client.errors import AbortedError, KeepsetError, PreconditionError
from keepset.client.mapping import run_from_wire
from keepset.client.plan import Plan
from keepset.client.run_life import RunLife
from keepset.client.settings import RunInfo

if TYPE_CHECKING:
    from keepset.client.client import Client


class Run:
    """A run, as a trainer uses it: made by `Client.create_run` and `Client.attach_run`. Several ranks, each a thread,
    may share one.

    Its reports go out in the background. When they can no longer be delivered (one was refused, or the sampler was
    out of reach for too long), the run has failed: `plan_epoch`, `flush`, `finish` and `Plan.report` throw that error
    from then on.
    """

    def __init__(self, client: Client, connection: Connection, info: RunInfo) -> None:
        self.client = client
        """The client that it was made by."""
        self.run_id = info.run_id
        self.settings = info.settings
        """The run's settings, the sampler's and the policy's defaults filled in."""
        self._connection = connection
        self._life = RunLife(connection, info)
        self._rewinding = threading.Lock()
        self._is_finished = False

    @property
    def generation(self) -> int:
        """The run's life that this object is in: every plan that it asks for and every report that it sends states
        it."""
        return self._life.generation

    @property
    def failure(self) -> KeepsetError | None:
        """Why its reports can no longer be delivered; None while all is well."""
        return self._life.sender.failure

    def info(self) -> RunInfo:
        """The run as the sampler holds it now. Reports that are still on their way are not in its counts: `flush`
        first."""
        return fetch_run(self._connection, self.run_id)

    def plan_epoch(
        self,
        epoch: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        start_position: int = 0,
        timeout: float = 600.0,
        last_sequence: int | None = None,
    ) -> Plan:
        """The plan of an epoch for one rank: of `info().next_epoch`, or of the epoch before it, whose plan can be had
        again.

        Waits until the reports of this object are acknowledged and all `world_size` ranks have asked, at most
        `timeout` seconds for the latter (above 0, may be infinite). `start_position`: position of the rank's plan at
        which it begins, to go on in mid-epoch. `last_sequence`: reports that this rank sent for the epoch before,
        which the plan waits for; None: what this object has counted, 0 if it was not there.

        Throws DeadlineError when not all ranks asked in time, its text names them; AbortedError when the run was
        rewound (`reason` STALE_GENERATION) or another call of the same rank took the place of this one
        (ASK_SUPERSEDED); InvalidArgumentError for a value out of its range; PreconditionError for a wrong epoch or a
        finished run; OutOfRangeError for a start position past the end; UnavailableError when the sampler stays out
        of reach; and the run's failure.
        """
        return self._life.plan_epoch(
            epoch,
            rank=rank,
            world_size=world_size,
            start_position=start_position,
            timeout=timeout,
            last_sequence=last_sequence,
        )

    def plan_scoring(
        self, epoch: int, *, rank: int = 0, world_size: int = 1, start_position: int = 0, timeout: float = 600.0
    ) -> Plan:
        """What one rank scores of the samples that the planned `epoch` left out: a forward pass without training, after
        the epoch was trained on and before the next one is planned. It is as long as the plan's `score_count`.

        Losses and metrics are reported by its `report`, as others of the epoch. Throws what `plan_epoch` does;
        PreconditionError before the epoch is planned.
        """
        return self._life.plan_scoring(
            epoch, rank=rank, world_size=world_size, start_position=start_position, timeout=timeout
        )

    def flush(self, timeout: float | None = None) -> None:
        """Returns when every report handed over until now is acknowledged, that is as durable as the sampler's store
        makes it. Throws DeadlineError after `timeout` seconds (None: no limit but `give_up_after`), and the run's
        failure."""
        self._life.sender.flush(timeout)

    def finish(self) -> RunInfo:
        """Delivers what is left, then closes the run for all ranks: no more plans, no more reports. With several
        ranks, call it once, when all have flushed. Repeating it does no harm."""
        life = self._life
        if not self._is_finished:
            life.sender.flush()
        response = self._connection.call(
            self._connection.runs.finish_run, FinishRunRequest(run_id=self.run_id, generation=life.generation)
        )
        self._is_finished = True
        life.sender.end(
            PreconditionError(
                f"Run {self.run_id!r} is finished: create another one.",
                code="FAILED_PRECONDITION",
                reason="RUN_FINISHED",
            )
        )
        return run_from_wire(response.run)

    def rewind(self, epoch: int) -> RunInfo:
        """Takes the run back to the start of `epoch`, one of `info().epoch_starts`, for a trainer that restarts from
        a checkpoint.

        The run forgets what came after, and takes plans again even if it was finished. Reports that are still on
        their way are dropped, counts begin anew, and the plans made so far take no more reports: go on with
        `plan_epoch(epoch)`. A run that has failed is sound again.

        It states the `generation` that it ends, so that it can be repeated where an answer was lost: the run is
        rewound once. Every other trainer of the run gets AbortedError with the reason STALE_GENERATION from then on,
        and so does this one, when it was another that rewound: of ranks in several processes one rewinds, and the
        others attach after that. PreconditionError where the start of that epoch is not kept; then nothing has
        changed.
        """
        with self._rewinding:
            info = rewind_run(self._connection, self.run_id, epoch, self._life.generation)
            before = self._life
            if info.generation != before.generation:
                self._life = RunLife(self._connection, info)
                self._is_finished = False
                before.sender.end(
                    AbortedError(
                        f"Run {self.run_id!r} was rewound to epoch {epoch}: plans from before take no more reports. "
                        f"Go on with run.plan_epoch({epoch}).",
                        code="ABORTED",
                        reason="STALE_GENERATION",
                    )
                )
        return info

    def __repr__(self) -> str:
        return f"<keepset run {self.run_id!r} at {self._connection.address}, generation {self.generation}>"


def fetch_run(connection: Connection, run_id: str) -> RunInfo:
    """Reads one run."""
    return run_from_wire(connection.call(connection.runs.get_run, GetRunRequest(run_id=run_id)).run)


def rewind_run(connection: Connection, run_id: str, epoch: int, generation: int) -> RunInfo:
    """Takes a run back to the start of an epoch. `generation` is the one that this ends; 0: whatever it is."""
    request = RewindRunRequest(
        run_id=run_id, epoch=check_u32("epoch", epoch), generation=check_u32("generation", generation)
    )
    return run_from_wire(connection.call(connection.runs.rewind_run, request).run)
