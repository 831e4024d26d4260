"""Numbers of reports."""

from __future__ import annotations

from dataclasses import dataclass

from keepset.client.errors import PreconditionError


@dataclass
class _Count:
    epoch: int
    reports: int
    reports_before: int


class Sequences:
    """Numbers the reports of each rank: 1, 2, 3, ... within an epoch. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}

    def of_epoch_before(self, epoch: int, rank: int) -> int:
        """Reports that the rank made in the epoch before `epoch`; 0 where none are known."""
        count = self._counts.get(rank)
        if count is None:
            return 0
        if count.epoch == epoch:
            return count.reports_before
        return count.reports if count.epoch == epoch - 1 else 0

    def begin(self, epoch: int, rank: int, applied: int) -> None:
        """The rank has a plan of `epoch`, of which the sampler has applied `applied` reports: the next one goes on
        after them."""
        count = self._counts.get(rank)
        if count is not None and count.epoch == epoch:
            count.reports = max(count.reports, applied)
        else:
            self._counts[rank] = _Count(epoch, applied, self.of_epoch_before(epoch, rank))

    def take(self, epoch: int, rank: int) -> int:
        """The sequence of the rank's next report, if `epoch` is the one it is in."""
        count = self._counts.get(rank)
        if count is not None and count.epoch == epoch:
            count.reports += 1
            return count.reports
        now = "none" if count is None else str(count.epoch)
        raise PreconditionError(
            f"Epoch {epoch} is over for rank {rank}, which is in epoch {now}. "
            "Report with the plan of the epoch in progress.",
            code="FAILED_PRECONDITION",
            reason="WRONG_EPOCH",
        )
