"""Trains one arm."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import keepset

from .arm import Arm
from .augmentation import augmented
from .cifar import DataSet
from .method import Method
from .networks import NETWORKS, to_input
from .recipe import RECIPES, Recipe
from .samplers import TrainingSampler

Progress = Callable[[int, int], None]
"""Is told how many of how many steps are done."""


@dataclass
class Clock:
    """Seconds of the training, without those of the tests, and of them those that it waited for the sampler."""

    total: float = 0.0
    sampler: float = 0.0
    cpu: float = 0.0
    _begin: float = field(default_factory=time.perf_counter)
    _begin_cpu: float = field(default_factory=time.process_time)

    def stop(self) -> None:
        """Before a test."""
        self.total += time.perf_counter() - self._begin
        self.cpu += time.process_time() - self._begin_cpu

    def go_on(self) -> None:
        """After it."""
        self._begin, self._begin_cpu = time.perf_counter(), time.process_time()

    @contextmanager
    def in_sampler(self) -> Generator[None]:
        """Around calls of the sampler."""
        begin = time.perf_counter()
        yield
        self.sampler += time.perf_counter() - begin


def train(
    arm: Arm, data: DataSet, device: torch.device, sampler: TrainingSampler, progress: Progress
) -> dict[str, Any]:
    """Trains an arm on what its sampler keeps.

    Arms of one seed have the same initialisation, and draw the same augmentation as long as they train on as many
    images.

    Returns:
        What the arm came to: `accuracy` of the last test, `curve` with a point for each test, `steps`, `seconds` (all
        but tests), `sampler_seconds` (of those, in calls of the sampler), `cpu_seconds` of this process, `saving`, and
        of the kept sets `kept`: how many samples were kept in how many selections.
    """
    recipe, method = RECIPES[arm.recipe], Method(arm.method)
    clock = Clock()
    total_steps = _total_steps(arm, recipe, len(data.labels), sampler)
    images, labels = data.images.to(device), data.labels.to(device)
    torch.manual_seed(arm.seed)
    network = NETWORKS[recipe.network](data.classes).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(),
        recipe.peak_rate,
        momentum=recipe.momentum,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, total_steps=total_steps, pct_start=recipe.rising
    )
    random = torch.Generator().manual_seed(arm.seed)
    curve: list[dict[str, float]] = []
    steps = 0
    for epoch in range(recipe.epochs):
        with clock.in_sampler():
            sampler.set_epoch(epoch)
            order = torch.from_numpy(sampler.plan.indices.astype(np.int64))
        on_device = order.to(device)
        epoch_images, epoch_labels = augmented(images[on_device], recipe.shift, random), labels[on_device]
        for start in range(0, len(order), recipe.batch_size)[: total_steps - steps]:
            batch = slice(start, start + recipe.batch_size)
            inputs = to_input(epoch_images[batch]).contiguous(memory_format=torch.channels_last)
            losses = F.cross_entropy(
                network(inputs), epoch_labels[batch], reduction="none", label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            with clock.in_sampler():
                loss = sampler.report(order[batch], losses)
            loss.backward()
            optimizer.step()
            schedule.step()
            steps += 1
        progress(steps, total_steps)
        is_last = steps == total_steps
        if is_last:
            with clock.in_sampler():
                sampler.flush()
        if is_last or (epoch + 1) % recipe.test_every == 0:
            clock.stop()
            accuracy = _accuracy(network, data.test_images.to(device), data.test_labels.to(device))
            curve.append({"epoch": epoch + 1, "steps": steps, "seconds": clock.total, "accuracy": accuracy})
            clock.go_on()
        if is_last:
            break
    result = {
        "accuracy": curve[-1]["accuracy"],
        "steps": steps,
        "seconds": clock.total,
        "sampler_seconds": clock.sampler,
        "cpu_seconds": clock.cpu,
        "saving": sampler.saving,
        "kept": np.bincount(sampler.times_kept()).tolist() if method.is_pruned else None,
        "curve": curve,
    }
    sampler.finish()
    sampler.close()
    return result


def _total_steps(arm: Arm, recipe: Recipe, count: int, sampler: TrainingSampler) -> int:
    """Those of the arm's sampler, but for `full-short`, which has as many as a pruned arm without a tail."""
    if arm.method != "full-short":
        return sampler.total_steps(recipe.batch_size)
    pruned = keepset.Sampler(count, policy=keepset.Random(), prune_rate=arm.prune_rate, epochs=recipe.epochs)
    return pruned.total_steps(recipe.batch_size)


@torch.no_grad()
def _accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    network.eval()
    correct = 0
    for x, y in zip(images.split(1000), labels.split(1000), strict=True):
        correct += int((network(to_input(x).contiguous(memory_format=torch.channels_last)).argmax(1) == y).sum())
    network.train()
    return correct / len(labels)
