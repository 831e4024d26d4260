"""Waits for the end of processes that are no children of this one."""

from __future__ import annotations

import os
import select
import time

_POLL_SECONDS = 0.01


def wait_for_end(pid: int, seconds: float = 15) -> None:
    """Returns when the process has ended, a zombie that nobody has waited for included. After `seconds` it is an
    assertion."""
    assert _has_ended(pid, seconds), f"process {pid} still runs after {seconds} s"


def is_running(pid: int) -> bool:
    """Whether the process runs, and is no zombie."""
    return not _has_ended(pid, 0)


def _has_ended(pid: int, seconds: float) -> bool:
    if not hasattr(os, "pidfd_open"):  # not on Linux
        return _vanishes(pid, seconds)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def _vanishes(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)
