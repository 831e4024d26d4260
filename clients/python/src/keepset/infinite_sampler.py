"""A sampler for training that counts iterations and not epochs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from keepset.sampler import Index, Sampler, iterate

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
    sampler's order, as DataLoader does.
    """

    def __init__(self, data: Dataset[Any] | Sized | int, *, batch_size: int, **settings: Any) -> None:
        settings.setdefault("position_multiple", batch_size)
        super().__init__(data, **settings)
        self.late_count = 0
        """Losses of this rank that came after the plan of the next epoch was made."""
        self._late = 0
        self._run.warns_of_silence = False
        self._has_warned = False

    def __len__(self) -> int:
        raise TypeError("an InfiniteSampler has no length: count iterations, or use keepset.Sampler")

    def __iter__(self) -> Iterator[int]:
        """Indices without end, from where the reports stand."""
        self._late = 0
        plan = self._run.plan
        yield from iterate(plan.indices[self._run.position - plan.start_position :])
        while True:
            late = plan.position_count - self._run.position
            self._late += late
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
        self, index: Index, losses: Tensor | None = None, *, metrics: Mapping[str, Any] | None = None, score: Any = None
    ) -> Tensor:
        """As `Sampler.report`; the losses of batches that the loader read ahead before the present epoch are left
        out.
        """
        if losses is None:
            raise ValueError(
                "report(losses) cannot tell of which epoch a batch is that was read ahead: use report(index, losses)"
            )
        late = min(self._late, len(index))
        self._late -= late
        self.late_count += late
        if late == 0:
            return super().report(index, losses, metrics=metrics, score=score)
        if late < len(index):
            columns = {name: values[late:] for name, values in (metrics or {}).items()}
            super().report(index[late:], losses[late:], metrics=columns, score=None if score is None else score[late:])
        return losses.mean(dtype=torch.float32)
