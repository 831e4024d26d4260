"""A picture of what a run leaves out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from keepset.rank_run import RankRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_run(run: RankRun, path: str | os.PathLike[str] | None = None) -> Figure:
    """Left: the share of the data set that each epoch so far kept, and the saving. Right: the share of the samples
    kept by each share of the selections, with those that were kept always, sometimes and never.

    A figure of its own, with no part in pyplot's state. `path`: a file to write it to as well.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plot() needs matplotlib: pip install matplotlib") from None
    info = run.run.info()
    statistics = run.client.statistics(run.run_id)
    figure: Any = Figure(figsize=(10, 4), layout="constrained")  # matplotlib's own types are partial
    over_epochs, over_samples = figure.subplots(1, 2)
    _draw_epochs(over_epochs, run, info.next_epoch)
    _draw_times_kept(over_samples, statistics.times_kept, info.progress.selections)
    figure.suptitle(f"{run.run_id}: {100 * info.progress.saving:.1f} % left out in {info.next_epoch} epochs")
    if path is not None:
        figure.savefig(path)
    return figure


def _draw_epochs(axes: Any, run: RankRun, epochs: int) -> None:
    numbers = range(epochs)
    kept = 100 * np.array(_kept_counts(run, epochs)) / run.lengths.sample_count
    axes.step(numbers, kept, where="mid", label="kept")
    axes.plot(numbers, 100 - kept.cumsum() / (1 + np.arange(epochs)), label="saving so far")
    axes.set(xlabel="epoch", ylabel="% of the data set", ylim=(0, 105))
    axes.legend()


def _kept_counts(run: RankRun, epochs: int) -> list[int]:
    """Samples that each epoch so far kept, also where only its selection tells."""
    selected = {selection.epoch: selection.kept_count for selection in run.client.selections(run.run_id)}
    counts: list[int] = []
    last = run.lengths.sample_count
    for epoch in range(epochs):
        last = selected.get(epoch, last)
        counts.append(run.lengths.kept_count(epoch) if run.lengths.is_known(epoch) else last)
    return counts


def _draw_times_kept(axes: Any, times_kept: np.ndarray[Any, Any], selections: int) -> None:
    if selections == 0:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no selection yet", ha="center", va="center")
        return
    counts = np.bincount(np.minimum(times_kept, selections), minlength=selections + 1)
    shares = 100 * counts / counts.sum()
    always, never = shares[selections], shares[0]
    axes.bar(np.arange(selections + 1) / selections * 100, shares, width=80 / (selections + 1))
    axes.set(xlabel="kept by % of the selections", ylabel="% of the samples")
    axes.set_title(f"always {always:.0f} %, sometimes {100 - always - never:.0f} %, never {never:.0f} %", fontsize=10)
