"""Results, a line of JSON for each arm."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

import keepset

from .arm import Arm, fields_of
from .recipe import RECIPES

Result = dict[str, Any]


def read(paths: list[Path]) -> list[Result]:
    """All results in these files. A line that was cut off at the end of a file is left out."""
    results: list[Result] = []
    for path in paths:
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        results += [json.loads(line) for line in lines if line.endswith("\n")]
    return results


def append(path: Path, result: Result) -> None:
    """Adds a line, whole or not at all, whoever else adds lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")), path.open("a+b") as out:
        _cut_torn_line(out)
        out.write(f"{json.dumps(result)}\n".encode())
        out.flush()
        os.fsync(out.fileno())


def machine_of(result: Result) -> tuple[str, int]:
    """What times have to have in common to be compared: hardware, and threads of the trainer."""
    return result["hardware"], result["threads"]


def describe(arm: Arm, outcome: dict[str, Any], device: torch.device) -> Result:
    """A result: what was trained, what it came to, and with what."""
    recipe = RECIPES[arm.recipe]
    return {
        "key": arm.key,
        **fields_of(arm),
        **outcome,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "hardware": _hardware(device),
        "threads": torch.get_num_threads(),
        "versions": {
            "keepset": keepset.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _cut_torn_line(out: Any) -> None:
    out.seek(0)
    content = out.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        out.truncate(whole)


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
