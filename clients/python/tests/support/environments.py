"""Environments with other packages than this one has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_UNREACHABLE = ("NewConnectionError", "No matching distribution", "ConnectionError", "Temporary failure")


def make_environment(python: str, folder: Path, packages: list[str]) -> str:
    """The Python of a new environment with `packages`, what these need, and pip. Skips the test where no
    package index can be reached, but not in CI.
    """
    subprocess.run([python, "-m", "venv", str(folder)], check=True, timeout=60)
    interpreter = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    install(interpreter, packages)
    return interpreter


def install(interpreter: str, packages: list[str]) -> None:
    """Installs into an environment, as `make_environment` does: with its own pip, since that of an older Python may not
    run on it."""
    command = [interpreter, "-m", "pip", "install"]
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    installed = subprocess.run([*command, *options, *packages], capture_output=True, text=True, timeout=180)
    if installed.returncode == 0:
        return
    if any(text in installed.stderr for text in _UNREACHABLE) and not os.environ.get("CI"):
        pytest.skip(f"pip cannot get {packages} here: {installed.stderr.strip().splitlines()[-1]}")
    pytest.fail(installed.stderr)
