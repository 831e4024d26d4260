"""Finds the sampler that runs for a data directory, or starts one."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from keepset.embedded.errors import AddressTakenError, DataDirInUseError, EmbeddedSamplerError
from keepset.embedded.lifeline import Lifeline, hold
from keepset.embedded.node import find_node
from keepset.embedded.process import FREE, launch, rotate_log
from keepset.embedded.record import SamplerRecord, identity, read_record, write_record
from keepset.embedded.service import Service, read_service

# How long a sampler that is recorded may take to answer. One that selects among many millions of samples is busy for
# longer; it is then asked again.
_GREETING_SECONDS = 2.0
_RETRY_SECONDS = 0.1
_LAST_PORT = 65_535


class Found(NamedTuple):
    """A sampler that runs, and the lifeline that holds it."""

    record: SamplerRecord
    lifeline: Lifeline


def join_or_start(directory: Path, deadline: float, address: str | None = None) -> Found:
    """Holds the sampler that runs for the directory, or else a new one. Only one process at a time finds that out.

    `address`: the gRPC address that it must have; AddressTakenError where it cannot. None: a new one has that of its
    predecessor, as its clients may still be there, or another if that is taken.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / "embedded.lock", timeout=max(deadline - time.monotonic(), 0)):
            return _join_or_launch(directory, deadline, address)
    except Timeout as error:
        raise EmbeddedSamplerError(
            f"data_dir is {str(directory)!r}, where another process has been starting the embedded sampler for too "
            f"long: see its log {directory / 'embedded.log'}"
        ) from error
    except OSError as error:
        raise EmbeddedSamplerError(
            f"data_dir is {str(directory)!r}, which cannot be used ({error}): pass a directory that this user can "
            "write to"
        ) from error


def _join_or_launch(directory: Path, deadline: float, address: str | None) -> Found:
    service = read_service()
    # The log of one that is started again at its address goes on.
    has_rotated = address is not None
    is_taken = False
    in_use: DataDirInUseError | None = None
    while True:
        record = read_record(directory)
        if record is not None:
            lifeline = _join(record, service, directory, deadline)
            if lifeline is not None and address not in (None, record.grpc):
                lifeline.close()
                raise AddressTakenError(f"the embedded sampler runs at {record.grpc} by now, and no more at {address}")
            if lifeline is not None:
                return Found(record, lifeline)
        node = find_node()
        if not has_rotated:
            rotate_log(directory)
            has_rotated = True
        try:
            listen = FREE if is_taken else address or _address_before(record)
            listening = launch(node, service, directory, listen, deadline)
        except DataDirInUseError as error:
            # One that nobody holds any more is ending, or one that is busy has not answered yet.
            if time.monotonic() + _RETRY_SECONDS >= deadline:
                raise
            in_use = error
            time.sleep(_RETRY_SECONDS)
            continue
        except AddressTakenError:
            if address is not None:
                raise
            is_taken = True
            continue
        except EmbeddedSamplerError:
            # The time ran out in the middle of another try: what kept it out is what was wrong.
            if in_use is not None and time.monotonic() >= deadline:
                raise in_use from None
            raise
        held_at = str(listening["lifeline"])
        lifeline = hold(held_at, deadline - time.monotonic())
        if lifeline is None:
            raise EmbeddedSamplerError(
                f"the embedded sampler listens, but does not answer at {held_at}: is the machine overloaded?"
            )
        record = SamplerRecord(
            grpc=str(listening["grpc"]),
            http=str(listening["http"]),
            lifeline=held_at,
            pid=int(listening["pid"]),
            version=lifeline.greeting.version,
            instance=lifeline.greeting.instance,
            directory=identity(directory),
        )
        write_record(directory, record)
        return Found(record, lifeline)


def _address_before(record: SamplerRecord | None) -> str:
    """Where the sampler before listened; free where there was none, or its address is none of this machine."""
    if record is None or not re.fullmatch(r"127\.0\.0\.1:[1-9]\d{0,4}", record.grpc):
        return FREE
    return record.grpc if int(record.grpc.rpartition(":")[2]) <= _LAST_PORT else FREE


def _join(record: SamplerRecord, service: Service, directory: Path, deadline: float) -> Lifeline | None:
    """Holds the sampler of the record, if it still runs; another program may have its port by now."""
    lifeline = hold(record.lifeline, min(_GREETING_SECONDS, max(deadline - time.monotonic(), 0.01)))
    if lifeline is None:
        return None
    if lifeline.greeting.instance != record.instance:
        lifeline.close()
        return None
    if lifeline.greeting.version != service.version:
        lifeline.close()
        raise EmbeddedSamplerError(
            f"data_dir is {str(directory)!r}, for which version {record.version} of the sampler runs "
            f"(process {record.pid}), and this is version {service.version}: end the training that uses it, or pass "
            "another data_dir="
        )
    return lifeline
