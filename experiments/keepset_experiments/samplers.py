"""The sampler that an arm trains with: the service, or its in-process reference."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import psutil
from torch import Tensor

import keepset
from keepset.client import Plan
from keepset.embedded import start

from .arm import Arm
from .method import Method
from .recipe import RECIPES
from .reference import InProcessSampler

Facts = dict[str, Any]


class TrainingSampler(Protocol):
    """What the training loop needs of a sampler."""

    @property
    def plan(self) -> Any:
        """The present epoch's; its `indices` are uint32, in training order."""
        ...

    @property
    def saving(self) -> float:
        """Share of the data set left out so far."""
        ...

    @property
    def reports_batch_loss(self) -> bool:
        """Whether `report` takes the mean loss of a batch."""
        ...

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rate is multiplied with in the present epoch."""
        ...

    @property
    def mean_weight(self) -> float:
        """Mean weight of the samples of the present epoch's plan; 1 where it has no weights."""
        ...

    @property
    def scoring(self) -> Any:
        """What has a forward pass after the present epoch: iterable, and its losses are reported by its `report`."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch is trained next, from 0."""
        ...

    def report(
        self, indices: Tensor, losses: Tensor, /, *, logits: Tensor | None = None, targets: Tensor | None = None
    ) -> Tensor:
        """Takes a batch's losses, or their mean, and returns what is to be back-propagated. `logits` (B, C) and
        `targets` (B,) are for what a policy asks for beside the losses.
        """
        ...

    def total_steps(self, batch_size: int) -> int:
        """Batches of the whole training. Raises ValueError where only the plans can tell."""
        ...

    def facts(self) -> Facts:
        """What came of the run, for its result; before `finish`."""
        ...

    def times_kept(self) -> npt.NDArray[Any]:
        """(N,): how many selections kept each sample."""
        ...

    def flush(self) -> None:
        """Waits until every loss handed over is recorded."""
        ...

    def finish(self) -> None:
        """After the last epoch."""
        ...

    def close(self) -> None:
        """Lets go of what the sampler holds."""
        ...


class ServiceSampler(keepset.Sampler):
    """A sampler of the service, which also tells what came of the run. `folder`: that of the service."""

    def __init__(self, *arguments: Any, folder: Path, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._folder = folder

    @property
    def mean_weight(self) -> float:
        """Mean weight of the samples of the present epoch's plan; 1 where it has no weights."""
        weights = self.plan.weights if isinstance(self.plan, Plan) else None
        return 1.0 if weights is None else float(weights.mean(dtype=np.float64))

    def times_kept(self) -> npt.NDArray[np.uint32]:
        """(N,): how many selections kept each sample."""
        return self.run.client.statistics(self.run_id).times_kept

    def facts(self) -> Facts:
        """Settings, processor seconds of the sampler's process, what was scored, and what came of each selection."""
        info = self.run.info()
        return {
            "selection_period": info.settings.selection_period,
            "tail_epochs": info.settings.tail_epochs,
            "weights": info.settings.weights,
            "scored": info.progress.scored,
            "sampler_cpu_seconds": _processor_seconds(self._folder),
            "selections": [
                {
                    "epoch": one.epoch,
                    "kept": one.kept_count,
                    "always": one.always_count,
                    "sometimes": one.sometimes_count,
                    "never": one.never_count,
                    "overlap": one.overlap,
                }
                for one in self.run.client.selections(self.run_id)
            ],
        }


class ReferenceSampler(InProcessSampler):
    """The reference, with what only the service has."""

    reports_batch_loss = False
    learning_rate_factor = 1.0
    mean_weight = 1.0
    scoring: Iterable[int] = ()

    def report(
        self, indices: Tensor, losses: Tensor, /, *, logits: Tensor | None = None, targets: Tensor | None = None
    ) -> Tensor:
        """Takes a batch's losses and returns their mean: its rules look at nothing else."""
        return super().report(indices, losses)

    def facts(self) -> Facts:
        """It has no process and keeps no history."""
        return {}


@contextmanager
def sampler_of(arm: Arm, count: int) -> Generator[TrainingSampler]:
    """The sampler of an arm that trains on a data set of `count` samples, with a process of its own if it needs one."""
    recipe, method = RECIPES[arm.recipe], Method(arm.method)
    if method.reference_rule is None:
        settings = method.settings(recipe, arm.prune_rate)
        with _folder() as folder, start(data_dir=folder) as embedded:
            yield ServiceSampler(
                count, **settings, seed=arm.seed, address=embedded.address, run_id=arm.key, folder=folder
            )
    else:
        yield ReferenceSampler(
            method.reference_rule,
            count,
            prune_rate=arm.prune_rate,
            epochs=recipe.epochs,
            selection_period=recipe.selection_period,
            seed=arm.seed,
        )


def _processor_seconds(folder: Path) -> float:
    """Of the sampler's process since its start."""
    process = psutil.Process(json.loads((folder / "embedded.json").read_text())["pid"])
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def _folder() -> Generator[Path]:
    """A folder for the sampler, which still ends when it has been let go of."""
    folder = Path(tempfile.mkdtemp(prefix="keepset-experiments-"))
    try:
        yield folder
    finally:
        end = time.monotonic() + 30
        while os.path.exists(folder) and time.monotonic() < end:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)
