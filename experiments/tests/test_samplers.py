"""The reference in the place of the service: the same choices, the same loop."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from keepset_experiments import results
from keepset_experiments.arm import Arm
from keepset_experiments.method import Method
from keepset_experiments.reference import InProcessSampler
from keepset_experiments.running import RunSettings, run
from keepset_experiments.samplers import TrainingSampler, sampler_of
from synthetic import write_cifar

COUNT = 1000
EPOCHS = 16


def arm(method: str, recipe: str = "cpu", prune_rate: float = 0.7) -> Arm:
    return Arm("cifar10", recipe, method, prune_rate, seed=5)


def kept_sets(sampler: TrainingSampler) -> list[set[int]]:
    """Of all epochs, with the same losses of a sample in an epoch for each sampler."""
    kept = []
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        order = sampler.plan.indices.astype(np.int64)
        losses = np.random.default_rng(epoch).gamma(0.5, 2, COUNT).astype(np.float32)
        for batch in np.split(order, range(250, len(order), 250)):
            sampler.report(torch.from_numpy(batch), torch.from_numpy(losses[batch]))
        kept.append(set(order.tolist()))
    sampler.flush()
    return kept


@pytest.mark.parametrize("policy", ["ucb", "epsilon_greedy", "random"])
def test_service_and_reference_keep_as_many_and_the_same_where_nothing_is_drawn(policy: str) -> None:
    kept, steps, times = {}, {}, {}
    for method in (policy, f"reference-{policy}"):
        with sampler_of(arm(method), COUNT) as sampler:
            steps[method] = sampler.total_steps(128)
            kept[method] = kept_sets(sampler)
            times[method] = sampler.times_kept()
            sampler.close()
    (service, reference), (service_times, reference_times) = kept.values(), times.values()
    assert len(set(steps.values())) == 1
    assert [len(one) for one in service] == [len(one) for one in reference] == [1000, *[300] * 15]
    assert service_times.sum() == reference_times.sum() == 8 * 300
    if policy == "ucb":
        assert service == reference and service_times.tolist() == reference_times.tolist()
    elif policy == "epsilon_greedy":
        # Of 300, 270 by the mean: the same ones in epoch 1, before the draws part the histories.
        assert len(service[1] & reference[1]) >= 270
        assert service[1] != reference[1]


def test_an_arm_of_a_reference_is_trained_by_the_same_loop(tmp_path: Path) -> None:
    write_cifar(tmp_path / "data")
    one = arm("reference-epsilon_greedy", "tiny", 0.5)
    out = tmp_path / "out.jsonl"
    run([one], RunSettings(tmp_path / "data", out, workers=1, threads=1), io.StringIO())
    (result,) = results.read([out])
    assert result["key"] == "cifar10-tiny-reference-epsilon_greedy-50-s5" and result["method"] == one.method
    assert result["steps"] == 6 and result["saving"] == 0.25 and result["kept"] == [100, 100]
    assert [point["steps"] for point in result["curve"]] == [4, 6] and 0 <= result["accuracy"] <= 1
    assert 0 < result["sampler_seconds"] < result["seconds"]


def test_a_reference_needs_no_sampler_process() -> None:
    with sampler_of(arm("reference-ucb"), COUNT) as sampler:
        assert isinstance(sampler, InProcessSampler)
    assert Method("reference-ucb").reference_rule == "ucb" and Method("reference-ucb").is_pruned
    assert [Method(name).reference_rule for name in ("ucb", "ucb+tail", "full")] == [None] * 3


def test_settings_that_cannot_be_right_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    arms = [arm("ucb", "tiny"), arm("importance+batchloss", "tiny")]
    log = io.StringIO()
    with pytest.raises(ValueError, match="no loss of a sample that could be weighted"):
        run(arms, RunSettings(tmp_path, tmp_path / "out.jsonl", workers=1, threads=1), log)
    assert "step" not in log.getvalue()
