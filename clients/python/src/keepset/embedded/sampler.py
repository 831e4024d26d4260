"""One sampler for all processes of this machine that need one for the same data directory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from keepset.embedded.data_directory import default_data_dir
from keepset.embedded.hold import Hold
from keepset.embedded.joining import join_or_start

_guard = threading.Lock()
_holds: dict[Path, Hold] = {}


class EmbeddedSampler:
    """A hold on the sampler of a data directory: that runs at least until `close()`, or until this process ends,
    however it ends. One that ends before that is started again, at the same address.

    It is not for a forked child, which calls `start()` for a hold of its own.
    """

    def __init__(self, data_dir: Path, held: Hold) -> None:
        self.data_dir = data_dir
        """Where the sampler keeps its runs, and its log in `embedded.log`."""
        self.address = held.record.grpc
        """The gRPC address, host:port."""
        self._record_of = held
        self._hold: Hold | None = held
        held.count += 1

    @property
    def http(self) -> str:
        """The HTTP address, host:port; another one after the sampler was started again."""
        return self._record_of.record.http

    def keep_through_exec(self) -> None:
        """Lets a program that takes the place of this process (`os.execv`) hold the sampler until it ends."""
        if self._hold is not None:
            self._hold.keep_through_exec()

    def close(self) -> None:
        """Lets go. The sampler ends when nobody holds it any more, in this process or another. Does nothing the second
        time."""
        with _guard:
            held, self._hold = self._hold, None
            if held is None:
                return
            held.count -= 1
            if held.count == 0:
                held.release()
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
            found = join_or_start(directory, deadline)
            if held is None or not held.renew(found):
                held = _holds[directory] = Hold(directory, found)
        return EmbeddedSampler(directory, held)


def _begin_anew_in_child() -> None:
    """A thread that had the guard is not there in a forked child, which holds nothing."""
    global _guard
    _guard = threading.Lock()
    _holds.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_begin_anew_in_child)
