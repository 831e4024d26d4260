from __future__ import annotations

import numpy as np
import pytest
import torch

from keepset_experiments.reference import RULES, InProcessSampler, Statistics, largest

COUNT = 400


def sampler(rule: str = "ucb", count: int = COUNT, *, seed: int = 0, epochs: int = 8) -> InProcessSampler:
    return InProcessSampler(rule, count, prune_rate=0.5, epochs=epochs, selection_period=3, seed=seed)


def observed(losses: list[list[float]]) -> Statistics:
    """Statistics of samples that all had these losses, one list after the other."""
    statistics = Statistics(len(losses[0]))
    for values in losses:
        statistics.observe(np.arange(len(values)), np.asarray(values, np.float32))
    return statistics


def plan(own: InProcessSampler, epoch: int) -> list[int]:
    own.set_epoch(epoch)
    return own.plan.indices.tolist()


def train_epoch(own: InProcessSampler, epoch: int) -> list[int]:
    """Reports the same losses for a sample in an epoch, whatever the order; returns the order."""
    order = plan(own, epoch)
    losses = np.random.default_rng(epoch).random(COUNT, np.float32)
    own.report(torch.tensor(order), torch.from_numpy(losses[order]))
    return order


def test_statistics_are_those_of_a_hand_computed_example() -> None:
    statistics = Statistics(3)
    for loss, mean, variance in ((2.0, 2.0, 0.0), (1.0, 1.2, 0.8), (3.0, 2.64, 2.752)):
        statistics.observe(np.array([1]), np.array([loss], np.float32))
        assert statistics.mean[1] == pytest.approx(mean) and statistics.variance[1] == pytest.approx(variance)
    assert statistics.mean.dtype == statistics.variance.dtype == np.float32
    assert statistics.seen.tolist() == [False, True, False]
    assert statistics.mean[[0, 2]].tolist() == statistics.variance[[0, 2]].tolist() == [0, 0]


def test_ucb_keeps_the_largest_sums_of_mean_and_variance() -> None:
    # Means 2.1, 1.2, 0.2, 1.4; variances 0, 0.8, 0.8, 0.2.
    statistics = observed([[2.1, 2, 1, 1], [2.1, 1, 0, 1.5]])
    random = np.random.default_rng(0)
    assert [sorted(RULES["ucb"](statistics, keep, random)) for keep in (1, 2, 3)] == [[0], [0, 1], [0, 1, 3]]


def test_epsilon_greedy_draws_its_share_from_all_that_the_mean_did_not_take() -> None:
    statistics = observed([list(range(COUNT))])
    random = np.random.default_rng(0)
    drawn = set()
    for _ in range(100):
        kept = set(RULES["epsilon_greedy"](statistics, 200, random).tolist())
        assert len(kept) == 200 and kept >= set(range(COUNT - 180, COUNT))
        drawn |= kept - set(range(COUNT - 180, COUNT))
    assert drawn == set(range(COUNT - 180)), "each of the others comes up"


def test_random_keeps_each_sample_as_often() -> None:
    statistics, random = observed([list(range(20))]), np.random.default_rng(0)
    kept = np.zeros(20)
    for _ in range(2000):
        chosen = RULES["random"](statistics, 5, random)
        assert len(set(chosen.tolist())) == 5
        kept[chosen] += 1
    assert np.abs(kept / 2000 - 0.25).max() < 0.05


@pytest.mark.parametrize("rule", ["epsilon_greedy", "ucb"])
def test_unseen_samples_come_first(rule: str) -> None:
    statistics = Statistics(40)
    statistics.observe(np.arange(10, 40), np.full(30, 9, np.float32))
    assert set(range(10)) <= set(RULES[rule](statistics, 20, np.random.default_rng(0)).tolist())


def test_what_is_equal_at_the_threshold_is_drawn_at_random() -> None:
    scores, random = np.array([1, 2, 1, 0, 1, 1], np.float32), np.random.default_rng(0)
    kept = np.zeros(6)
    for _ in range(2000):
        chosen = largest(scores, 3, random)
        assert len(set(chosen.tolist())) == 3
        kept[chosen] += 1
    assert kept[1] == 2000 and kept[3] == 0
    assert np.abs(kept[[0, 2, 4, 5]] / 2000 - 0.5).max() < 0.05


def test_selections_come_in_epoch_1_and_every_period_after_it() -> None:
    own = sampler("random")
    orders = [train_epoch(own, epoch) for epoch in range(8)]
    assert sorted(orders[0]) == list(range(COUNT)) != orders[0]
    assert [len(order) for order in orders[1:]] == [200] * 7
    selected = [epoch for epoch in range(1, 8) if set(orders[epoch]) != set(orders[epoch - 1])]
    assert selected == [1, 4, 7]
    assert len({tuple(order) for order in orders}) == 8, "each epoch has an order of its own"
    expected = sum(np.bincount(orders[epoch], minlength=COUNT) for epoch in selected)
    assert own.times_kept().tolist() == expected.tolist()
    assert own.saving == pytest.approx(1 - (400 + 7 * 200) / (8 * 400))


def test_a_seed_gives_the_same_plans_and_another_one_others() -> None:
    same = [[train_epoch(own, epoch) for epoch in range(5)] for own in (sampler("random"), sampler("random"))]
    another = sampler("random", seed=1)
    other = [train_epoch(another, epoch) for epoch in range(5)]
    assert same[0] == same[1]
    assert same[0][0] != other[0], "another order"
    assert set(same[0][1]) != set(other[1]), "another choice"


def test_rules_differ_in_what_they_keep_not_in_how_it_is_ordered() -> None:
    orders = [[np.argsort(train_epoch(own, epoch)).tolist() for epoch in range(5)] for own in map(sampler, RULES)]
    assert orders[0] == orders[1] == orders[2]


def test_a_report_returns_the_mean_to_be_differentiated_and_holds_no_graph() -> None:
    own = sampler(count=4)
    own.set_epoch(0)
    losses = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    mean = own.report(torch.tensor([3, 0, 1]), losses)
    mean.backward()
    assert mean.item() == 3 and losses.grad is not None and losses.grad.tolist() == pytest.approx([1 / 3] * 3)
    with torch.no_grad():
        losses.zero_()
    assert own.statistics.mean.tolist() == [2, 6, 0, 1]


def test_a_loss_that_is_no_number_is_refused() -> None:
    own = sampler(count=4)
    own.set_epoch(0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        own.report(torch.tensor([0, 1]), torch.tensor([1.0, torch.nan]))
    assert not own.statistics.seen.any()


def test_epochs_come_one_after_the_other() -> None:
    own = sampler()
    own.set_epoch(0)
    with pytest.raises(ValueError, match="epoch is 2; the next one is 1"):
        own.set_epoch(2)


def test_total_steps_are_whole_batches_and_a_smaller_one_at_the_end() -> None:
    assert sampler(count=101, epochs=4).total_steps(25) == 5 + 3 * 2
    tenth = InProcessSampler("random", 10, prune_rate=0.9, epochs=2, selection_period=1, seed=0)
    assert [len(plan(tenth, epoch)) for epoch in range(2)] == [10, 1], "a tenth of ten is one"
