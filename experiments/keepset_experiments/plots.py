"""Plots of results."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from .results import Result

# The same bytes from the same results.
mpl.rcParams["svg.hashsalt"] = "keepset"
INK = "#888"


def plot_curves(results: list[Result], path: Path) -> None:
    """Accuracy of the test over steps and over wall clock: the mean over seeds, a line for each method and rate."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    over_steps, over_time = figure.subplots(1, 2, sharey=True)
    for label, own in _by_label(results).items():
        points = min(len(result["curve"]) for result in own)
        mean = {
            name: np.mean([[point[name] for point in result["curve"][:points]] for result in own], axis=0)
            for name in ("steps", "seconds", "accuracy")
        }
        over_steps.plot(mean["steps"], 100 * mean["accuracy"], "o-", markersize=3, label=label)
        over_time.plot(mean["seconds"], 100 * mean["accuracy"], "o-", markersize=3)
    over_steps.set_ylabel("test accuracy, %")
    over_steps.set_xlabel("steps")
    over_time.set_xlabel("seconds, without tests")
    _save(figure, path)


def plot_kept(results: list[Result], path: Path) -> bool:
    """Of how many samples how many selections were made; False where no arm chose."""
    chosen = {label: own for label, own in _by_label(results).items() if own[0]["kept"]}
    if not chosen:
        return False
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    for label, own in chosen.items():
        longest = max(len(result["kept"]) for result in own)
        shares = np.mean(
            [np.pad(result["kept"], (0, longest - len(result["kept"]))) / sum(result["kept"]) for result in own], axis=0
        )
        axes.plot(range(longest), 100 * shares, "o-", markersize=3, label=label)
    axes.set_xlabel("selections that kept a sample")
    axes.set_ylabel("share of the samples, %")
    _save(figure, path)
    return True


def _by_label(results: list[Result]) -> dict[str, list[Result]]:
    labels: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        rate = "" if result["method"] == "full" else f" {result['prune_rate']:.0%}"
        labels[f"{result['method']}{rate}"].append(result)
    return dict(sorted(labels.items()))


def _save(figure: Figure, path: Path) -> None:
    figure.legend(loc="outside right upper", frameon=False, labelcolor=INK)
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
        axes.tick_params(colors=INK)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        for spine in axes.spines.values():
            spine.set_color(INK)
    figure.savefig(path, metadata={"Date": None})
