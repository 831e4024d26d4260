"""The repository's conformance vectors, played through the client against the real sampler: the same plans and
statistics, bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from keepset.client import Client, Plan, connect
from keepset.policies import UCB, EpsilonGreedy, Full, OrderDP, Policy, Random, StaticRandom
from support.sampler_process import REPOSITORY, SamplerProcess

VECTORS = sorted((REPOSITORY / "test/conformance/vectors").glob("*.json"))
POLICIES = {
    "full": Full,
    "staticRandom": StaticRandom,
    "random": Random,
    "epsilonGreedy": EpsilonGreedy,
    "ucb": UCB,
    "orderDp": OrderDP,
}


@pytest.fixture(scope="module")
def client(sampler: SamplerProcess) -> Iterator[Client]:
    with connect(sampler.address) as client:
        yield client


def policy_of(spec: dict[str, Any]) -> Policy:
    name = next(name for name in POLICIES if name in spec)
    options = dict(spec[name])
    if "initial" in options:
        options["initial"] = options["initial"].removeprefix("INITIAL_STATISTICS_").lower()
    if "poolRate" in options:
        options["pool_rate"] = options.pop("poolRate")
    return POLICIES[name](**options)


def settings_of(spec: dict[str, Any]) -> dict[str, Any]:
    """What `create_run` takes, from a RunSpec as proto3 JSON."""
    names = {
        "sampleCount": "sample_count",
        "pruneRate": "prune_rate",
        "totalEpochs": "epochs",
        "selectionPeriod": "selection_period",
        "warmupEpochs": "warmup_epochs",
        "tailEpochs": "tail_epochs",
        "positionMultiple": "position_multiple",
    }
    rest = spec.keys() - names.keys() - POLICIES.keys() - {"seed", "shardMode", "pruneRateSchedule"}
    assert not rest, f"the vectors have settings that this test does not know: {rest}"
    settings: dict[str, Any] = {names[key]: value for key, value in spec.items() if key in names}
    if "shardMode" in spec:
        settings["shard_mode"] = spec["shardMode"].removeprefix("SHARD_MODE_").lower()
    changes = spec.get("pruneRateSchedule", [])
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
    rank = expected["ranks"][plan.rank]
    assert (rank["rank"], rank["positionCount"]) == (plan.rank, plan.position_count)
    check_indices(plan.indices, rank.get("positions"), rank.get("positionsDigest"))


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
        for report in epoch["reports"]:
            losses = np.array([float(loss) for loss in report["losses"]], np.float32)
            plans[report["rank"]].report(report["sampleIndices"], losses)
    run.flush()
    progress = run.info().progress
    expected = vector["progress"]
    assert (progress.epochs_planned, progress.samples_planned) == (
        expected["epochsPlanned"],
        expected["samplesPlanned"],
    )
    assert (progress.reports, progress.observations) == (expected["reports"], expected["observations"])
    assert (progress.non_finite, progress.repeats) == (expected["nonFinite"], expected["repeats"])
    if "statistics" in vector:
        statistics = client.statistics(run.run_id)
        for name, values in (("mean", statistics.means), ("variance", statistics.variances)):
            wanted = np.array([float(sample[name]) for sample in vector["statistics"]], np.float32)
            assert np.array_equal(values.view(np.uint32), wanted.view(np.uint32)), name
        assert (statistics.times_reported > 0).tolist() == [sample["seen"] for sample in vector["statistics"]]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 50
