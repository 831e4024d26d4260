"""Delivers what is left when a process ends, for a while at most."""

from __future__ import annotations

import time
import weakref
from multiprocessing.util import Finalize
from typing import Protocol

from keepset.client.connection import Connection
from keepset.client.errors import KeepsetError
from keepset.client.forks import fork_count

EXIT_SECONDS = 10.0
"""How long the end of the process waits for reports to be delivered, for all runs together."""


class Deliverer(Protocol):
    """Something with reports that may be left."""

    @property
    def connection(self) -> Connection:
        """What they go over."""
        ...

    def deliver(self, timeout: float) -> None:
        """Waits at most `timeout` seconds until they are delivered, and logs what is not."""
        ...

    def end(self, reason: KeepsetError) -> None:
        """Gives up what is left: every later use throws `reason`."""
        ...


_deliverers: set[Deliverer] = set()
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_registered_in: int | None = None


def deliver_at_exit(deliverer: Deliverer) -> None:
    """Lets it deliver before the process ends, until `forget`."""
    _deliverers.add(deliverer)
    _register()


def forget(deliverer: Deliverer) -> None:
    """It has nothing left to deliver, or nobody to tell."""
    _deliverers.discard(deliverer)


def deliver_and_end(connection: Connection, timeout: float, reason: KeepsetError) -> None:
    """Delivers what goes over a connection, for `timeout` seconds at most, and ends it all with `reason`."""
    deliverers = [one for one in list(_deliverers) if one.connection is connection]
    _deliver(deliverers, timeout)
    for deliverer in deliverers:
        deliverer.end(reason)


def close_at_exit(connection: Connection) -> None:
    """Lets a connection be closed before the process ends, if it is still there: a channel of gRPC that the interpreter
    takes apart with a call under way would wait for threads that are gone.
    """
    _connections.add(connection)
    _register()


def _register() -> None:
    global _registered_in
    if _registered_in != fork_count():
        _registered_in = fork_count()
        # Not atexit: the processes that multiprocessing starts, torch's ranks among them, end without its handlers.
        # This one is called in both, and in the process that made it alone.
        Finalize(None, _end_all, exitpriority=0)


def _end_all() -> None:
    _deliver([one for one in list(_deliverers) if not one.connection.is_of_parent], EXIT_SECONDS)
    for connection in list(_connections):
        if not connection.is_of_parent:
            connection.close()


def _deliver(deliverers: list[Deliverer], timeout: float) -> None:
    end = time.monotonic() + timeout
    for deliverer in deliverers:
        deliverer.deliver(max(0.0, end - time.monotonic()))
