"""A client of one sampler."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import grpc

from keepset._proto.run_service_pb2 import (
    CreateRunRequest,
    DeleteRunRequest,
    DeleteRunResponse,
    ListRunsRequest,
    ListRunsResponse,
)
from keepset.client.checks import check_seconds, check_u32
from keepset.client.connection import Connection, ConnectionSettings, closed_error
from keepset.client.errors import RunNotFoundError
from keepset.client.exit_flush import close_at_exit, deliver_and_end
from keepset.client.mapping import run_from_wire, spec_to_wire
from keepset.client.run import Run, fetch_run, rewind_run
from keepset.client.selections import Selection, read_selections
from keepset.client.settings import NonFiniteMode, RunInfo, ScoreSource, ShardMode, WeightsMode
from keepset.client.statistics import Statistics, read_statistics
from keepset.client.transfer import read_export, send_import
from keepset.policies import Policy


def connect(
    address: str | None = None,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    call_timeout: float = 30.0,
    give_up_after: float = 300.0,
    report_queue_limit: int = 1024,
) -> Client:
    """Opens a client of the sampler at `address`, for example "127.0.0.1:50051". The connection is made with the
    first call.

    `address` None: the embedded sampler of this machine, started if it does not run yet; it is let go of with
    `close()`.
    `credentials`: of the gRPC channel, for TLS and tokens; None: plain text.
    `call_timeout`: how long a call that is no stream may take in seconds, retries included; and an export or
    statistics until they begin.
    `give_up_after`: how long a broken stream of reports or of a plan is tried again without progress in seconds,
    before the run fails; and how long a report waits for room in a full queue. Both times above 0, may be infinite.
    `report_queue_limit`: reports of a run that may wait to be sent or acknowledged, at least 1.

    Throws InvalidArgumentError for a value out of its range; with `address` None also the errors of
    `keepset.embedded.start`.
    """
    settings = ConnectionSettings(
        call_timeout=check_seconds("call_timeout", call_timeout),
        give_up_after=check_seconds("give_up_after", give_up_after),
        report_queue_limit=check_u32("report_queue_limit", report_queue_limit, 1),
    )
    if address is not None:
        return Client(Connection(address, settings, credentials))
    from keepset.embedded import start

    embedded = start()
    return Client(Connection(embedded.address, settings, credentials), embedded)


class Client:
    """A client of one sampler, made by `connect`. Safe to share between threads. Every call may throw the typed
    errors, all of them a `KeepsetError`. As a context manager it closes at the end."""

    def __init__(self, connection: Connection, embedded: Any = None) -> None:
        """Use `connect`."""
        self._connection = connection
        self._embedded = embedded
        close_at_exit(connection)

    @property
    def address(self) -> str:
        """Of the sampler."""
        return self._connection.address

    def create_run(
        self,
        run_id: str | None = None,
        *,
        sample_count: int,
        policy: Policy,
        prune_rate: float = 0.0,
        prune_rate_schedule: Iterable[tuple[int, float]] = (),
        epochs: int | None = None,
        seed: int = 0,
        selection_period: int | None = None,
        warmup_epochs: int | None = None,
        tail_epochs: int | None = None,
        shard_mode: ShardMode = "pad",
        position_multiple: int = 1,
        non_finite: NonFiniteMode = "ignore",
        metrics: Sequence[str] = (),
        weights: WeightsMode | None = None,
        weight_cap: float | None = None,
        score_source: ScoreSource = "loss",
        batch_loss_momentum: float | None = None,
        score_left_out: bool | None = None,
    ) -> Run:
        """Creates a run, or attaches to the one of the same id and settings.

        `run_id`: 1 to 128 characters out of A-Z, a-z, 0-9, '.', '_' and '-', the first one a letter or a digit; None:
        a random one.
        `sample_count`: samples in the data set, N, at least 1; indices are 0 to N - 1.
        `policy`: the rule that chooses the kept set.
        `prune_rate`: share of the data set left out, p: floor((1 - p) N) samples are kept, unless the policy says that
        the count is its own. Range [0, 1).
        `prune_rate_schedule`: pairs (from_epoch, prune_rate), from_epoch rising; before the first one `prune_rate`
        holds.
        `epochs`: epochs that the training will have; a plan past them is refused. Needed by `tail_epochs`. None: not
        known.
        `seed`: key of every random stream of the run, 0 to 2**64 - 1: the same settings and reports give the same
        plans.
        `selection_period`: epochs from one selection to the next, at least 1. None: what the policy says, or else
        max(1, round(epochs / 20)), or 10 where `epochs` is None.
        `warmup_epochs`: first epochs that train on everything. None: what the policy says, or else 1.
        `tail_epochs`: last epochs that train on everything. None: what the policy says, or else 0.
        `shard_mode`: how ranks get equal lengths: "pad" repeats a rank's own first sample, "drop" leaves out the last
        positions.
        `position_multiple`: each rank's length is brought to a multiple of it, at least 1: for example batch size x
        accumulation steps.
        `non_finite`: a loss that is NaN or infinite: "ignore" counts it and changes nothing, "reject" refuses its
        report.
        `metrics`: names of further columns that reports carry: at most 8, a to z first, then up to 31 more of a-z, 0-9
        and '_'. Those that the policy needs are added; the others are kept and shown, without influence.
        `weights`: whether plans have weights for the losses, 1 / the probability with which a sample was kept: "on" or
        "off". None: what the policy says, or else "off".
        `weight_cap`: with weights, the greatest one, at least 1. None: none is too large.
        `score_source`: what the losses of a report are: "loss", each sample's own; "batch_loss", one value, the mean of
        the batch.
        `batch_loss_momentum`: with "batch_loss", the weight of a sample's old value, in [0, 1). None: 0.7.
        `score_left_out`: whether the samples that a plan leaves out have a forward pass before the next selection: see
        `Run.plan_scoring`. None: what the policy says, or else False.

        Throws RunExistsError where the id is taken with other settings, InvalidArgumentError for a bad value,
        ResourceExhaustedError over a limit of the sampler.
        """
        spec = spec_to_wire(
            sample_count=sample_count,
            policy=policy,
            prune_rate=prune_rate,
            prune_rate_schedule=prune_rate_schedule,
            epochs=epochs,
            seed=seed,
            selection_period=selection_period,
            warmup_epochs=warmup_epochs,
            tail_epochs=tail_epochs,
            shard_mode=shard_mode,
            position_multiple=position_multiple,
            non_finite=non_finite,
            metrics=metrics,
            weights=weights,
            weight_cap=weight_cap,
            score_source=score_source,
            batch_loss_momentum=batch_loss_momentum,
            score_left_out=score_left_out,
        )
        request = CreateRunRequest(run_id=f"run-{uuid.uuid4()}" if run_id is None else run_id, spec=spec)
        response = self._connection.call(self._connection.runs.create_run, request)
        return self._attach(run_from_wire(response.run))

    def attach_run(self, run_id: str) -> Run:
        """Attaches to a run that is there. Throws RunNotFoundError."""
        return self._attach(self.get_run(run_id))

    def get_run(self, run_id: str) -> RunInfo:
        """Reads a run. Throws RunNotFoundError."""
        return fetch_run(self._connection, run_id)

    def list_runs(self) -> Iterator[RunInfo]:
        """All runs in the order of their ids, fetched a page at a time; not those that `list_damaged_runs` names."""
        for page in self._pages():
            yield from map(run_from_wire, page.runs)

    def list_damaged_runs(self) -> Iterator[str]:
        """Ids of the runs whose record is damaged, in their order: the sampler's log says where. They can only be
        deleted."""
        for page in self._pages():
            yield from page.damaged_run_ids

    def rewind_run(self, run_id: str, epoch: int, generation: int = 0) -> RunInfo:
        """Takes a run back to the start of an epoch, one of its `epoch_starts`, from outside; a trainer that goes on
        itself calls `Run.rewind`.

        `generation` is the one that this ends: AbortedError where the run is in another one, and repeating the call
        changes nothing. 0 rewinds whatever it is, and again when a lost answer makes the call be sent twice. Every
        trainer of the run is then of a life that is over. PreconditionError where the start of that epoch is not
        kept.
        """
        return rewind_run(self._connection, run_id, epoch, generation)

    def export_run(self, run_id: str) -> Generator[bytes]:
        """The whole state of a run, as it was durable when it was begun, as bytes for `import_run`; the run goes on
        meanwhile.

        They come no faster than they are taken. A connection that breaks in between throws UnavailableError: what
        came is a part, which an import refuses, so begin anew.
        """
        return read_export(self._connection, run_id)

    def import_run(self, chunks: Iterable[bytes], run_id: str | None = None) -> Run:
        """Makes a run from an export, under the name in it or `run_id`; it goes on with the same plans. The source is
        read no faster than the sampler takes it, on another thread.

        Throws RunExistsError where the name is taken, InvalidArgumentError where the bytes are no whole, undamaged
        export, ResourceExhaustedError over a limit of the sampler; nothing is left behind then. Waits until the
        sampler is reached; from then on it is not sent again: UnavailableError where the connection breaks, and the
        run may be there all the same, if only the answer was lost.
        """
        return self._attach(send_import(self._connection, chunks, run_id or ""))

    def statistics(self, run_id: str) -> Statistics:
        """What is known of each sample of a run, at one moment: 20 bytes a sample, and 4 for each metric. A
        connection that breaks in between throws UnavailableError: call again."""
        return read_statistics(self._connection, run_id)

    def selections(self, run_id: str) -> list[Selection]:
        """What came of each selection of a run, in their order; of its last 256. A connection that breaks in between
        throws UnavailableError: call again."""
        return read_selections(self._connection, run_id)

    def delete_run(self, run_id: str) -> None:
        """Removes a run and all that is known of it. Throws RunNotFoundError."""
        tries: list[DeleteRunRequest] = []

        def delete(request: DeleteRunRequest, *, timeout: float | None) -> DeleteRunResponse:
            tries.append(request)
            return self._connection.runs.delete_run(request, timeout=timeout)

        try:
            self._connection.call(delete, DeleteRunRequest(run_id=run_id))
        except RunNotFoundError:
            # The answer to an earlier try may have been lost with its connection: then there is nothing left to find.
            if len(tries) == 1:
                raise

    def close(self, *, flush_timeout: float = 10.0) -> None:
        """Delivers the reports that are left, for `flush_timeout` seconds at most, and closes the connection. Those
        that are not delivered then are logged and given up: call `run.flush()` first to be sure. Every later call
        throws PreconditionError.
        """
        if self._connection.is_of_parent:
            return
        deliver_and_end(self._connection, flush_timeout, closed_error())
        self._connection.close()
        if self._embedded is not None:
            self._embedded.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<keepset client of {self.address}>"

    def _attach(self, info: RunInfo) -> Run:
        return Run(self, self._connection, info)

    def _pages(self) -> Iterator[ListRunsResponse]:
        page_token = ""
        while True:
            page = self._connection.call(self._connection.runs.list_runs, ListRunsRequest(page_token=page_token))
            yield page
            page_token = page.next_page_token
            if not page_token:
                return
