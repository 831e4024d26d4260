"""Plots of results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.figure import Figure

from .method import takes_rate
from .results import Result, machine_of

# The same bytes from the same results.
mpl.rcParams["svg.hashsalt"] = "keepset"
# Lines of many methods.
mpl.rcParams["axes.prop_cycle"] = cycler(linestyle=["-", "--", ":"]) * mpl.rcParams["axes.prop_cycle"]
INK = "#888"

Values = npt.NDArray[np.float64]


def plot_curves(results: list[Result], path: Path) -> bool:
    """Accuracy of the test over steps and over wall clock: the mean over seeds, a line for each method and rate. Over
    wall clock it is that of the arms on the machine that has most of them. False, as of the others, where there is
    nothing to be drawn.
    """
    if not results:
        return False
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    over_steps, over_time = figure.subplots(1, 2, sharey=True)
    machine = most_common_machine(results)
    for label, own in _by_label(results).items():
        (line,) = over_steps.plot(*mean_curve(own, "steps"), marker="o", markersize=3, label=label)
        alike = [result for result in own if machine_of(result) == machine]
        if alike:
            style = {"color": line.get_color(), "linestyle": line.get_linestyle()}
            over_time.plot(*mean_curve(alike, "seconds"), marker="o", markersize=3, **style)
    over_steps.set_ylabel("test accuracy, %")
    over_steps.set_xlabel("steps")
    over_time.set_xlabel("seconds, without tests, on one machine")
    _save(figure, path)
    return True


def mean_curve(results: list[Result], over: str) -> tuple[Values, Values]:
    """Means over seeds, as far as all of them go: of what it is drawn over, "steps" or "seconds", and of the accuracy
    of the test, in percent.
    """
    points = min(len(result["curve"]) for result in results)
    means = (
        np.mean([[point[name] for point in result["curve"][:points]] for result in results], axis=0)
        for name in (over, "accuracy")
    )
    places, accuracies = means
    return places, 100 * accuracies


def most_common_machine(results: list[Result]) -> tuple[str, int]:
    """Where most of the arms were trained; of equals the first one."""
    return Counter(map(machine_of, results)).most_common(1)[0][0]


def plot_kept(results: list[Result], path: Path) -> bool:
    """How many samples were kept by how many selections."""
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
        axes.plot(range(longest), 100 * shares, marker="o", markersize=3, label=label)
    axes.set_xlabel("selections that kept a sample")
    axes.set_ylabel("share of the samples, %")
    _save(figure, path)
    return True


def plot_overlap(results: list[Result], path: Path) -> bool:
    """How much of two successive kept sets is the same, over the epochs: samples in both / samples in one or both."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    for label, own in _by_label(results).items():
        overlaps: dict[int, list[float]] = defaultdict(list)
        for selection in (one for result in own if result["kept"] for one in result.get("selections", [])):
            if selection["overlap"] is not None:
                overlaps[selection["epoch"]].append(selection["overlap"])
        if overlaps:
            epochs = sorted(overlaps)
            axes.plot(epochs, [np.mean(overlaps[epoch]) for epoch in epochs], marker="o", markersize=3, label=label)
    if not axes.lines:
        return False
    axes.set_xlabel("epoch")
    axes.set_ylabel("overlap with the kept set before")
    axes.set_ylim(0, 1.05)
    _save(figure, path)
    return True


PLOTS: dict[str, tuple[str, Callable[[list[Result], Path], bool]]] = {
    "": ("Accuracy over steps and over time", plot_curves),
    "-kept": ("How often samples were kept", plot_kept),
    "-overlap": ("How much successive kept sets have in common", plot_overlap),
}
"""By the end of their file's name: what they show, and what draws them."""


def _by_label(results: list[Result]) -> dict[str, list[Result]]:
    labels: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        rate = f" {result['prune_rate']:.0%}" if takes_rate(result["method"]) else ""
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
