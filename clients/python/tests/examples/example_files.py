"""The examples of the repository, as their own docstrings say how to run them."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.sampler_process import REPOSITORY

SECONDS = 180
"""What each command may take."""

NEEDS_ADDRESS = ["examples/any_trainer/train.py"]
"""Examples that have no embedded sampler, since they import nothing of Keepset."""

_LAUNCHERS = {
    "python": [sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run", "--standalone"],
    "accelerate": [sys.executable, "-m", "accelerate.commands.accelerate_cli"],
}


def example_paths() -> list[str]:
    """Programs under examples/, relative to the repository."""
    files = sorted((REPOSITORY / "examples").rglob("*.py"))
    programs = [file for file in files if '\nif __name__ == "__main__":' in file.read_text()]
    return [str(file.relative_to(REPOSITORY)) for file in programs if "dist" not in file.parts]


def documented_commands(path: str) -> list[str]:
    """The command lines in an example's docstring that start it, in their order."""
    docstring = ast.get_docstring(ast.parse((REPOSITORY / path).read_text())) or ""
    lines = [line.strip() for line in re.sub(r"\\\n\s*", " ", docstring).splitlines()]
    return [line for line in lines if line.split(" ")[0] in _LAUNCHERS and path in line.split()]


class SmallCheckout:
    """What the examples need of a clone, in a folder of its own: they write data and checkpoints beside themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        unwanted = shutil.ignore_patterns("dist", "demo", "keepset-data", "__pycache__", "*.pt", "*.npz")
        shutil.copytree(REPOSITORY / "examples", folder / "examples", ignore=unwanted)
        for needed in ("clients/trainer/data", "proto"):
            (folder / needed).parent.mkdir(parents=True, exist_ok=True)
            (folder / needed).symlink_to(REPOSITORY / needed)
        self._outputs: dict[str, str] = {}

    def run(self, command: str) -> str:
        """The output of a command that must succeed; the same command runs once."""
        if command not in self._outputs:
            with self.start(command) as process:
                output, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, f"{command}\n{output}"
            self._outputs[command] = output
        return self._outputs[command]

    @contextmanager
    def start(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """Starts a command with all it prints in `stdout`; at the end of the context it is ended with its children."""
        launcher, *arguments = shlex.split(command)
        # One thread each: torch would else start one for every core in every rank.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
        process = subprocess.Popen(
            [*_LAUNCHERS[launcher], *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)
            assert process.stdout is not None
            process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    # A launcher's ranks are no longer in its process group: only it can end them.
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
