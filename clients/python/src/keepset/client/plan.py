"""What one rank trains on in one epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from keepset.client.checks import check_u32
from keepset.client.mapping import PlanReason
from keepset.client.reports import Report, Values
from keepset.client.settings import ScoreSource

_NO_METRICS: Mapping[str, Values] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What one rank trains on in one epoch, from `start_position` on; or, of `Run.plan_scoring`, what it scores."""

    epoch: int
    rank: int
    world_size: int
    kept_count: int
    """Samples kept in this epoch, over all ranks, k."""
    sample_count: int
    """Samples in the data set, N."""
    position_count: int
    """Positions of this rank in the whole epoch: as many as for every other rank."""
    saving: float
    """Share of the data set left out so far, this epoch included. Below 1."""
    selection_epoch: int
    """Epoch at which the kept set was chosen; for "warmup" and "tail" the epoch itself."""
    reason: PlanReason
    digest: bytes
    """SHA-256 of the epoch's order over all ranks, 32 bytes. Equal on all ranks and for every world size."""
    generation: int
    """The run's life that the plan is of."""
    start_position: int
    """Position at which `indices` begin: 0, or what was asked for."""
    indices: npt.NDArray[np.uint32] = field(repr=False)
    """Samples to train on, in this order, (position_count - start_position,). Read-only."""
    weights: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    """Weight of the loss of each of `indices`: the mean of weight * loss over a batch is what is to be minimised. Its
    expectation is sample_count / kept_count times the mean loss. Read-only; None: all are 1."""
    learning_rate_factor: float = 1.0
    """What the learning rate is to be multiplied with in this epoch: 1, unless the policy (Kakurenbo) says so."""
    score_count: int = 0
    """Positions of this rank in what is to be scored after the epoch, `Run.plan_scoring`; 0: nothing is."""
    is_scoring: bool = False
    """Whether it is what is to be scored, a forward pass without training, and not what is trained on."""
    metrics: tuple[str, ...] = ()
    """Names of the columns that a report may carry."""
    score_source: ScoreSource = "loss"
    """What the losses of a report are."""
    _send: Callable[[Report], None] = field(repr=False)

    def batches(self, batch_size: int, drop_last: bool = False) -> Iterator[npt.NDArray[np.uint32]]:
        """The plan in batches of `batch_size` (at least 1) positions, (batch_size,) each; the last one is shorter
        where they do not divide, or left out with `drop_last`. Read-only views of `indices`."""
        size = check_u32("batch_size", batch_size, 1)
        count = len(self.indices)
        end = count - count % size if drop_last else count
        return (self.indices[start : start + size] for start in range(0, end, size))

    def report(self, indices: Values, losses: Values, metrics: Mapping[str, Values] = _NO_METRICS) -> None:
        """Hands over the un-reduced losses of a batch and returns.

        `losses[i]`, a float of any width, belongs to the sample `indices[i]`; both have shape (B,), B at least 1. They
        are the losses without weights. With the run's `score_source` "batch_loss" it is one value, the batch's mean.
        `metrics`: further columns of the same shape, by their names among the run's `metrics`; any may be left out.
        Arrays are copied, `PendingValues` are read later, on another thread. The report is sent in the background,
        exactly once and in order. Nothing is waited for, but for room in a full queue.

        Throws, and queues nothing: InvalidArgumentError when shapes or types do not fit or a metric is unknown;
        PreconditionError when the rank has gone on to another epoch; QueueFullError when the queue stays full for
        `give_up_after` seconds; and the run's failure when an earlier report was refused, for example for an index
        that is not in this plan, or could not be delivered.
        """
        report = Report(self.epoch, self.rank, indices, losses, is_batch_loss=self.score_source == "batch_loss")
        if metrics:
            report.add_metrics(metrics, self.metrics)
        self._send(report)
