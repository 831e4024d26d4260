"""Draws a plot of docs/benchmarks.md: `plots.py selection|reports RESULT.json PLOT.svg`.

The same result gives the same bytes.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

# Told apart also by those who do not see all colours, and by their marks (Okabe, Ito 2008).
STYLES = {
    "planner": ("Planner.make", "#0072b2", "o-"),
    "kernels": ("kernels alone", "#56b4e9", "s-"),
    "twin": ("plain TypeScript", "#009e73", "^-"),
    "numpy": ("NumPy", "#e69f00", "D--"),
    "infobatch": ("InfoBatch in lists", "#d55e00", "v--"),
    "memory": ("memory store", "#0072b2", "o-"),
    "file": ("file store", "#009e73", "s-"),
    "bare": ("bare gRPC", "#e69f00", "D--"),
    "echo": ("bare gRPC, echo", "#cc79a7", "x--"),
    "tcp": ("bare TCP", "#d55e00", "v--"),
}
# Readable on light and on dark ground.
INK = "#888"


def line(axes: Axes, way: str, points: dict[int, list[float]]) -> None:
    """Medians, with a bar from the least to the most."""
    label, colour, form = STYLES[way]
    middle = [statistics.median(values) for values in points.values()]
    below = [m - min(values) for m, values in zip(middle, points.values(), strict=True)]
    above = [max(values) - m for m, values in zip(middle, points.values(), strict=True)]
    axes.errorbar(list(points), middle, (below, above), fmt=form, color=colour, label=label, capsize=2, markersize=4)


def draw_selection(axes: Axes, measured: list[Any]) -> None:
    ways = dict.fromkeys(way for row in measured for way in row["ways"])
    for way in ways:
        sizes = {row["sampleCount"]: row["ways"][way] for row in measured if way in row["ways"]}
        line(axes, way, {size: [1e6 * ms / size for ms in rounds] for size, rounds in sizes.items()})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("samples")
    axes.set_ylabel("ns per sample")


def draw_reports(axes: Axes, measured: list[Any]) -> None:
    rows = [row for row in measured if row["inFlight"] == 64 and row["batchSize"] == 256]
    for way in rows[0]["ways"]:
        line(axes, way, {row["ranks"]: [1e6 / each["perSecond"] for each in row["ways"][way]] for row in rows})
    ranks = [row["ranks"] for row in rows]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ranks, [str(rank) for rank in ranks])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("ranks, batch 256")
    axes.set_ylabel("µs per report")


def main(name: str, result: str, plot: str) -> None:
    with open(result, encoding="utf-8") as file:
        measured = json.load(file)["measured"]
    ink = dict.fromkeys(["axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"], INK)
    plt.rcParams.update({**ink, "svg.hashsalt": "keepset", "svg.fonttype": "none", "font.size": 10})
    figure, axes = plt.subplots(figsize=(7.2, 4), layout="constrained")
    draws: dict[str, Callable[[Axes, list[Any]], None]] = {"selection": draw_selection, "reports": draw_reports}
    draws[name](axes, measured)
    axes.grid(color=INK, alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(plot, transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
