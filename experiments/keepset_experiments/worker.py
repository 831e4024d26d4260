"""Trains one arm in a process of its own: `python -m keepset_experiments.worker`, as `run` starts it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch

from keepset.embedded import start

from . import results
from .arm import Arm
from .cifar import read
from .training import train


@contextmanager
def _folder() -> Generator[str]:
    """A folder for the sampler, which still ends when it has been let go of."""
    folder = tempfile.mkdtemp(prefix="keepset-experiments-")
    try:
        yield folder
    finally:
        end = time.monotonic() + 30
        while os.path.exists(folder) and time.monotonic() < end:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


def main() -> None:
    """The settings come as JSON on standard input; a line on standard output for each epoch."""
    settings = json.load(sys.stdin)
    arm = Arm(**settings["arm"])
    torch.set_num_threads(settings["threads"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = read(Path(settings["data"]), arm.data)
    if arm.samples is not None:
        data = data.first(arm.samples)

    def progress(steps: int, total: int) -> None:
        print(json.dumps({"steps": steps, "total": total}), flush=True)

    with _folder() as folder, start(data_dir=folder) as embedded:
        outcome = train(arm, data, device, embedded.address, progress)
    results.append(Path(settings["out"]), results.describe(arm, outcome, device))


if __name__ == "__main__":
    main()
