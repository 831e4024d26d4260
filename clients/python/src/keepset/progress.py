"""A progress bar for each epoch."""

from __future__ import annotations

from typing import Any

from keepset.rank_run import RankRun


class ProgressBar:
    """A tqdm bar over the positions of an epoch that were reported, on rank 0."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            raise ImportError("progress=True needs tqdm: pip install tqdm") from None
        self._tqdm: Any = tqdm
        self._bar: Any = None
        self._epoch = -1

    def update(self, run: RankRun, count: int) -> None:
        """Counts a reported batch."""
        if run.world.rank != 0:
            return
        if run.epoch != self._epoch:
            self._open(run)
        self._bar.update(min(count, self._bar.total - self._bar.n))
        if self._bar.n >= self._bar.total:
            self.close()

    def close(self) -> None:
        """Leaves the present bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _open(self, run: RankRun) -> None:
        self.close()
        plan = run.plan
        epochs = run.lengths.epochs
        kept = plan.kept_count / plan.sample_count
        self._epoch = run.epoch
        self._bar = self._tqdm(
            desc=f"epoch {run.epoch + 1}" + (f"/{epochs}" if epochs else ""),
            total=plan.position_count,
            initial=plan.start_position,
            unit="sample",
            postfix={"kept": f"{100 * kept:.0f} %", "saving": f"{100 * plan.saving:.1f} %"},
        )
