"""A matrix from its command, with a real sampler process for each arm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keepset_experiments import results
from synthetic import write_cifar

MATRIX = [
    {
        "data": "cifar10",
        "recipe": "tiny",
        "methods": ["full", "full-short", "ucb", "ucb+tail"],
        "prune_rate": 0.5,
        "seed": 3,
    }
]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    write_cifar(tmp_path / "data")
    (tmp_path / "matrix.json").write_text(json.dumps(MATRIX))
    return [
        *(sys.executable, "-m", "keepset_experiments", "run", str(tmp_path / "matrix.json")),
        *("--data", str(tmp_path / "data"), "--out", str(tmp_path / "out.jsonl"), "--threads", "1"),
    ]


def start(command: list[str]) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def by_method(path: Path) -> dict[str, dict[str, Any]]:
    return {result["method"]: result for result in results.read([path])}


def test_a_matrix_that_was_killed_goes_on_with_what_is_left(command: list[str], tmp_path: Path) -> None:
    first = start([*command, "--workers", "1"])
    assert first.stderr is not None
    for line in first.stderr:
        if "full-short" in line:
            break
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = by_method(tmp_path / "out.jsonl")
    assert "full" in done and "ucb" not in done

    second = start([*command, "--workers", "2"])
    _, log = second.communicate()
    assert second.returncode == 0, log
    assert "4 arms, 1 with a result" in log or "4 arms, 2 with a result" in log
    assert "all arms 100%, 0 min left" in log
    found = by_method(tmp_path / "out.jsonl")
    assert found["full"] == done["full"], "not trained again"
    assert {method: one["steps"] for method, one in found.items()} == {
        **{"full": 8, "full-short": 6, "ucb": 6, "ucb+tail": 8},
    }
    assert found["ucb"]["saving"] == 0.25 and sum(found["ucb"]["kept"]) == 200
    assert found["full"]["kept"] is None and found["ucb"]["versions"]["torch"]
    # With a tail of its only later epoch it trains as full does, step by step.
    curves = [[(p["steps"], p["accuracy"]) for p in found[method]["curve"]] for method in ("full", "ucb+tail")]
    assert curves[0] == curves[1]


def test_an_arm_that_fails_ends_the_run_with_its_name(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "data" / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    process = start(command)
    _, log = process.communicate()
    assert process.returncode == 1
    assert "test_batch.bin is not there" in log
    assert "error: cifar10-tiny-full-s3 ended with exit code 1" in log
