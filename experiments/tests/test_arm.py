from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepset_experiments.arm import Arm, read_matrix
from keepset_experiments.method import Method


def matrix(tmp_path: Path, *blocks: dict[str, Any]) -> list[Arm]:
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(blocks))
    return read_matrix(path)


BLOCK = {"data": "cifar10", "recipe": "cpu", "method": "ucb", "prune_rate": 0.5, "seed": 0}


def test_lists_are_multiplied_and_full_comes_once_whatever_the_rate(tmp_path: Path) -> None:
    arms = matrix(
        tmp_path,
        {"data": "cifar10", "recipe": "cpu", "methods": ["full", "ucb"], "prune_rates": [0.3, 0.5], "seeds": [1, 0]},
        BLOCK,
    )
    assert [arm.key for arm in arms] == [
        "cifar10-cpu-full-s0",
        "cifar10-cpu-ucb-30-s0",
        "cifar10-cpu-ucb-50-s0",
        "cifar10-cpu-full-s1",
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
        ({"method": "full+tail"}, "'tail' cannot be added"),
        ({"method": "ucb+luck"}, "'luck' cannot be added"),
        ({"method": "reference-ucb+tail"}, "'tail' cannot be added"),
        ({"method": "reference-order_dp"}, "'reference-order_dp' is none of full, "),
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


def test_a_tail_is_an_eighth_of_the_epochs_and_one_at_least() -> None:
    assert [Method("ucb+tail").tail_epochs(epochs) for epochs in (16, 200, 2)] == [2, 25, 1]
    assert Method("ucb").tail_epochs(200) == 0
