from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepset_experiments import results
from keepset_experiments.comparison import Difference, rows_of
from keepset_experiments.page import write_page


def result(method: str, seed: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    curve = [{"epoch": 1, "steps": 10, "seconds": 1.0, "accuracy": accuracy}]
    return {
        "key": f"{method}-{seed}",
        **{"data": "cifar10", "recipe": "tiny", "method": method, "prune_rate": 0.5, "seed": seed, "samples": None},
        **{"accuracy": accuracy, "steps": 10, "seconds": 10.0, "sampler_seconds": 0.5, "cpu_seconds": 9.0},
        **{"saving": 0.0, "kept": None, "curve": curve, "epochs": 2, "batch_size": 50, "hardware": "one core"},
        **{"threads": 1, "versions": {"torch": "2"}, **changes},
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
    assert ucb.to_full == Difference(pytest.approx(-1.5), pytest.approx(0.7071, abs=1e-4), 2)
    assert ucb.to_short == Difference(pytest.approx(3.0), None, 1), "only seed 0 has a full-short"
    assert ucb.time_ratio == pytest.approx(0.55) and ucb.sampler_share == pytest.approx((0.1 + 0.5 / 6) / 2)
    assert ucb.sometimes == pytest.approx(1 / 3)
    assert rows["full"].to_full is None and rows["full"].sometimes is None
    assert rows["full-short"].to_full == Difference(pytest.approx(-5.0), None, 1)
    assert {row.to_base for row in rows.values()} == {None}


@pytest.mark.parametrize(
    ("own", "full", "ratio"),
    [
        ({}, [{}], 4 / 9),
        ({"sampler_cpu_seconds": 0.5}, [{}], 4 / 9),
        ({}, [{"sampler_cpu_seconds": 1.0}], 4 / 9),
        ({"sampler_cpu_seconds": 0.5}, [{"sampler_cpu_seconds": 1.0}], 4.5 / 10),
        ({"sampler_cpu_seconds": 0.5}, [{"cpu_seconds": 20.0}, {"sampler_cpu_seconds": 1.0}], 4.5 / 10),
    ],
)
def test_time_on_processors_has_the_samplers_where_both_arms_have_them(
    own: dict[str, float], full: list[dict[str, float]], ratio: float
) -> None:
    arms = [result("full", seed, 0.9, **changes) for seed, changes in enumerate(full)]
    rows = rows_of([*arms, result("ucb", 0, 0.9, **{"cpu_seconds": 4.0, **own})])
    assert [row.cpu_ratio for row in rows if row.method == "ucb"] == [pytest.approx(ratio)]


@pytest.mark.parametrize("machine", [{"hardware": "two cores"}, {"threads": 2}])
def test_times_are_compared_on_the_same_hardware_and_threads_whatever_the_seed(machine: dict[str, Any]) -> None:
    faster = [result("full", 2, 0.9, seconds=4.0, **machine), result("ucb", 3, 0.9, **machine)]
    rows = {row.method: row for row in rows_of([*RESULTS, *faster, result("ies", 0, 0.9, hardware="none")])}
    assert rows["ucb"].time_ratio == pytest.approx((0.5 + 0.6 + 2.5) / 3)
    assert rows["ies"].time_ratio is rows["ies"].cpu_ratio is None


def test_a_method_with_options_is_held_against_the_same_without_them_of_the_same_rate_and_seed() -> None:
    rows = {
        (row.method, row.prune_rate): row
        for row in rows_of(
            [
                *RESULTS,
                result("ucb+tail", 0, 0.89, scoring_seconds=2.0),
                result("ucb+tail", 1, 0.90),
                result("ucb", 1, 0.70, prune_rate=0.7),
                result("random+tail", 0, 0.5),
                result("ies", 0, 0.8, prune_rate=0.3),
                result("ies+notail", 0, 0.7, prune_rate=0.5),
            ]
        )
    }
    assert rows["ucb+tail", 0.5].to_base == Difference(pytest.approx(0.0, abs=1e-9), pytest.approx(2**0.5), 2)
    assert rows["ucb+tail", 0.5].scoring_share == pytest.approx(0.1)
    assert rows["random+tail", 0.5].to_base is None, "there is none without"
    # What decides itself how much it keeps has no rate.
    assert rows["ies+notail", 0.0].to_base == Difference(pytest.approx(-10.0), None, 1)


def test_the_last_selection_tells_the_share_of_sometimes_samples() -> None:
    # Of 4 selections, none of which kept a sample each time: times kept alone do not tell.
    last = {"epoch": 4, "kept": 4, "always": 0, "sometimes": 5, "never": 1, "overlap": 0.5}
    (row,) = rows_of([result("rs2", 0, 0.9, kept=[1, 2, 3], selections=[last])])
    assert row.sometimes == pytest.approx(5 / 6)


def test_the_page_has_a_table_and_plots_and_is_the_same_again(tmp_path: Path) -> None:
    for one in RESULTS:
        results.append(tmp_path / "results" / "a.jsonl", one)
    page = write_page(tmp_path / "results", tmp_path / "docs")
    text = page.read_text()
    line = (
        "| ucb | 50% | 2 | 89.50 ± 2.12 | -1.50 ± 0.71 (2) | +3.00 (1) | 10 | 0.0% | 0.55 | 1.00 | 9.2% | 0.0% | 33% |"
    )
    assert line in text and "What the options do" not in text
    images = sorted((tmp_path / "docs" / "images").iterdir())
    assert [image.name for image in images] == ["results-tiny-cifar10-kept.svg", "results-tiny-cifar10.svg"]
    assert all(f"](images/{image.name})" in text for image in images)
    before = [image.read_bytes() for image in images]
    write_page(tmp_path / "results", tmp_path / "docs")
    assert [image.read_bytes() for image in images] == before and page.read_text() == text


def test_options_have_a_table_of_their_own_and_overlaps_a_plot(tmp_path: Path) -> None:
    selections = [
        {"epoch": epoch, "kept": 3, "always": 1, "sometimes": epoch, "never": 2 - epoch, "overlap": overlap}
        for epoch, overlap in ((1, None), (2, 0.5))
    ]
    with_option = result("ucb+tail", 0, 0.89, kept=[1, 2, 3], scoring_seconds=2.0, selections=selections)
    for one in [*RESULTS, with_option]:
        results.append(tmp_path / "results" / "a.jsonl", one)
    text = write_page(tmp_path / "results", tmp_path / "docs").read_text()
    compared, ablated = text.split("### What the options do")
    assert "ucb+tail" not in compared
    assert "| ucb+tail | 50% | 1 | 89.00 | +1.00 (1) | -1.00 (1) | 10 | 0.0% | 1.00 | 20.0% |" in ablated
    overlap = tmp_path / "docs" / "images" / "results-tiny-cifar10-overlap.svg"
    assert not overlap.exists(), "the plots are of what has no options"
    results.append(tmp_path / "results" / "a.jsonl", result("ucb", 2, 0.9, kept=[1, 2, 3], selections=selections))
    assert f"](images/{overlap.name})" in write_page(tmp_path / "results", tmp_path / "docs").read_text()
    assert "ucb 50%" in overlap.read_text() and "ucb+tail" not in overlap.read_text()


def test_a_line_that_was_cut_off_is_left_out_and_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    results.append(path, {"key": "one"})
    with path.open("a") as out:
        out.write('{"key": "tw')
    assert results.read([path]) == [{"key": "one"}]
    results.append(path, {"key": "three"})
    assert results.read([path, tmp_path / "none.jsonl"]) == [{"key": "one"}, {"key": "three"}]
