"""What the results say: means over seeds, and differences between arms of the same seed."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .method import base_of, takes_rate
from .results import Result, machine_of

SAMPLER_CPU = "sampler_cpu_seconds"
"""Not in the first results, nor in those of a reference."""

BySeed = dict[int, Result]
Arms = dict[tuple[str, float], BySeed]
"""By method and prune rate; 0 where the method takes none."""


@dataclass(frozen=True)
class Difference:
    """Between the accuracies of arms of the same seed, in percent."""

    mean: float
    spread: float | None
    """Standard deviation of the differences; None with one pair."""
    pairs: int


@dataclass(frozen=True)
class Row:
    """A method at a prune rate, over its seeds. Accuracies and differences in percent."""

    method: str
    prune_rate: float
    seeds: int
    accuracy: float
    spread: float | None
    """Standard deviation of the accuracy; None with one seed."""
    to_full: Difference | None
    to_short: Difference | None
    """To `full-short` of this rate."""
    to_base: Difference | None
    """To the same method without its options; None where it has none."""
    steps: float
    saving: float
    time_ratio: float | None
    """Seconds, of those of `full` on the same hardware with as many threads, with any seed; the sampler's included."""
    cpu_ratio: float | None
    """The same of the seconds on processors, of the trainer's process and, where both have them, of the sampler's."""
    sampler_share: float
    """Of the seconds, those in calls of the sampler."""
    scoring_share: float
    """Of the seconds, those of forward passes over what was left out."""
    sometimes: float | None
    """Share of the samples that some selections kept and others did not."""


def rows_of(results: Iterable[Result]) -> list[Row]:
    """A row for each method and rate; the results are of one data set and one recipe."""
    arms: Arms = defaultdict(dict)
    for result in results:
        rate = result["prune_rate"] if takes_rate(result["method"]) else 0.0
        arms[result["method"], rate][result["seed"]] = result
    rows = [_row(method, rate, arms) for method, rate in [*arms]]
    return sorted(rows, key=lambda row: (row.prune_rate, -row.accuracy))


def _row(method: str, rate: float, arms: Arms) -> Row:
    own = arms[method, rate]
    full: BySeed = arms.get(("full", 0.0), {})
    short: BySeed = arms.get(("full-short", rate), {})
    base: BySeed = arms.get((base_of(method), rate), {})
    accuracies = [100 * result["accuracy"] for result in own.values()]
    sometimes = [share for result in own.values() if (share := _sometimes(result)) is not None]
    return Row(
        method=method,
        prune_rate=rate,
        seeds=len(own),
        accuracy=statistics.mean(accuracies),
        spread=_spread(accuracies),
        to_full=None if method == "full" else _difference(own, full),
        to_short=None if method.startswith("full") else _difference(own, short),
        to_base=None if method == base_of(method) else _difference(own, base),
        steps=statistics.mean(result["steps"] for result in own.values()),
        saving=statistics.mean(result["saving"] for result in own.values()),
        time_ratio=_ratio(_time_ratio, own, full),
        cpu_ratio=_ratio(_cpu_ratio, own, full),
        sampler_share=_share("sampler_seconds", own),
        scoring_share=_share("scoring_seconds", own),
        sometimes=statistics.mean(sometimes) if sometimes else None,
    )


def _spread(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _difference(own: BySeed, other: BySeed) -> Difference | None:
    differences = [100 * (own[seed]["accuracy"] - other[seed]["accuracy"]) for seed in own if seed in other]
    if not differences:
        return None
    return Difference(statistics.mean(differences), _spread(differences), len(differences))


def _ratio(ratio: Callable[[Result, list[Result]], float], own: BySeed, full: BySeed) -> float | None:
    """Mean ratio to those of `full`: how long that takes does not depend on its seed, but on the machine."""
    ratios = []
    for result in own.values():
        alike = [other for other in full.values() if machine_of(other) == machine_of(result)]
        if alike:
            ratios.append(ratio(result, alike))
    return statistics.mean(ratios) if ratios else None


def _time_ratio(result: Result, alike: list[Result]) -> float:
    return result["seconds"] / statistics.mean(other["seconds"] for other in alike)


def _cpu_ratio(result: Result, alike: list[Result]) -> float:
    """With the sampler's seconds where both sides have them, else of the trainers alone."""
    measured = [other for other in alike if SAMPLER_CPU in other]
    if SAMPLER_CPU not in result or not measured:
        return result["cpu_seconds"] / statistics.mean(other["cpu_seconds"] for other in alike)
    whole = statistics.mean(other["cpu_seconds"] + other[SAMPLER_CPU] for other in measured)
    return (result["cpu_seconds"] + result[SAMPLER_CPU]) / whole


def _share(name: str, own: BySeed) -> float:
    return statistics.mean(result.get(name, 0.0) / result["seconds"] for result in own.values())


def _sometimes(result: Result) -> float | None:
    if not result["kept"]:
        return None
    if result.get("selections"):
        last = result["selections"][-1]
        return last["sometimes"] / (last["always"] + last["sometimes"] + last["never"])
    kept = result["kept"]
    selections = len(kept) - 1
    always = kept[selections] if selections > 0 else 0
    return 1 - (kept[0] + always) / sum(kept)
