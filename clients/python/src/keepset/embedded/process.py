"""Starts the process of an embedded sampler."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from keepset.embedded.errors import AddressTakenError, DataDirInUseError, EmbeddedSamplerError
from keepset.embedded.service import Service
from keepset.embedded.spawning import no_fork

FREE = "127.0.0.1:0"
"""Any port that is free."""

# Calls that are under way when the last holder is gone have nobody who waits for them: a short drain, so that the next
# start of the same directory need not wait long.
_DRAIN_SECONDS = "2"
_POLL_SECONDS = 0.005
_TAIL_LINES = 10


def log_path(data_dir: Path) -> Path:
    """What the sampler of this directory logs, since its last start."""
    return data_dir / "embedded.log"


def rotate_log(data_dir: Path) -> None:
    """Keeps the log of the start before as `embedded.log.1`, in the place of an older one."""
    # Windows does not rename a file that a sampler which is just ending still has open: the log then goes on.
    with contextlib.suppress(OSError):
        os.replace(log_path(data_dir), data_dir / "embedded.log.1")


def launch(node: str, service: Service, data_dir: Path, listen: str, deadline: float) -> dict[str, Any]:
    """Starts a sampler with the gRPC address `listen` and waits until it listens, up to `deadline` of time.monotonic().
    Returns the line that it logs then.

    It is in a session of its own, so that Ctrl-C ends the trainer and not the sampler before it. What it writes goes to
    a file: nobody has to read it, as a pipe would need. Raises DataDirInUseError where another sampler has the
    directory, AddressTakenError where it cannot have the address, and EmbeddedSamplerError where it ended or did not
    listen in time.
    """
    command = [node, str(service.main), "serve", "--listen", listen, "--http", FREE, "--lifeline", FREE]
    command += [
        "--store",
        "file",
        "--data-dir",
        str(data_dir),
        "--drain-seconds",
        _DRAIN_SECONDS,
        "--log-level",
        "info",
    ]
    path = log_path(data_dir)
    with path.open("ab") as log, no_fork:
        start = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=data_dir,
            start_new_session=True,
            creationflags=_creation_flags(),
        )
    try:
        listening = _wait_until_listening(process, path, start, deadline)
    except BaseException:  # an interrupt as well: nobody would hold it
        process.kill()
        process.wait()
        raise
    # Takes the exit code when there is one, so that no zombie stays; none does where the interpreter ends, which starts
    # no thread any more.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=process.wait, name="keepset-embedded", daemon=True).start()
    return listening


def _wait_until_listening(process: subprocess.Popen[bytes], path: Path, start: int, deadline: float) -> dict[str, Any]:
    while True:
        has_ended = process.poll() is not None
        listening = _listening(path, start)
        if listening is not None:
            return listening
        if has_ended:
            raise _failure(f"ended with exit code {process.returncode} before it listened", path, start)
        if time.monotonic() >= deadline:
            raise _failure("did not listen in time", path, start)
        time.sleep(_POLL_SECONDS)


def _creation_flags() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return 0


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as log:
        log.seek(start)
        return log.read()


def _listening(path: Path, start: int) -> dict[str, Any] | None:
    """The line that tells the addresses, once it is there as a whole."""
    for line in _read(path, start).split(b"\n")[:-1]:
        try:
            entry: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("msg") == "listening":  # pyright: ignore[reportUnknownMemberType]
            return entry  # pyright: ignore[reportUnknownVariableType]
    return None


def _failure(what: str, path: Path, start: int) -> EmbeddedSamplerError:
    text = _read(path, start).decode(errors="replace").strip()
    tail = "\n".join(text.splitlines()[-_TAIL_LINES:])
    if "is in use by another sampler" in text:
        return DataDirInUseError(f"data_dir is {str(path.parent)!r}, which another sampler has:\n{tail}")
    if "(--listen)" in text:
        return AddressTakenError(f"the embedded sampler cannot have its address:\n{tail}")
    remedy = ""
    if "Cannot find addon" in text or "Cannot load addon" in text:
        remedy = (
            ". Its lock for the data directory was not built for this system: "
            "start a sampler elsewhere, for example in a container, and pass its address="
        )
    return EmbeddedSamplerError(f"the embedded sampler {what}{remedy}. Last lines of {path}:\n{tail or '(none)'}")
