"""Starts a program in several ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def program_environment() -> dict[str, str]:
    """That of a program which finds `support` and `keepset`, with one core for each rank: torch would else start a
    thread a core in each.
    """
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def torchrun(program: Path, arguments: list[str], ranks: int, *, seconds: float = 90, check: bool = True) -> str:
    """Runs `program` under torchrun on this machine; its output, both streams. With `check` a rank that fails is an
    assertion with that text.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", str(program)]
    done = subprocess.run(
        [*command, *arguments],
        env=program_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0 or not check, done.stdout
    return done.stdout
