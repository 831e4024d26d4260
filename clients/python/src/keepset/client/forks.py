"""Whether this process is a fork of the one that made a client: gRPC's threads and connections do not come along."""

from __future__ import annotations

import os

_forks = 0


def fork_count() -> int:
    """How often this process, counted from the first one, was forked off: another number than before means another
    process."""
    return _forks


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_count_fork)
