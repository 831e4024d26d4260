"""A TCP proxy between a client and the sampler that cuts connections when a test says so."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable


class CuttingProxy:
    """Listens at `address` and passes bytes to and from `target`.

    `cut()` resets every connection at once. `cut_after(sent, received)` resets each new connection after so many
    bytes from the client or from the sampler. `refuse()` takes no connections until `accept()`.
    """

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._limits: Callable[[], tuple[int | None, int | None]] = lambda: (None, None)
        self._refusing = False
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept_all, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Resets every connection there is."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._reset(pair)

    def cut_after(self, limits: Callable[[], tuple[int | None, int | None]]) -> None:
        """`limits()` gives, for each new connection, after how many bytes (to the sampler, from it) it is reset;
        None: never."""
        self._limits = limits

    def refuse(self) -> None:
        """Resets every connection, and each new one, until `accept()`."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        self._refusing = False

    def close(self) -> None:
        self._refusing = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept_all(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            try:
                upstream = socket.create_connection(self._target)
            except OSError:
                _close_with_reset(client)
                continue
            pair = (client, upstream)
            for end in pair:  # else a small message waits for the acknowledgement of the one before
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.add(pair)
            if self._refusing:
                self._reset(pair)
                continue
            to_sampler, from_sampler = self._limits()
            for source, sink, limit in ((client, upstream, to_sampler), (upstream, client, from_sampler)):
                threading.Thread(target=self._pass_on, args=(pair, source, sink, limit), daemon=True).start()

    def _pass_on(
        self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket, limit: int | None
    ) -> None:
        passed = 0
        try:
            while data := source.recv(65536):
                if limit is not None and passed + len(data) >= limit:
                    sink.sendall(data[: limit - passed])
                    break
                sink.sendall(data)
                passed += len(data)
        except OSError:
            pass
        self._reset(pair)

    def _reset(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            if pair not in self._pairs:
                return
            self._pairs.discard(pair)
        for end in pair:
            _close_with_reset(end)


def _close_with_reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
