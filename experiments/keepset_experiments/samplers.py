"""The sampler that an arm trains with: the service, or its in-process reference."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

import keepset
from keepset.embedded import start

from .arm import Arm
from .method import Method
from .recipe import RECIPES, Recipe
from .reference import InProcessSampler


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

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch is trained next, from 0."""
        ...

    def report(self, indices: Tensor, losses: Tensor, /) -> Tensor:
        """Takes a batch's losses and returns their mean, to back-propagate."""
        ...

    def total_steps(self, batch_size: int) -> int:
        """Batches of the whole training."""
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
    """A sampler of the service, which also tells how often it kept each sample."""

    def __init__(self, *arguments: Any, address: str, run_id: str, **settings: Any) -> None:
        super().__init__(*arguments, address=address, run_id=run_id, **settings)
        self._address = address

    def times_kept(self) -> npt.NDArray[np.uint32]:
        """(N,): how many selections kept each sample."""
        with keepset.connect(self._address) as client:
            return client.statistics(self.run_id).times_kept


@contextmanager
def sampler_of(arm: Arm, count: int) -> Generator[TrainingSampler]:
    """The sampler of an arm that trains on a data set of `count` samples, with a process of its own if it needs one."""
    recipe, method = RECIPES[arm.recipe], Method(arm.method)
    if method.reference_rule is None:
        with _folder() as folder, start(data_dir=folder) as embedded:
            yield _of_service(arm, recipe, method, count, embedded.address)
    else:
        yield InProcessSampler(
            method.reference_rule,
            count,
            prune_rate=arm.prune_rate,
            epochs=recipe.epochs,
            selection_period=recipe.selection_period,
            seed=arm.seed,
        )


def _of_service(arm: Arm, recipe: Recipe, method: Method, count: int, address: str) -> ServiceSampler:
    return ServiceSampler(
        count,
        policy=method.policy(),
        prune_rate=arm.prune_rate if method.is_pruned else 0.0,
        epochs=recipe.epochs,
        selection_period=recipe.selection_period,
        tail_epochs=method.tail_epochs(recipe.epochs),
        seed=arm.seed,
        address=address,
        run_id=arm.key,
    )


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
