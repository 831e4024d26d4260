"""The training loop, with a real sampler."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from keepset_experiments.arm import Arm
from keepset_experiments.cifar import DataSet, read
from keepset_experiments.optimization import OneCycle, Pace
from keepset_experiments.recipe import RECIPES
from keepset_experiments.samplers import ReferenceSampler, TrainingSampler, sampler_of
from keepset_experiments.training import train
from synthetic import write_cifar

COUNT = 200
BATCHES = 4
"""Of a full epoch."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("data")
    write_cifar(folder)
    return read(folder, "cifar10")


@dataclass(frozen=True)
class Remembering:
    """A schedule that tells what it was asked."""

    asked: list[tuple[float, int]] = field(default_factory=list)

    def pace(self, step: float, total: int) -> Pace:
        self.asked.append((step, total))
        return OneCycle(0.05, 0.3).pace(step, total)


@pytest.fixture
def schedule(monkeypatch: pytest.MonkeyPatch) -> Remembering:
    """Of a recipe `tiny` with four epochs instead of two."""
    schedule = Remembering()
    monkeypatch.setitem(RECIPES, "tiny", replace(RECIPES["tiny"], epochs=4, schedule=schedule))
    return schedule


def arm(method: str, recipe: str = "tiny") -> Arm:
    return Arm("cifar10", recipe, method, 0.5, seed=1)


Kind = TypeVar("Kind", bound=ReferenceSampler)


def reference(kind: type[Kind]) -> Kind:
    return kind("random", COUNT, prune_rate=0.5, epochs=2, selection_period=1, seed=1)


class Scored(list[int]):
    """What is to be scored, and what came of it."""

    def __init__(self) -> None:
        super().__init__(range(COUNT))
        self.logits: list[Tensor] = []

    def report(self, indices: Tensor, losses: Tensor, /, *, logits: Tensor, targets: Tensor) -> None:
        self.logits.append(logits)


class ScoringReference(ReferenceSampler):
    """A reference that wants everything scored after each of its epochs."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.scoring = Scored()


def train_arm(one: Arm, data: DataSet, sampler: TrainingSampler) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    result = train(one, data, torch.device("cpu"), sampler, lambda steps, total: told.append((steps, total)))
    return result, told


def trained(one: Arm, data: DataSet) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    with sampler_of(one, COUNT) as sampler:
        return train_arm(one, data, sampler)


def test_what_was_left_out_is_scored_but_for_the_last_epoch(data: DataSet, schedule: Remembering) -> None:
    result, _ = trained(arm("ucb+scored"), data)
    assert result["scored"] == 2 * COUNT / 2, "epoch 0 leaves nothing out, and no selection follows the last one"
    assert 0 < result["scoring_seconds"] < result["seconds"] and result["sampler_cpu_seconds"] > 0
    selections = result["selections"]
    assert [one["epoch"] for one in selections] == [1, 2, 3] and {one["kept"] for one in selections} == {100}
    assert selections[0]["overlap"] is None and 0 < selections[1]["overlap"] < 1
    assert all(one["always"] + one["sometimes"] + one["never"] == COUNT for one in selections)
    assert sum(times * count for times, count in enumerate(result["kept"])) == 3 * COUNT / 2
    assert (result["selection_period"], result["tail_epochs"], result["weights"]) == (1, 0, "off")


def test_the_rate_goes_over_the_arms_own_steps(data: DataSet, schedule: Remembering) -> None:
    result, told = trained(arm("rs2"), data)
    assert result["steps"] == 4 + 3 * 2 and schedule.asked == [(step, 10) for step in range(10)]
    assert told == [(4, 10), (6, 10), (8, 10), (10, 10)]


def test_the_rate_goes_over_the_epochs_where_the_policy_decides_how_long_they_are(
    data: DataSet, schedule: Remembering
) -> None:
    result, told = trained(arm("repb"), data)
    assert {total for _, total in schedule.asked} == {4 * BATCHES}
    steps = [step for step, _ in schedule.asked]
    lengths = np.diff([0, *(done for done, _ in told)])
    assert lengths[0] == BATCHES and min(lengths) < BATCHES
    # Each epoch takes as much of the schedule, however many batches it has.
    places = [BATCHES * (epoch + batch / length) for epoch, length in enumerate(lengths) for batch in range(length)]
    assert steps == pytest.approx(places)
    assert result["steps"] == len(steps) and result["saving"] > 0 and result["weights"] == "on"
    assert told[0] == (4, 16) and told[-1] == (len(steps), len(steps))


@pytest.mark.parametrize(
    ("method", "facts"),
    [
        ("el2n", {"weights": "off", "saving": 0.375, "scored": 0}),
        ("kakurenbo", {"weights": "off"}),
        ("info_batch", {"weights": "on", "tail_epochs": 1, "saving": 0.25}),
        ("info_batch+notail+noweights", {"weights": "off", "tail_epochs": 0, "saving": 0.375}),
        ("ucb+batchloss", {"saving": 0.375}),
    ],
)
def test_the_loop_gives_each_method_what_it_asks_for(
    method: str, facts: dict[str, Any], data: DataSet, schedule: Remembering
) -> None:
    result, _ = trained(arm(method), data)
    assert {name: result[name] for name in facts} == facts
    assert len(result["curve"]) == 4 and result["curve"][-1]["accuracy"] == result["accuracy"]


def test_kakurenbo_raises_the_learning_rate_by_what_its_plan_says() -> None:
    with sampler_of(arm("kakurenbo"), COUNT) as sampler:
        factors = []
        for epoch in range(2):
            sampler.set_epoch(epoch)
            order = torch.from_numpy(sampler.plan.indices.astype(np.int64))
            logits = torch.zeros(len(order), 10)
            sampler.report(order, torch.ones(len(order)), logits=logits, targets=torch.zeros_like(order))
            factors.append(sampler.learning_rate_factor)
        sampler.close()
    # Epoch 1 of 2: 0.8 of the rate of 0.5 is left out.
    assert factors == [1, pytest.approx(1 / 0.6)]


def test_the_learning_rate_is_multiplied_with_the_factor(data: DataSet) -> None:
    class Spoiling(ReferenceSampler):
        learning_rate_factor = float("nan")

    sampler = reference(Spoiling)
    # One step by it, and the next loss is no number, which the reference refuses.
    with pytest.raises(ValueError, match="NaN or infinite"):
        train_arm(arm("reference-random"), data, sampler)
    assert sampler.statistics.seen.sum() == COUNT / BATCHES


def test_a_loss_is_divided_by_the_plans_mean_weight_only_where_the_method_says_so(data: DataSet) -> None:
    class Doubling(ReferenceSampler):
        mean_weight = 2.0

        def report(self, indices: Tensor, losses: Tensor, /, **columns: Tensor | None) -> Tensor:
            return 2 * super().report(indices, losses)

    def losses(kind: type[ReferenceSampler], method: str) -> list[float]:
        sampler = reference(kind)
        train_arm(arm(method), data, sampler)
        return sampler.statistics.mean.tolist()

    unweighted = losses(ReferenceSampler, "random")
    assert losses(Doubling, "random+meanweight") == unweighted != losses(Doubling, "random+weights")


@pytest.mark.parametrize(("method", "expected"), [("info_batch", [1, 2, 2, 1]), ("info_batch+noweights", [1, 1, 1, 1])])
def test_the_mean_weight_is_that_of_the_epochs_plan(method: str, expected: list[float], schedule: Remembering) -> None:
    with sampler_of(arm(method), COUNT) as sampler:
        means = []
        for epoch in range(4):
            sampler.set_epoch(epoch)
            means.append(sampler.mean_weight)
            order = torch.from_numpy(sampler.plan.indices.astype(np.int64))
            sampler.report(order, order.float())
        sampler.close()
    # Half is kept, and each sample weighs N/k of what it does alone; all are kept in the first epoch and in the tail.
    assert means == pytest.approx(expected)


def test_what_is_scored_is_augmented_as_what_is_trained(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    # Painted over as a whole, all images are the same one.
    monkeypatch.setitem(RECIPES, "tiny", replace(RECIPES["tiny"], cutout=32))
    sampler = reference(ScoringReference)
    train_arm(arm("random"), data, sampler)
    assert [len(logits) for logits in sampler.scoring.logits] == [COUNT, COUNT]
    for logits in sampler.scoring.logits:
        assert torch.allclose(logits, logits[0].expand_as(logits), atol=1e-6)


@pytest.mark.parametrize("recipe", ["tiny", "tiny-airbench"])
def test_scoring_changes_nothing_of_the_training(recipe: str, data: DataSet) -> None:
    means = []
    for kind in (ReferenceSampler, ScoringReference):
        sampler = reference(kind)
        result, _ = train_arm(arm("random", recipe), data, sampler)
        means.append(sampler.statistics.mean.tolist())
    assert means[0] == means[1] and result["scoring_seconds"] > 0


def test_the_airbench_recipe_trains(data: DataSet) -> None:
    result, _ = trained(arm("info_batch", "tiny-airbench"), data)
    assert result["steps"] == 4 + 2 and result["kept"] == [100, 100]
    assert 0 <= result["accuracy"] <= 1 and len(result["curve"]) == 2


def test_all_losses_are_recorded_before_the_last_test(data: DataSet) -> None:
    called = []

    class Telling(ReferenceSampler):
        def flush(self) -> None:
            called.append("flush")

        def facts(self) -> dict[str, Any]:
            called.append("facts")
            return {}

    train_arm(arm("reference-random"), data, reference(Telling))
    assert called == ["flush", "facts"]
