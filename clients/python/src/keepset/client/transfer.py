"""Runs as bytes: out of a sampler and into one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

import grpc

from keepset._proto.run_service_pb2 import ExportRunRequest, ImportRunRequest
from keepset.client.connection import Connection
from keepset.client.mapping import run_from_wire
from keepset.client.reading import read_stream
from keepset.client.retry import is_retryable
from keepset.client.settings import RunInfo
from keepset.client.status import error_of, status_of

_PIECE_BYTES = 256 * 1024
"""Below what any sampler is likely to take as a message, and so few that what waits to be sent stays small."""

_AFTER_BREAK = (
    "An import is not sent again by itself: look with client.get_run() whether the run is there, since its answer may "
    "be all that was lost, and else call client.import_run() again with the source opened anew."
)


def read_export(connection: Connection, run_id: str) -> Generator[bytes]:
    """The whole state of a run, in the pieces in which it comes."""
    responses = read_stream(
        connection,
        connection.runs.export_run,
        ExportRunRequest(run_id=run_id),
        name=f"export of run {run_id!r}",
        to_do="drop what came and call client.export_run() again.",
    )
    for response in responses:
        yield response.chunk


def send_import(connection: Connection, chunks: Iterable[bytes], run_id: str) -> RunInfo:
    """Sends an export, no faster than the sampler takes it. The source's own errors are thrown as they are."""
    connection.ready()
    pieces = _Pieces(chunks, run_id)
    try:
        with connection.errors():
            return run_from_wire(connection.runs.import_run(pieces).run)
    except grpc.RpcError as error:
        if pieces.failure is not None:
            raise pieces.failure from error
        status = status_of(error)
        raise error_of(status, _AFTER_BREAK if is_retryable(status) else None) from error


class _Pieces(Iterator[ImportRunRequest]):
    """The requests of an import: gRPC takes them on a thread of its own, and would keep an error of the source to
    itself."""

    def __init__(self, chunks: Iterable[bytes], run_id: str) -> None:
        self.failure: BaseException | None = None
        self._requests = self._cut(chunks, run_id)

    def __next__(self) -> ImportRunRequest:
        return next(self._requests)

    def _cut(self, chunks: Iterable[bytes], run_id: str) -> Iterator[ImportRunRequest]:
        yield ImportRunRequest(run_id=run_id)
        try:
            for chunk in chunks:
                for start in range(0, len(chunk), _PIECE_BYTES):
                    yield ImportRunRequest(chunk=bytes(chunk[start : start + _PIECE_BYTES]))
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise
