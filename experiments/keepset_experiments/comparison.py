"""What the results say: means over seeds, and differences between arms of the same seed."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .results import Result


@dataclass(frozen=True)
class Row:
    """A method at a prune rate, over its seeds. Accuracies and differences in percent."""

    method: str
    prune_rate: float
    seeds: int
    accuracy: float
    spread: float | None
    """Standard deviation of the accuracy; None with one seed."""
    to_full: tuple[float, float | None] | None
    """Mean difference to `full` of the same seed, and its standard deviation."""
    to_short: tuple[float, float | None] | None
    """The same to `full-short` of this rate."""
    steps: float
    saving: float
    time_ratio: float | None
    """Seconds, of those of `full` with the same seed, the sampler's included."""
    cpu_ratio: float | None
    """The same of the seconds that the trainer's process had on processors."""
    sampler_share: float
    """Of the seconds, those in calls of the sampler."""
    sometimes: float | None
    """Share of the samples that some selections kept and others did not."""


def rows_of(results: Iterable[Result]) -> list[Row]:
    """A row for each method and rate; the results are of one data set and one recipe."""
    by_arm: dict[tuple[str, float], dict[int, Result]] = defaultdict(dict)
    for result in results:
        rate = 0.0 if result["method"] == "full" else result["prune_rate"]
        by_arm[result["method"], rate][result["seed"]] = result
    full = by_arm.get(("full", 0.0), {})
    rows = [
        _row(method, rate, own, full, by_arm.get(("full-short", rate), {})) for (method, rate), own in by_arm.items()
    ]
    return sorted(rows, key=lambda row: (row.prune_rate, -row.accuracy))


def _row(method: str, rate: float, own: dict[int, Result], full: dict[int, Result], short: dict[int, Result]) -> Row:
    accuracies = [100 * result["accuracy"] for result in own.values()]
    times, cpu_times = (
        [result[name] / full[seed][name] for seed, result in own.items() if seed in full]
        for name in ("seconds", "cpu_seconds")
    )
    sometimes = [share for result in own.values() if (share := _sometimes(result)) is not None]
    return Row(
        method=method,
        prune_rate=rate,
        seeds=len(own),
        accuracy=statistics.mean(accuracies),
        spread=_spread(accuracies),
        to_full=None if method == "full" else _difference(own, full),
        to_short=None if method.startswith("full") else _difference(own, short),
        steps=statistics.mean(result["steps"] for result in own.values()),
        saving=statistics.mean(result["saving"] for result in own.values()),
        time_ratio=statistics.mean(times) if times else None,
        cpu_ratio=statistics.mean(cpu_times) if cpu_times else None,
        sampler_share=statistics.mean(result["sampler_seconds"] / result["seconds"] for result in own.values()),
        sometimes=statistics.mean(sometimes) if sometimes else None,
    )


def _spread(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _difference(own: dict[int, Result], other: dict[int, Result]) -> tuple[float, float | None] | None:
    differences = [100 * (own[seed]["accuracy"] - other[seed]["accuracy"]) for seed in own if seed in other]
    return (statistics.mean(differences), _spread(differences)) if differences else None


def _sometimes(result: Result) -> float | None:
    kept = result["kept"]
    if not kept:
        return None
    selections = len(kept) - 1
    always = kept[selections] if selections > 0 else 0
    return 1 - (kept[0] + always) / sum(kept)
