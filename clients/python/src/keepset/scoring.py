"""The samples that an epoch left out, to have a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.utils.data import Sampler

from keepset.batch_columns import batch_columns
from keepset.device_values import pending_indices
from keepset.indices import iterate
from keepset.rank_run import RankRun


class Scoring(Sampler[int]):
    """What this rank scores after the training of an epoch, so that the policy knows the losses of what it left out. A
    sampler for a DataLoader, empty where nothing is to be scored. Made by `keepset.Sampler.scoring`.

    ```python
    loader = DataLoader(keepset.indexed(dataset), batch_size=256, sampler=sampler.scoring)
    with torch.no_grad():
        for index, (x, y) in loader:
            logits = model(x)
            losses = F.cross_entropy(logits, y, reduction="none")
            sampler.scoring.report(index, losses, logits=logits, targets=y)
    ```

    It is of the sampler's present epoch: to be used between its last batch and `set_epoch` of the next one.
    `keepset.score_left_out` does it all.
    """

    def __init__(self, run: RankRun) -> None:
        super().__init__()
        self._run = run

    def __len__(self) -> int:
        """Samples that are to be scored. Waits for nothing."""
        return self._run.score_count

    def __iter__(self) -> Iterator[int]:
        """Their indices; the first time in an epoch they are fetched."""
        plan = self._run.scoring
        return iter(()) if plan is None else iterate(plan.indices)

    def report(
        self,
        index: Any,
        losses: Tensor,
        *,
        metrics: Mapping[str, Any] | None = None,
        score: Any = None,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Hands over the losses of a batch of these samples, as `keepset.Sampler.report` does of trained ones."""
        indices = pending_indices(index)
        columns = batch_columns(self._run, losses, metrics=metrics, score=score, logits=logits, targets=targets)
        self._run.report_scoring(indices, columns.losses, columns.metrics)
