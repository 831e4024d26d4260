"""A sampler that this process holds, and that is started again when it ends before its time."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from multiprocessing.util import Finalize
from pathlib import Path

from keepset.client.forks import fork_count
from keepset.embedded.errors import AddressTakenError, EmbeddedSamplerError, NodeNotFoundError
from keepset.embedded.joining import Found, join_or_start
from keepset.embedded.lifeline import Lifeline
from keepset.embedded.process import log_path
from keepset.embedded.record import SamplerRecord, identity

_log = logging.getLogger("keepset")

# A sampler that ends again and again is not started for ever: so many times in so many seconds, each after a pause that
# is longer by so much than that before; the first at once.
_RESTARTS = 3
_RESTARTS_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
# Of one start. The clients wait for five minutes.
_START_SECONDS = 60.0


class Hold:
    """A sampler that this process holds, and for how many of its parts.

    A thread waits for its end. As long as the hold is not released, the sampler is then started again at the address
    where its clients look for it, by whichever process of its holders comes first.
    """

    def __init__(self, directory: Path, found: Found) -> None:
        self.record: SamplerRecord = found.record
        self.count = 0
        self._directory = directory
        self._lifeline: Lifeline = found.lifeline
        self._is_kept_through_exec = False
        # Released, or at the end of the process: nothing is started any more.
        self._ended = threading.Event()
        self._restarts: list[float] = []
        self._is_watched = False
        # Of the lifeline and the thread, for moments only.
        self._lock = threading.Lock()
        self._fork_count = fork_count()
        _end_at_exit(self)
        with self._lock:
            self._watch()

    def is_of(self, directory: Path) -> bool:
        """Whether the sampler runs, for the directory that is there now."""
        try:
            with self._lock:
                return self._lifeline.is_alive and self.record.directory == identity(directory)
        except OSError:
            return False

    def renew(self, found: Found) -> bool:
        """Goes on with a sampler that was started in the place of the one that ended. False, and then it starts none
        any more, if its clients do not reach that one."""
        if (found.record.grpc, found.record.directory) != (self.record.grpc, self.record.directory):
            self._ended.set()
        return not self._ended.is_set() and self._take(found)

    def keep_through_exec(self) -> None:
        """See `Lifeline`."""
        if self._fork_count != fork_count():
            return
        with self._lock:
            self._is_kept_through_exec = True
            if self._lifeline.is_alive:
                self._lifeline.keep_through_exec()

    def release(self) -> None:
        """Lets go of the sampler, also of one that is just being started."""
        if self._fork_count != fork_count():
            return  # in a forked child, which holds nothing and may find the locks taken for ever
        self._ended.set()
        with self._lock:
            self._lifeline.release()
            if not self._is_watched:
                self._lifeline.close()

    def end_restarts(self) -> None:
        """Starts nothing any more, and holds what it holds."""
        self._ended.set()

    def _watch(self) -> None:
        """Has a thread wait for the end of the lifeline. With the lock."""
        try:
            threading.Thread(target=self._stay, name="keepset-embedded-watch", daemon=True).start()
            self._is_watched = True
        except RuntimeError:  # no thread can be started, as at the end of the interpreter
            self._is_watched = False

    def _stay(self) -> None:
        while True:
            with self._lock:
                lifeline = self._lifeline
            lifeline.wait_for_end()
            try:
                goes_on = not self._ended.is_set() and self._start_again(lifeline)
            except Exception:
                goes_on = False
                if not self._ended.is_set():
                    _log.exception("The embedded sampler of %s could not be started again.", self._directory)
            with self._lock:
                lifeline.close()
                if not goes_on and self._lifeline is lifeline:
                    self._is_watched = False
                    return

    def _start_again(self, lifeline: Lifeline) -> bool:
        """Whether there is another lifeline in the place of this one, whose sampler has ended."""
        name, log = self._directory, log_path(self._directory)
        _log.warning(
            "The embedded sampler of %s has ended before its time and is started again. Its log: %s", name, log
        )
        now = time.monotonic()
        self._restarts = [at for at in self._restarts if at > now - _RESTARTS_SECONDS]
        while True:
            if len(self._restarts) >= _RESTARTS:
                _give_up(name, f"{_RESTARTS} starts in a row did not help, see {log}")
                return False
            pause = len(self._restarts) * _PAUSE_SECONDS
            self._restarts.append(time.monotonic())
            if self._ended.wait(pause):
                return False
            with self._lock:
                if self._lifeline is not lifeline:
                    return True
            if not self._is_there():
                _give_up(name, "the directory is not there any more")
                return False
            try:
                deadline = time.monotonic() + _START_SECONDS
                return self._take(join_or_start(self._directory, deadline, self.record.grpc))
            except (AddressTakenError, NodeNotFoundError) as error:
                if not self._ended.is_set():
                    _give_up(name, f"its clients look for it at {self.record.grpc}, and {error}")
                return False
            except EmbeddedSamplerError as error:
                if self._ended.is_set():
                    return False
                _log.warning("The embedded sampler of %s could not be started again: %s", name, error)

    def _is_there(self) -> bool:
        try:
            return self.record.directory == identity(self._directory)
        except OSError:
            return False

    def _take(self, found: Found) -> bool:
        """Holds it from now on, unless another thread was faster. False if there is no need any more."""
        with self._lock:
            if self._ended.is_set():
                found.lifeline.close()
                return False
            if self._lifeline.is_alive:
                found.lifeline.close()
                return True
            if self._is_kept_through_exec:
                found.lifeline.keep_through_exec()
            self.record, self._lifeline = found
            if not self._is_watched:  # it was given up
                self._restarts = []
                self._watch()
            return True


def _give_up(directory: Path, reason: str) -> None:
    _log.error(
        "The embedded sampler of %s is not started again: %s. End the training, and start it from its last checkpoint.",
        directory,
        reason,
    )


_holds: weakref.WeakSet[Hold] = weakref.WeakSet()
_registered_in: int | None = None


def _end_at_exit(hold: Hold) -> None:
    global _registered_in
    _holds.add(hold)
    if _registered_in != fork_count():
        _registered_in = fork_count()
        # As the client's delivery at the end of a process, and after it: that may need the sampler.
        Finalize(None, _end_restarts, exitpriority=-1)


def _end_restarts() -> None:
    for hold in list(_holds):
        hold.end_restarts()
