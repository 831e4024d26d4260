"""Python programs that use an embedded sampler, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"

HOLD = """
import sys
from keepset.embedded import start
sampler = start(sys.argv[1])
print(sampler.address, flush=True)
sys.stdin.readline()
"""
"""Holds the sampler of a directory, tells its address, and ends when it is told to."""

HOLD_AT_ONCE = HOLD.replace("sampler =", "print('ready', flush=True); sys.stdin.readline()\nsampler =")
"""The same, and it waits for a line before it starts."""


class Program:
    """A Python program, given as text or as a file, that talks over its standard input and output. As a context manager
    it is killed at the end, if it still runs."""

    def __init__(
        self, program: str | Path, *arguments: str | Path, cwd: Path | None = None, **environment: str
    ) -> None:
        what = ["-c", program] if isinstance(program, str) else [str(program)]
        self._process = subprocess.Popen(
            # Warnings, such as those of a process or file that nobody closed, are seen in what it writes; not that of
            # Python 3.12 and newer at each fork of a process with threads, as every user of gRPC is.
            [sys.executable, "-W", "default", "-W", "ignore:This process:DeprecationWarning", *what]
            + [str(argument) for argument in arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(SOURCES), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    def read(self) -> str:
        """The next line of what it prints."""
        line = self._output.readline().rstrip("\n")
        assert line, self._process.communicate(timeout=30)[1]
        return line

    def tell(self, line: str = "") -> None:
        """Sends it a line."""
        self._input.write(f"{line}\n")
        self._input.flush()

    def send_signal(self, signal: int, *, to_group: bool = False) -> None:
        """Signals it; `to_group` as a terminal does with Ctrl-C."""
        (os.killpg if to_group else os.kill)(self.pid, signal)

    def end(self) -> tuple[int, str, str]:
        """Closes its input and waits until it has ended, and until nobody has its output open any more. Its exit code,
        and what it wrote to both streams."""
        output, errors = self._process.communicate(timeout=60)
        return self._process.returncode, output, errors

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)


def run(program: str | Path, *arguments: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a program prints, which must end well and have nothing to complain of."""
    with Program(program, *arguments, cwd=cwd, **environment) as process:
        code, output, errors = process.end()
    assert (code, errors) == (0, ""), errors
    return output


def sampler_pid(data_dir: Path) -> int:
    """The process of the sampler that was started last for a directory."""
    return int(json.loads((data_dir / "embedded.json").read_text())["pid"])
