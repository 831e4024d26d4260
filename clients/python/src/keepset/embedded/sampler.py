"""One sampler for all processes of this machine that need one for the same data directory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from keepset.embedded.data_directory import default_data_dir
from keepset.embedded.errors import DataDirInUseError, EmbeddedSamplerError
from keepset.embedded.lifeline import Lifeline, hold
from keepset.embedded.node import find_node
from keepset.embedded.process import launch, rotate_log
from keepset.embedded.record import SamplerRecord, identity, read_record, write_record
from keepset.embedded.service import Service, read_service

# How long a sampler that is recorded may take to answer. One that selects among many millions of samples is busy for
# longer; it is then asked again.
_GREETING_SECONDS = 2.0
_RETRY_SECONDS = 0.1


class _Hold:
    """A sampler that this process holds, and for how many of its parts."""

    def __init__(self, record: SamplerRecord, lifeline: Lifeline) -> None:
        self.record = record
        self.lifeline = lifeline
        self.count = 0

    def is_of(self, directory: Path) -> bool:
        """Whether the sampler still runs, for the directory that is there now."""
        try:
            return self.lifeline.is_alive and self.record.directory == identity(directory)
        except OSError:
            return False


_guard = threading.Lock()
_holds: dict[Path, _Hold] = {}


class EmbeddedSampler:
    """A hold on the sampler of a data directory: that runs at least until `close()`, or until this process ends,
    however it ends.

    It is not for a forked child, which calls `start()` for a hold of its own.
    """

    def __init__(self, data_dir: Path, held: _Hold) -> None:
        self.data_dir = data_dir
        """Where the sampler keeps its runs, and its log in `embedded.log`."""
        self.address = held.record.grpc
        """The gRPC address, host:port."""
        self.http = held.record.http
        """The HTTP address, host:port."""
        self._hold: _Hold | None = held
        held.count += 1

    def keep_through_exec(self) -> None:
        """Lets a program that takes the place of this process (`os.execv`) hold the sampler until it ends."""
        if self._hold is not None:
            self._hold.lifeline.keep_through_exec()

    def close(self) -> None:
        """Lets go. The sampler ends when nobody holds it any more, in this process or another. Does nothing the second
        time."""
        with _guard:
            held, self._hold = self._hold, None
            if held is None:
                return
            held.count -= 1
            if held.count == 0:
                held.lifeline.release()
                if _holds.get(self.data_dir) is held:
                    del _holds[self.data_dir]

    def __enter__(self) -> EmbeddedSampler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedSampler(address={self.address!r}, data_dir={str(self.data_dir)!r})"


def start(data_dir: str | os.PathLike[str] | None = None, *, timeout: float = 10.0) -> EmbeddedSampler:
    """Holds the sampler of a data directory, and starts it if it does not run yet.

    All processes of this machine that call it with the same directory share one sampler, and so do all calls in one
    process; a sampler that ended is started again, and finds the runs that are in the directory.

    Args:
        data_dir: where the sampler keeps its runs; made if it is not there. None: `keepset-data` beside the script, or
            in the working directory in a notebook.
        timeout: how long it may take, in seconds, waiting for a sampler that is just ending included.

    Raises:
        NodeNotFoundError: there is no Node that can run it.
        EmbeddedSamplerError: it did not start in time, or another version or another program has the directory.
    """
    deadline = time.monotonic() + timeout
    directory = Path(default_data_dir() if data_dir is None else data_dir).resolve()
    with _guard:
        held = _holds.get(directory)
        if held is None or not held.is_of(directory):
            held = _holds[directory] = _hold_shared(directory, deadline)
        return EmbeddedSampler(directory, held)


def _hold_shared(directory: Path, deadline: float) -> _Hold:
    """The sampler that runs for the directory, or else a new one. Only one process at a time finds that out."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / "embedded.lock", timeout=max(deadline - time.monotonic(), 0)):
            return _join_or_launch(directory, deadline)
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


def _join_or_launch(directory: Path, deadline: float) -> _Hold:
    service = read_service()
    has_rotated = False
    in_use: DataDirInUseError | None = None
    while True:
        record = read_record(directory)
        if record is not None:
            lifeline = _join(record, service, directory, deadline)
            if lifeline is not None:
                return _Hold(record, lifeline)
        node = find_node()
        if not has_rotated:
            rotate_log(directory)
            has_rotated = True
        try:
            listening = launch(node, service, directory, deadline)
        except DataDirInUseError as error:
            # One that nobody holds any more is ending, or one that is busy has not answered yet.
            if time.monotonic() + _RETRY_SECONDS >= deadline:
                raise
            in_use = error
            time.sleep(_RETRY_SECONDS)
            continue
        except EmbeddedSamplerError:
            # The time ran out in the middle of another try: what kept it out is what was wrong.
            if in_use is not None and time.monotonic() >= deadline:
                raise in_use from None
            raise
        address = str(listening["lifeline"])
        lifeline = hold(address, deadline - time.monotonic())
        if lifeline is None:
            raise EmbeddedSamplerError(
                f"the embedded sampler listens, but does not answer at {address}: is the machine overloaded?"
            )
        record = SamplerRecord(
            grpc=str(listening["grpc"]),
            http=str(listening["http"]),
            lifeline=address,
            pid=int(listening["pid"]),
            version=lifeline.greeting.version,
            instance=lifeline.greeting.instance,
            directory=identity(directory),
        )
        write_record(directory, record)
        return _Hold(record, lifeline)


def _join(record: SamplerRecord, service: Service, directory: Path, deadline: float) -> Lifeline | None:
    """Holds the sampler of the record, if it still runs; another program may have its port by now."""
    lifeline = hold(record.lifeline, min(_GREETING_SECONDS, max(deadline - time.monotonic(), 0.01)))
    if lifeline is None:
        return None
    if lifeline.greeting.instance != record.instance:
        lifeline.release()
        return None
    if lifeline.greeting.version != service.version:
        lifeline.release()
        raise EmbeddedSamplerError(
            f"data_dir is {str(directory)!r}, for which version {record.version} of the sampler runs "
            f"(process {record.pid}), and this is version {service.version}: end the training that uses it, or pass "
            "another data_dir="
        )
    return lifeline


def _renew_guard_in_child() -> None:
    """A thread that had the guard is not there in a forked child."""
    global _guard
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_guard_in_child)
