"""Trains one arm in a process of its own: `python -m keepset_experiments.worker`, as `run` starts it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from . import results
from .arm import Arm
from .cifar import read
from .samplers import sampler_of
from .training import train


def main() -> None:
    """The settings come as JSON on standard input; a line on standard output for each epoch."""
    settings = json.load(sys.stdin)
    arm = Arm(**settings["arm"])
    torch.set_num_threads(settings["threads"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    data = read(Path(settings["data"]), arm.data)
    if arm.samples is not None:
        data = data.first(arm.samples)

    def progress(steps: int, total: int) -> None:
        print(json.dumps({"steps": steps, "total": total}), flush=True)

    with sampler_of(arm, len(data.labels)) as sampler:
        outcome = train(arm, data, device, sampler, progress)
    results.append(Path(settings["out"]), results.describe(arm, outcome, device))


if __name__ == "__main__":
    main()
