"""A sampler that runs and does not answer for a while."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from programs import HOLD, Program, sampler_pid

from keepset.embedded import start
from support.process_end import is_running, wait_for_end


def wait_for_text(file: Path, text: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not (file.exists() and text in file.read_text()):
        assert time.monotonic() < end, f"{text!r} is not in {file} after {seconds} s"
        time.sleep(0.01)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that gets no time, until the end of the context at most."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_is_waited_for_and_not_started_twice(data_dir: Path) -> None:
    with start(data_dir) as first:
        pid = sampler_pid(data_dir)
        with stopped(pid), Program(HOLD, data_dir) as second:
            # It was asked, and another one was tried.
            wait_for_text(data_dir / "embedded.log", f"is in use by another sampler (process {pid})")
            os.kill(pid, signal.SIGCONT)
            assert second.read() == first.address and sampler_pid(data_dir) == pid
            first.close()
            assert is_running(pid)
            assert second.end() == (0, "", "")
    wait_for_end(pid)


def test_is_named_when_it_stays_so(data_dir: Path) -> None:
    with start(data_dir):
        pid = sampler_pid(data_dir)
        late = "import sys; from keepset.embedded import start; start(sys.argv[1], timeout=3.5)"
        with stopped(pid), Program(late, data_dir) as process:
            code, _, errors = process.end()
    text = f"DataDirInUseError: data_dir is {str(data_dir)!r}, which another sampler has:"
    assert code == 1 and text in errors and f"(process {pid})" in errors
    wait_for_end(pid)
