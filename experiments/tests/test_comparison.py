from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepset_experiments import results
from keepset_experiments.comparison import rows_of
from keepset_experiments.page import write_page


def result(method: str, seed: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    curve = [{"epoch": 1, "steps": 10, "seconds": 1.0, "accuracy": accuracy}]
    return {
        "key": f"{method}-{seed}",
        **{"data": "cifar10", "recipe": "tiny", "method": method, "prune_rate": 0.5, "seed": seed, "samples": None},
        **{"accuracy": accuracy, "steps": 10, "seconds": 10.0, "sampler_seconds": 0.5, "cpu_seconds": 9.0},
        **{"saving": 0.0, "kept": None, "curve": curve, "epochs": 2, "batch_size": 50, "hardware": "one core"},
        **{"versions": {"torch": "2"}, **changes},
    }


RESULTS = [
    result("full", 0, 0.90),
    result("full", 1, 0.92),
    result("full-short", 0, 0.85, seconds=5.0),
    result("ucb", 0, 0.88, seconds=5.0, kept=[1, 2, 3]),
    result("ucb", 1, 0.91, seconds=6.0, kept=[2, 2, 2]),
]


def test_differences_are_between_arms_of_the_same_seed() -> None:
    rows = {row.method: row for row in rows_of(RESULTS)}
    ucb = rows["ucb"]
    assert ucb.seeds == 2 and ucb.accuracy == pytest.approx(89.5) and ucb.spread == pytest.approx(2.1213, abs=1e-4)
    assert ucb.to_full == (pytest.approx(-1.5), pytest.approx(0.7071, abs=1e-4))
    assert ucb.to_short == (pytest.approx(3.0), None), "only seed 0 has a full-short"
    assert ucb.time_ratio == pytest.approx(0.55) and ucb.sampler_share == pytest.approx((0.1 + 0.5 / 6) / 2)
    assert ucb.sometimes == pytest.approx(1 / 3)
    assert rows["full"].to_full is None and rows["full"].sometimes is None
    assert rows["full-short"].to_full == (pytest.approx(-5.0), None)


def test_the_page_has_a_table_and_plots_and_is_the_same_again(tmp_path: Path) -> None:
    for one in RESULTS:
        results.append(tmp_path / "results" / "a.jsonl", one)
    page = write_page(tmp_path / "results", tmp_path / "docs")
    text = page.read_text()
    assert "| ucb | 50% | 2 | 89.50 ± 2.12 | -1.50 ± 0.71 | +3.00 | 10 | 0.0% | 0.55 | 1.00 | 9.2% | 33% |" in text
    images = sorted((tmp_path / "docs" / "images").iterdir())
    assert [image.name for image in images] == ["results-tiny-cifar10-kept.svg", "results-tiny-cifar10.svg"]
    before = [image.read_bytes() for image in images]
    write_page(tmp_path / "results", tmp_path / "docs")
    assert [image.read_bytes() for image in images] == before and page.read_text() == text


def test_a_line_that_was_cut_off_is_left_out_and_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    results.append(path, {"key": "one"})
    with path.open("a") as out:
        out.write('{"key": "tw')
    assert results.read([path]) == [{"key": "one"}]
    results.append(path, {"key": "three"})
    assert results.read([path, tmp_path / "none.jsonl"]) == [{"key": "one"}, {"key": "three"}]
