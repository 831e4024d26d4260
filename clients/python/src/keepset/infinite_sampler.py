"""A sampler for training that counts iterations and not epochs."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from keepset.indices import iterate
from keepset.sampler import Index, Sampler
from keepset.weights import EpochWeights

_log = logging.getLogger("keepset")


class InfiniteSampler(Sampler):
    """Goes through one epoch's plan after the other and never ends; takes what `Sampler` takes, and `set_epoch` is
    not needed.

    ```python
    sampler = keepset.InfiniteSampler(dataset, batch_size=32, prune_rate=0.5)
    loader = DataLoader(keepset.indexed(dataset), batch_size=32, sampler=sampler)
    for step, (index, (x, y)) in zip(range(10_000), loader):
        loss = sampler.report(index, F.cross_entropy(model(x), y, reduction="none"))
    ```

    Each epoch's positions are brought to a multiple of `batch_size`, so that no batch is of two epochs. A loader with
    workers reads ahead: it is in the next epoch before the last batches of the present one are trained. The losses of
    these come too late for the next selection and are left out; `late_count` counts them. The loader must keep the
    sampler's order, as DataLoader does. No epoch has an end at which `score_left_out` could score what it left out.
    """

    def __init__(self, data: Dataset[Any] | Sized | int, *, batch_size: int, **settings: Any) -> None:
        settings.setdefault("position_multiple", batch_size)
        super().__init__(data, **settings)
        if self.scores_left_out:
            raise ValueError(
                f"{self._run.settings['policy']} has what an epoch leaves out scored after it, and an InfiniteSampler "
                "has no such time: use keepset.Sampler, or give score_left_out=False"
            )
        self.late_count = 0
        """Losses of this rank that came after the plan of the next epoch was made."""
        self._late: deque[_LateEpoch] = deque()
        self._run.warns_of_silence = False
        self._has_warned = False

    def __len__(self) -> int:
        raise TypeError("an InfiniteSampler has no length: count iterations, or use keepset.Sampler")

    def __iter__(self) -> Iterator[int]:
        """Indices without end, from where the reports stand."""
        self._late.clear()
        plan = self._run.plan
        yield from iterate(plan.indices[self._run.position - plan.start_position :])
        while True:
            late = plan.position_count - self._run.position
            if late > 0:
                self._late.append(_LateEpoch(late, self._present_weights()))
            if late == plan.position_count:
                self._warn_of_read_ahead(late)
            self._run.set_epoch(self.epoch + 1)
            plan = self._run.plan
            yield from iterate(plan.indices)

    def _warn_of_read_ahead(self, count: int) -> None:
        """Once: the policy has no loss to choose by."""
        if self._has_warned:
            return
        self._has_warned = True
        _log.warning(
            "epoch %d, of %d samples, was read to its end before a batch of it was reported: its losses come too late "
            "for the next selection; let the loader read less ahead (num_workers, prefetch_factor)",
            self.epoch,
            count,
        )

    def report(
        self,
        index: Index,
        losses: Tensor | None = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        score: Any = None,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """As `Sampler.report`; the losses of batches that the loader read ahead before the present epoch are left
        out.
        """
        if losses is None:
            raise ValueError(
                "report(losses) cannot tell of which epoch a batch is that was read ahead: use report(index, losses)"
            )
        late = min(sum(epoch.count for epoch in self._late), len(index))
        if late == 0:
            return super().report(index, losses, metrics=metrics, score=score, logits=logits, targets=targets)
        self.late_count += late
        loss = self._take_late(late, index, losses)
        if late < len(index):
            present = super().report(
                index[late:],
                losses if self.reports_batch_loss else losses[late:],
                metrics={name: values[late:] for name, values in (metrics or {}).items()},
                score=None if score is None else score[late:],
                logits=None if logits is None else logits[late:],
                targets=None if targets is None else targets[late:],
            )
            loss = loss + present * ((len(index) - late) / len(index))
        return losses if self.reports_batch_loss else loss

    def _take_late(self, count: int, index: Index, losses: Tensor) -> Tensor:
        """Counts off the first `count` samples of a batch, which are of epochs before; their part of its mean loss,
        each with the weights of its epoch.
        """
        loss = torch.zeros((), device=losses.device)
        start = 0
        while start < count:
            late = self._late[0]
            end = min(start + late.count, count)
            if not self.reports_batch_loss:
                loss = loss + late.mean(index[start:end], losses[start:end]) * ((end - start) / len(index))
            late.count -= end - start
            if late.count == 0:
                self._late.popleft()
            start = end
        return loss


@dataclass
class _LateEpoch:
    """An epoch that was not trained to its end when the next one was planned."""

    count: int
    """Samples of it that are still to come."""
    weights: EpochWeights | None

    def mean(self, index: Index, losses: Tensor) -> Tensor:
        return losses.mean(dtype=torch.float32) if self.weights is None else self.weights.weighted_mean(index, losses)
