"""The connection by which a process keeps an embedded sampler alive."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import time
import weakref
from typing import Any, NamedTuple

# The longest greeting that is read: a sampler's has about 100 bytes.
_GREETING_BYTES = 4096

# One that needs no file of its own, and takes files of any number where the system has it.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)

# Every connection of this process, from before it is made: a forked child must not hold what its parent holds.
_connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class Greeting(NamedTuple):
    """What a sampler says of itself."""

    instance: str
    """Another one for each process of the sampler."""
    version: str


class Lifeline:
    """A sampler that this process holds: it runs until nobody holds it any more, and the kernel lets go for a process
    that is killed."""

    def __init__(self, connection: socket.socket, greeting: Greeting) -> None:
        self.greeting = greeting
        self._connection = connection
        connection.setblocking(False)

    def wait_for_end(self) -> None:
        """Returns when the sampler has ended, or this process has let go."""
        with _Selector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            while self.is_alive:
                selector.select()

    @property
    def is_alive(self) -> bool:
        """Whether the sampler still runs and this process holds it; False in a child that was forked off."""
        try:
            return self._connection.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def keep_through_exec(self) -> None:
        """Lets a program that takes the place of this process hold the sampler until it ends."""
        self._connection.set_inheritable(True)

    def release(self) -> None:
        """Lets go, and ends `wait_for_end` in whatever thread. Does nothing the second time."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets go, and gives the connection back to the system: no other thread may use it meanwhile."""
        self._connection.close()


def hold(address: str, timeout: float) -> Lifeline | None:
    """Holds the sampler whose lifeline is at `address`, "127.0.0.1:PORT". None if no sampler answers there within
    `timeout` seconds."""
    host, _, port = address.rpartition(":")
    connection = socket.socket()
    _connections.add(connection)
    try:
        deadline = time.monotonic() + timeout
        connection.settimeout(timeout)
        connection.connect((host, int(port)))
        greeting = _read_greeting(connection, deadline)
    except (OSError, ValueError, OverflowError):
        greeting = None
    if greeting is None:
        connection.close()
        return None
    return Lifeline(connection, greeting)


def _read_greeting(connection: socket.socket, deadline: float) -> Greeting | None:
    text = b""
    while not text.endswith(b"\n"):
        remaining = deadline - time.monotonic()
        if remaining <= 0 or len(text) > _GREETING_BYTES:
            return None
        connection.settimeout(remaining)
        received = connection.recv(_GREETING_BYTES)
        if not received:
            return None
        text += received
    try:
        said: Any = json.loads(text)
        return Greeting(str(said["instance"]), str(said["version"]))
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def _let_go_in_child() -> None:
    for connection in list(_connections):
        connection.close()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_let_go_in_child)
