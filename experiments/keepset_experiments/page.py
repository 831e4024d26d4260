"""Writes docs/results.md and its plots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from . import results as result_files
from .comparison import Difference, Row, rows_of
from .plots import PLOTS
from .results import Result

ABOUT = """# Results

Full against pruned training, every sample through a sampler process of its own. Written by
`python -m keepset_experiments tables` from the files in [experiments/results](../experiments/results);
[experiments](../experiments/README.md) tells how to repeat them, and what the methods are.

- Accuracy is that of the last test, in percent: mean and standard deviation over the seeds.
- Differences are paired, between arms of the same seed, which have the same initialisation: their mean and their
  standard deviation, and in brackets the number of pairs.
- "full-short" trains on everything for as many steps as the pruned arms of that rate take that have no tail: what
  pruning has to beat. A method without a prune rate decides itself how much it leaves out.
- Saving is the share of the data set that was left out over all epochs, those included that are trained in full.
- Time is compared with that of `full` on the same hardware with as many threads, without the tests, with the sampler:
  by the clock, which says little of arms that shared a machine with other work, and in seconds on processors, of the
  trainer and, where both have them, of the sampler. "In scoring" is the share of the time that was spent on forward
  passes over what was left out.
- With weights the mean of weight x loss over a batch is N/k times the mean loss in expectation, so that a method with
  weights also learns at a rate that is larger by that. "+meanweight" divides the loss by the plan's mean weight: what
  is left between it and "+noweights" is what the weights do.
- "Sometimes" is the share of the samples that some selections kept and others did not.

An arm "reference-…" has no sampler process: an independent version of that policy chooses in the trainer's own."""

Columns = Mapping[str, Callable[[Row], str]]
LEFT = ("method",)

COMPARED: Columns = {
    "method": lambda row: row.method,
    "prune rate": lambda row: f"{row.prune_rate:.0%}" if row.prune_rate else "",
    "seeds": lambda row: str(row.seeds),
    "accuracy": lambda row: _with_spread(f"{row.accuracy:.2f}", row.spread),
    "to full": lambda row: _difference(row.to_full),
    "to full-short": lambda row: _difference(row.to_short),
    "steps": lambda row: f"{row.steps:,.0f}",
    "saving": lambda row: f"{row.saving:.1%}",
    "time / full": lambda row: _ratio(row.time_ratio),
    "CPU time / full": lambda row: _ratio(row.cpu_ratio),
    "in the sampler": lambda row: f"{row.sampler_share:.1%}",
    "in scoring": lambda row: f"{row.scoring_share:.1%}",
    "sometimes": lambda row: f"{row.sometimes:.0%}" if row.sometimes is not None else "",
}

ABLATED: Columns = {
    **{name: COMPARED[name] for name in ("method", "prune rate", "seeds", "accuracy")},
    "to it without": lambda row: _difference(row.to_base),
    **{name: COMPARED[name] for name in ("to full", "steps", "saving", "CPU time / full", "in scoring")},
}


def write_page(results: Path, docs: Path) -> Path:
    """Writes the page from all results in a folder. Returns where it is."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in result_files.read(sorted(results.glob("*.jsonl"))):
        if result["samples"] is None:
            groups[result["recipe"], result["data"]].append(result)
    (docs / "images").mkdir(parents=True, exist_ok=True)
    parts = [ABOUT]
    for (recipe, data), group in groups.items():
        rows = rows_of(group)
        options = [row for row in rows if _has_options(row.method)]
        plain = [result for result in group if not _has_options(result["method"])]
        parts += [f"## {data}, recipe {recipe}", _about(group)]
        parts.append(_table(COMPARED, [row for row in rows if row not in options]))
        if options:
            parts += [
                "### What the options do",
                "Methods with other settings than their own, beside the same method without them.",
                _table(ABLATED, options),
            ]
        for ending, (title, plot) in PLOTS.items():
            image = f"images/results-{recipe}-{data}{ending}.svg"
            if plot(plain, docs / image):
                parts.append(f"![{title}]({image})")
    path = docs / "results.md"
    path.write_text("\n\n".join(parts) + "\n")
    return path


def _has_options(method: str) -> bool:
    return "+" in method


def _about(group: list[Result]) -> str:
    first = group[0]
    hardware = ", ".join(sorted({result["hardware"] for result in group}))
    versions = "; ".join(sorted({f"torch {result['versions']['torch']}" for result in group}))
    return f"{first['epochs']} epochs, batch {first['batch_size']}. On {hardware}, {versions}."


def _table(columns: Columns, rows: list[Row]) -> str:
    rule = ["---" if name in LEFT else "---:" for name in columns]
    lines = [[*columns], rule, *([cell(row) for cell in columns.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return ""
    return f"{_with_spread(f'{difference.mean:+.2f}', difference.spread)} ({difference.pairs})"


def _ratio(ratio: float | None) -> str:
    return f"{ratio:.2f}" if ratio else ""


def _with_spread(value: str, spread: float | None) -> str:
    return value + (f" ± {spread:.2f}" if spread is not None else "")
