"""Trains one arm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import keepset

from .accuracy import accuracy_of
from .arm import Arm
from .augmentation import Augmentation
from .cifar import DataSet
from .clock import Clock
from .method import Method
from .networks import build, to_input
from .optimization import Optimizer
from .recipe import RECIPES, Recipe
from .samplers import TrainingSampler

Progress = Callable[[int, int], None]
"""Is told how many of how many steps are done; the latter is a guess where the policy decides it."""

SCORING_BATCH = 1000
SCORING_SEED = 2**32
"""Added to an arm's seed: the draws that augment what is scored change none of those of the training."""


def train(
    arm: Arm, data: DataSet, device: torch.device, sampler: TrainingSampler, progress: Progress
) -> dict[str, Any]:
    """Trains an arm on what its sampler keeps.

    Arms of one seed have the same initialisation, and draw the same augmentation as long as they train on as many
    images.

    Returns:
        What the arm came to: `accuracy` of the last test, `curve` with a point for each test, `steps`, `seconds` (all
        but tests), `sampler_seconds` (of those, in calls of the sampler), `scoring_seconds` (of those, of forward
        passes over what was left out), `cpu_seconds` of this process, `saving`, and of the kept sets `kept`: how many
        samples were kept in how many selections. Of the service also what `ServiceSampler.facts` tells.
    """
    training = _Training(arm, data, device, sampler)
    recipe = training.recipe
    for epoch in range(recipe.epochs):
        training.train_epoch(epoch)
        progress(training.steps, training.expected_steps(epoch + 1))
        is_last = epoch + 1 == recipe.epochs or training.steps == training.total_steps
        training.score_left_out()
        if is_last:
            training.flush()
        if is_last or (epoch + 1) % recipe.test_every == 0:
            training.test(epoch)
        if is_last:
            break
    return training.result()


class _Training:
    def __init__(self, arm: Arm, data: DataSet, device: torch.device, sampler: TrainingSampler) -> None:
        self.recipe, self._method = RECIPES[arm.recipe], Method(arm.method)
        self._clock = Clock(torch.cuda.synchronize) if device.type == "cuda" else Clock()
        self._data, self._device, self._sampler = data, device, sampler
        self.total_steps = _total_steps(arm, self.recipe, len(data.labels), sampler)
        """None where the policy decides how many samples it keeps."""
        self.steps = 0
        self._curve: list[dict[str, float]] = []
        self._images, self._labels = data.images.to(device), data.labels.to(device)
        torch.manual_seed(arm.seed)
        network = build(self.recipe.network, data.classes, data.images)
        self._network = network.to(device, memory_format=torch.channels_last)
        self._optimizer = Optimizer(
            self._network, self.recipe.schedule, self.recipe.weight_decay, self.recipe.bias_scale
        )
        self._augmentation = Augmentation(self.recipe, len(data.labels), arm.seed)
        self._scoring_augmentation = Augmentation(self.recipe, len(data.labels), SCORING_SEED + arm.seed)

    def train_epoch(self, epoch: int) -> None:
        recipe, sampler = self.recipe, self._sampler
        with self._clock.in_settled_sampler():
            sampler.set_epoch(epoch)
            order = torch.from_numpy(sampler.plan.indices.astype(np.int64))
        on_device = order.to(self._device)
        images, labels = self._augmentation(self._images[on_device], order), self._labels[on_device]
        starts = range(0, len(order), recipe.batch_size)
        if self.total_steps is not None:
            starts = starts[: self.total_steps - self.steps]
        divisor = sampler.mean_weight if self._method.divides_by_mean_weight else 1.0
        rate_factor = sampler.learning_rate_factor
        for number, start in enumerate(starts):
            batch = slice(start, start + recipe.batch_size)
            logits, losses = self._forward(images[batch], labels[batch])
            with self._clock.in_sampler():
                loss = sampler.report(order[batch], self._reported(losses), logits=logits, targets=labels[batch])
            step, total = self._place(epoch + number / len(starts))
            self._optimizer.step(loss / divisor, step, total, rate_factor)
            self.steps += 1

    def score_left_out(self) -> None:
        """Has a forward pass over what the run wants scored of the samples that the epoch left out: nothing after the
        last one. The images are augmented as those of the training; the network is in eval mode.
        """
        with self._clock.in_settled_sampler():
            scoring = self._sampler.scoring
            order = torch.tensor(list(scoring), dtype=torch.int64)
        if not len(order):
            return
        with self._clock.in_scoring(), torch.no_grad():
            self._network.eval()
            for indices in order.split(SCORING_BATCH):
                on_device = indices.to(self._device)
                images = self._scoring_augmentation(self._images[on_device], indices)
                logits, losses = self._forward(images, self._labels[on_device])
                scoring.report(indices, self._reported(losses), logits=logits, targets=self._labels[on_device])
            self._network.train()

    def flush(self) -> None:
        """Waits until all losses are recorded: the time that it takes is part of the training's."""
        with self._clock.in_settled_sampler():
            self._sampler.flush()

    def test(self, epoch: int) -> None:
        self._clock.stop()
        self._network.eval()
        images, labels = self._data.test_images.to(self._device), self._data.test_labels.to(self._device)
        accuracy = accuracy_of(self._logits, images, labels, averages_views=self.recipe.averages_views)
        self._network.train()
        self._curve.append(
            {"epoch": epoch + 1, "steps": self.steps, "seconds": self._clock.total, "accuracy": accuracy}
        )
        self._clock.go_on()

    def result(self) -> dict[str, Any]:
        """After the last test."""
        clock, sampler = self._clock, self._sampler
        result = {
            "accuracy": self._curve[-1]["accuracy"],
            "steps": self.steps,
            "seconds": clock.total,
            "sampler_seconds": clock.sampler,
            "scoring_seconds": clock.scoring,
            "cpu_seconds": clock.cpu,
            "saving": sampler.saving,
            "kept": np.bincount(sampler.times_kept()).tolist() if self._method.is_pruned else None,
            **sampler.facts(),
            "curve": self._curve,
        }
        sampler.finish()
        sampler.close()
        return result

    def expected_steps(self, epochs: int) -> int:
        """Of the whole training, after so many epochs."""
        return self.total_steps or round(self.steps * self.recipe.epochs / epochs)

    def _place(self, epochs: float) -> tuple[float, int]:
        """Where the learning rate stands: at a step of the arm's own, or, where their number is not known, as far as
        its epochs are.
        """
        if self.total_steps is not None:
            return self.steps, self.total_steps
        full = -(-len(self._labels) // self.recipe.batch_size)
        return epochs * full, self.recipe.epochs * full

    def _reported(self, losses: Tensor) -> Tensor:
        return losses.mean() if self._sampler.reports_batch_loss else losses

    def _forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the un-reduced losses (B,) of uint8 images."""
        logits = self._logits(to_input(images))
        smoothing = self.recipe.label_smoothing
        return logits, F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def _logits(self, inputs: Tensor) -> Tensor:
        is_half = self.recipe.half_on_gpu and self._device.type == "cuda"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=is_half):
            return self._network(inputs).float()


def _total_steps(arm: Arm, recipe: Recipe, count: int, sampler: TrainingSampler) -> int | None:
    """Those of the arm's sampler, but for `full-short`, which has as many as a pruned arm without a tail."""
    if arm.method == "full-short":
        settings = Method("random").settings(recipe, arm.prune_rate)
        return keepset.Sampler(count, **settings).total_steps(recipe.batch_size)
    try:
        return sampler.total_steps(recipe.batch_size)
    except ValueError:
        return None
