from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepset_experiments.arm import Arm, read_matrix


def matrix(tmp_path: Path, *blocks: dict[str, Any]) -> list[Arm]:
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(blocks))
    return read_matrix(path)


BLOCK = {"data": "cifar10", "recipe": "cpu", "method": "ucb", "prune_rate": 0.5, "seed": 0}


def test_lists_are_multiplied_and_what_takes_no_rate_comes_once(tmp_path: Path) -> None:
    methods = ["full", "ies+notail", "ucb"]
    arms = matrix(
        tmp_path,
        {"data": "cifar10", "recipe": "cpu", "methods": methods, "prune_rates": [0.3, 0.5], "seeds": [1, 0]},
        BLOCK,
    )
    assert [arm.key for arm in arms] == [
        "cifar10-cpu-full-s0",
        "cifar10-cpu-ies-notail-s0",
        "cifar10-cpu-ucb-30-s0",
        "cifar10-cpu-ucb-50-s0",
        "cifar10-cpu-full-s1",
        "cifar10-cpu-ies-notail-s1",
        "cifar10-cpu-ucb-30-s1",
        "cifar10-cpu-ucb-50-s1",
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": "mnist"}, "data is 'mnist'; it must be one of cifar10, cifar100"),
        ({"recipe": "none"}, "recipe is 'none'"),
        ({"prune_rate": 1}, "prune_rate is 1; it must be above 0 and below 1"),
        ({"method": "best"}, "'best' is none of full, full-short, static_random"),
        ({"colour": "red"}, "the field 'colour'; it can have data, recipe, method"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        matrix(tmp_path, {**BLOCK, **changes})


def test_the_matrices_of_the_repository_can_be_read() -> None:
    paths = sorted((Path(__file__).parents[1] / "matrices").glob("*.json"))
    assert paths
    for path in paths:
        arms = read_matrix(path)
        assert len({arm.key for arm in arms}) == len(arms) > 1
