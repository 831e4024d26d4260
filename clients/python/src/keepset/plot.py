"""A picture of what a run leaves out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from keepset.client import Selection
from keepset.epoch_lengths import EpochLengths
from keepset.rank_run import RankRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_run(run: RankRun, path: str | os.PathLike[str] | None = None) -> Figure:
    """Left: the share of the data set that each epoch so far kept, and the saving. Right: the share of the samples
    kept by each share of the selections, with those that were kept always, sometimes and never. Epochs of which the
    sampler has forgotten what they kept are left out.

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
    selections = run.client.selections(run.run_id)
    kept = kept_counts(run.lengths, info.next_epoch, selections, are_all=len(selections) == info.progress.selections)
    _draw_epochs(over_epochs, kept, run.lengths.sample_count, info.progress.saving)
    _draw_times_kept(over_samples, statistics.times_kept, info.progress.selections)
    figure.suptitle(f"{run.run_id}: {100 * info.progress.saving:.1f} % left out in {info.next_epoch} epochs")
    if path is not None:
        figure.savefig(path)
    return figure


def kept_counts(
    lengths: EpochLengths, epochs: int, selections: Sequence[Selection], *, are_all: bool
) -> npt.NDArray[np.float64]:
    """Samples that each epoch so far kept, (epochs,), also where only its selection tells.

    selections: the last ones, in their order. are_all: whether none came before them. NaN where it is not known any
    more, which is so in epochs before them all.
    """
    selected = {selection.epoch: selection.kept_count for selection in selections}
    last: float = lengths.sample_count if are_all else np.nan
    counts = np.empty(epochs)
    for epoch in range(epochs):
        last = selected.get(epoch, last)
        counts[epoch] = lengths.kept_count(epoch) if lengths.is_known(epoch) else last
    return counts


def savings(kept: npt.NDArray[np.float64], sample_count: int, saving: float) -> npt.NDArray[np.float64]:
    """Share of the data set left out up to each epoch and in it, (epochs,), from that at the end, `saving`. NaN before
    what each epoch kept is known.
    """
    epochs = 1 + np.arange(len(kept))
    after = kept[::-1].cumsum()[::-1] - kept
    return 1 - ((1 - saving) * len(kept) - after / sample_count) / epochs


def _draw_epochs(axes: Any, kept: npt.NDArray[np.float64], sample_count: int, saving: float) -> None:
    numbers = range(len(kept))
    axes.step(numbers, 100 * kept / sample_count, where="mid", label="kept")
    axes.plot(numbers, 100 * savings(kept, sample_count, saving), label="saving so far")
    axes.set(xlabel="epoch", ylabel="% of the data set", ylim=(0, 105))
    axes.legend()


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
