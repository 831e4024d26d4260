"""Writes docs/results.md and its plots."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from . import results as result_files
from .comparison import Row, rows_of
from .plots import plot_curves, plot_kept
from .results import Result

ABOUT = """# Results

Full against pruned training, every sample through a sampler process of its own. Written by
`python -m keepset_experiments tables` from the files in [experiments/results](../experiments/results);
[experiments](../experiments/README.md) tells how to repeat them.

Accuracy is that of the last test, in percent: mean and standard deviation over the seeds. Differences are paired:
between arms of the same seed, which have the same initialisation. "full-short" trains on everything for as many steps
as the pruned arms of that rate take: what pruning has to beat. Time is wall clock without the tests, the sampler's
included; arms that shared a machine with other work say little by it, so the time on processors stands beside it.
An arm "reference-…" has no sampler process: an independent version of that policy chooses in the trainer's own."""

COLUMNS = {
    "method": "---",
    "prune rate": "---:",
    "seeds": "---:",
    "accuracy": "---:",
    "to full": "---:",
    "to full-short": "---:",
    "steps": "---:",
    "saving": "---:",
    "time / full": "---:",
    "CPU time / full": "---:",
    "in the sampler": "---:",
    "sometimes": "---:",
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
        name = f"results-{recipe}-{data}"
        plot_curves(group, docs / "images" / f"{name}.svg")
        parts += [
            f"## {data}, recipe {recipe}",
            _about(group),
            _table(rows_of(group)),
            f"![Accuracy over steps and over time](images/{name}.svg)",
        ]
        if plot_kept(group, docs / "images" / f"{name}-kept.svg"):
            parts.append(f"![How often samples were kept](images/{name}-kept.svg)")
    path = docs / "results.md"
    path.write_text("\n\n".join(parts) + "\n")
    return path


def _about(group: list[Result]) -> str:
    first = group[0]
    hardware = ", ".join(sorted({result["hardware"] for result in group}))
    versions = "; ".join(sorted({f"torch {result['versions']['torch']}" for result in group}))
    return f"{first['epochs']} epochs, batch {first['batch_size']}. On {hardware}, {versions}."


def _table(rows: list[Row]) -> str:
    head, rule = (f"| {' | '.join(cells)} |" for cells in (COLUMNS, COLUMNS.values()))
    return "\n".join([head, rule, *(_line(row) for row in rows)])


def _line(row: Row) -> str:
    cells = [
        row.method,
        f"{row.prune_rate:.0%}" if row.prune_rate else "",
        str(row.seeds),
        _with_spread(row.accuracy, row.spread, "{:.2f}"),
        _with_spread(*row.to_full, "{:+.2f}") if row.to_full else "",
        _with_spread(*row.to_short, "{:+.2f}") if row.to_short else "",
        f"{row.steps:,.0f}",
        f"{row.saving:.1%}",
        f"{row.time_ratio:.2f}" if row.time_ratio else "",
        f"{row.cpu_ratio:.2f}" if row.cpu_ratio else "",
        f"{row.sampler_share:.1%}",
        f"{row.sometimes:.0%}" if row.sometimes is not None else "",
    ]
    return f"| {' | '.join(cells)} |"


def _with_spread(value: float, spread: float | None, form: str) -> str:
    return form.format(value) + (f" ± {spread:.2f}" if spread is not None else "")
