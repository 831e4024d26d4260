from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepset_experiments.plots import mean_curve, most_common_machine, plot_curves


def result(method: str, seconds: float, hardware: str, threads: int = 1) -> dict[str, Any]:
    curve = [
        {"epoch": epoch, "steps": 10 * epoch, "seconds": seconds * epoch, "accuracy": 0.25 * epoch} for epoch in (1, 2)
    ]
    return {"method": method, "prune_rate": 0.5, "hardware": hardware, "threads": threads, "curve": curve}


FULL, UCB = result("full", 4, "fast"), result("ucb", 2, "fast")


def test_a_curve_is_the_mean_as_far_as_all_go() -> None:
    short = {**UCB, "curve": [{"epoch": 1, "steps": 30, "seconds": 6, "accuracy": 0.75}]}
    steps, accuracies = mean_curve([FULL, short], "steps")
    assert steps.tolist() == [20] and accuracies.tolist() == [50]
    seconds, _ = mean_curve([FULL, UCB], "seconds")
    assert seconds.tolist() == [3, 6]


@pytest.mark.parametrize("other", [result("ucb", 100, "slow"), result("ucb", 100, "fast", threads=2)])
def test_time_is_drawn_of_one_machine_alone(other: dict[str, Any], tmp_path: Path) -> None:
    assert most_common_machine([other, FULL, UCB]) == ("fast", 1)
    assert most_common_machine([other, FULL, UCB, other, other])[1] == other["threads"]
    only, both = tmp_path / "only.svg", tmp_path / "both.svg"
    assert plot_curves([FULL, UCB], only) and plot_curves([FULL, other, UCB], both)
    # Over steps the curves are the same, and what is of another machine has none over time.
    assert only.read_bytes() == both.read_bytes()


def test_what_was_trained_on_another_machine_alone_is_drawn_over_steps_alone(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    assert plot_curves([FULL, UCB, result("ies", 100, "slow")], path)
    assert path.read_text().count('id="line2d_') == count_of_lines(tmp_path) + 2, "over steps, and in the legend"


def count_of_lines(folder: Path) -> int:
    path = folder / "two.svg"
    plot_curves([FULL, UCB], path)
    return path.read_text().count('id="line2d_')
