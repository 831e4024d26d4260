"""The repository's conformance vectors, played through the client against the real sampler: the same plans and
statistics, bit for bit."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from keepset.client import Client, Plan, connect
from keepset.policies import (
    IES,
    RS2,
    UCB,
    Backlog,
    CustomScore,
    EpsilonGreedy,
    Full,
    Importance,
    InfoBatch,
    Kakurenbo,
    OrderDP,
    Policy,
    Random,
    RePB,
    SelectiveBackprop,
    SeTa,
    StaticRandom,
    StaticScore,
)
from support.sampler_process import REPOSITORY, SamplerProcess

VECTORS = sorted((REPOSITORY / "test/conformance/vectors").glob("*.json"))
POLICIES = {
    "full": Full,
    "staticRandom": StaticRandom,
    "random": Random,
    "epsilonGreedy": EpsilonGreedy,
    "ucb": UCB,
    "orderDp": OrderDP,
    "infoBatch": InfoBatch,
    "rs2": RS2,
    "importance": Importance,
    "selectiveBackprop": SelectiveBackprop,
    "customScore": CustomScore,
    "seta": SeTa,
    "repb": RePB,
    "kakurenbo": Kakurenbo,
    "ies": IES,
    "staticScore": StaticScore,
    "backlog": Backlog,
}
# Enums of the wire are their names in lower case, without these prefixes.
PREFIXES = {
    "initial": "INITIAL_STATISTICS_",
    "metric": "STATIC_METRIC_",
    "shardMode": "SHARD_MODE_",
    "weights": "WEIGHTS_MODE_",
    "scoreSource": "SCORE_SOURCE_",
}


@pytest.fixture(scope="module")
def client(sampler: SamplerProcess) -> Iterator[Client]:
    with connect(sampler.address) as client:
        yield client


def value_of(name: str, value: Any) -> Any:
    return value.removeprefix(PREFIXES[name]).lower() if name in PREFIXES else value


def snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def policy_of(spec: dict[str, Any]) -> Policy:
    name = next(name for name in POLICIES if name in spec)
    return POLICIES[name](**{snake_case(key): value_of(key, value) for key, value in spec[name].items()})


def settings_of(spec: dict[str, Any]) -> dict[str, Any]:
    """What `create_run` takes, from a RunSpec as proto3 JSON."""
    changes = spec.get("pruneRateSchedule", [])
    settings: dict[str, Any] = {
        "epochs" if key == "totalEpochs" else snake_case(key): value_of(key, value)
        for key, value in spec.items()
        if key not in POLICIES
    }
    schedule = [(change.get("fromEpoch", 0), change["pruneRate"]) for change in changes]
    return {**settings, "policy": policy_of(spec), "seed": int(spec.get("seed", "0")), "prune_rate_schedule": schedule}


def check_indices(indices: npt.NDArray[np.uint32], expected: list[int] | None, digest: str | None) -> None:
    if expected is not None:
        assert indices.tolist() == expected
    else:
        assert hashlib.sha256(indices.astype("<u4").tobytes()).hexdigest() == digest


def check_plan(plan: Plan, expected: dict[str, Any]) -> None:
    assert plan.reason.upper() == expected["reason"]
    assert (plan.selection_epoch, plan.kept_count) == (expected["selectionEpoch"], expected["keptCount"])
    assert plan.saving == expected["saving"] and plan.digest.hex() == expected["digest"]
    assert plan.learning_rate_factor == expected.get("learningRateFactor", 1)
    rank = expected["ranks"][plan.rank]
    assert (rank["rank"], rank["positionCount"]) == (plan.rank, plan.position_count)
    check_indices(plan.indices, rank.get("positions"), rank.get("positionsDigest"))
    weights = np.ones(len(plan.indices)) if plan.weights is None else plan.weights
    if "weights" in expected:
        weight_of = dict(zip(expected["keptSet"], expected["weights"], strict=True))
        assert weights.tolist() == [weight_of[index] for index in plan.indices.tolist()]
    else:
        assert np.all(weights == 1)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(client: Client, path: Path) -> None:
    vector = json.loads(path.read_text())
    run = client.create_run(**settings_of(vector["spec"]))
    for epoch in vector["epochs"]:
        world_size = epoch["worldSize"]

        def plan_of(rank: int, number: int = epoch["epoch"], world_size: int = world_size) -> Plan:
            return run.plan_epoch(number, rank=rank, world_size=world_size, timeout=60)

        with ThreadPoolExecutor(world_size) as ranks:
            plans = list(ranks.map(plan_of, range(world_size)))
        for plan in plans:
            check_plan(plan, epoch["expected"])
        scoring = [
            run.plan_scoring(epoch["epoch"], rank=rank, world_size=world_size, timeout=60) for rank in range(world_size)
        ]
        assert [plan.indices.tolist() for plan in scoring] == epoch["expected"].get("scoring", [[]] * world_size)
        for report in epoch["reports"]:
            losses, *columns = (
                np.array([float(value) for value in values], np.float32)
                for values in (report["losses"], *report.get("metrics", {}).values())
            )
            metrics = dict(zip(report.get("metrics", {}), columns, strict=True))
            source = scoring if report.get("scoreOnly") else plans
            source[report["rank"]].report(report["sampleIndices"], losses, metrics)
    run.flush()
    progress = run.info().progress
    expected = vector["progress"]
    assert (progress.epochs_planned, progress.samples_planned) == (
        expected["epochsPlanned"],
        expected["samplesPlanned"],
    )
    assert (progress.reports, progress.observations) == (expected["reports"], expected["observations"])
    assert (progress.non_finite, progress.repeats) == (expected["nonFinite"], expected["repeats"])
    assert progress.scored == expected.get("scored", 0)
    if "statistics" in vector:
        statistics = client.statistics(run.run_id)
        for name, values in (("mean", statistics.means), ("variance", statistics.variances)):
            wanted = np.array([float(sample[name]) for sample in vector["statistics"]], np.float32)
            assert np.array_equal(values.view(np.uint32), wanted.view(np.uint32)), name
        assert (statistics.times_reported > 0).tolist() == [sample["seen"] for sample in vector["statistics"]]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 100
