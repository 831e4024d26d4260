"""The real sampler of this repository, as a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[4]
MAIN = REPOSITORY / "services/sampler/dist/main.js"
START_SECONDS = 30


class SamplerProcess:
    """`keepset serve` on free local ports. With a `data_dir` runs survive the process, without one they end with it.

    `address` is the gRPC address; it stays the same over `restart()`.
    """

    def __init__(self, data_dir: Path | None = None, *, arguments: tuple[str, ...] = ()) -> None:
        self.data_dir = data_dir
        self.arguments = arguments
        self.address = "127.0.0.1:0"
        self.http = "127.0.0.1:0"
        self.log: list[dict[str, Any]] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the sampler is not started"
        return self._process.pid

    def start(self) -> SamplerProcess:
        """Starts the process and waits until it listens: at `address`, or at a free port the first time."""
        node = shutil.which("node")
        assert node is not None, "no Node on PATH"
        assert MAIN.exists(), f"{MAIN} is missing: run `npm run build` in the repository"
        store = (
            ["--store", "memory"] if self.data_dir is None else ["--store", "file", "--data-dir", str(self.data_dir)]
        )
        command = [node, str(MAIN), "serve", *store, "--listen", self.address, "--http", "127.0.0.1:0", *self.arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        listening = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(self._process, listening), daemon=True)
        self._reader.start()
        if not listening.wait(START_SECONDS) or self._process.poll() is not None:
            self.kill()
            raise AssertionError(f"the sampler did not start; its log: {self.log}")
        return self

    def stop(self) -> None:
        """Ends it as an operator does (SIGTERM) and waits."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._forget()

    def kill(self) -> None:
        """Ends it without a word (SIGKILL) and waits."""
        if self._process is None:
            return
        self._process.kill()
        self._forget()

    def restart(self) -> SamplerProcess:
        """Starts it again at the same address."""
        self.stop()
        return self.start()

    def __enter__(self) -> SamplerProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read_log(self, process: subprocess.Popen[str], listening: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"text": line}
            self.log.append(entry)
            if entry.get("msg") == "listening":
                self.address, self.http = entry["grpc"], entry["http"]
                listening.set()
        listening.set()

    def _forget(self) -> None:
        assert self._process is not None
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
