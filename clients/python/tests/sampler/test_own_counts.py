"""Policies that decide by the losses how many samples an epoch keeps: its length is known with its plan."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch

import keepset
from keepset.policies import Policy
from support.sampler_process import SamplerProcess
from support.training import losses_of, make_loader, train_epoch

N = 100
OWN: list[Policy] = [keepset.InfoBatch(), keepset.SeTa(), keepset.RePB(), keepset.IES(), keepset.Kakurenbo()]


def make(sampler: SamplerProcess, run_id: str, policy: Policy, **settings: Any) -> keepset.Sampler:
    return keepset.Sampler(N, policy=policy, address=sampler.address, run_id=run_id, **settings)


def train(sampler: keepset.Sampler, epoch: int, batches: int | None = None) -> list[int]:
    """Trains on an epoch, or on its first batches; the losses of a sample alternate, so that none comes to rest."""
    sampler.set_epoch(epoch)
    trained: list[int] = []
    for index, _ in islice(make_loader(sampler, N), batches):
        sure = torch.ones(len(index))
        columns = (
            {"correct": sure, "confidence": sure} if isinstance(sampler.run.settings.policy, keepset.Kakurenbo) else {}
        )
        sampler.report(index, losses_of(index, epoch % 2), metrics=columns)
        trained.extend(index.tolist())
    return trained


@pytest.mark.parametrize("policy", OWN, ids=lambda policy: type(policy).__name__)
def test_the_length_of_an_epoch_is_that_of_its_plan(sampler: SamplerProcess, run_id: str, policy: Policy) -> None:
    made = make(sampler, run_id, policy, epochs=8)
    assert len(made) == N and made.steps_per_epoch(8) == 13
    assert len(train(made, 0)) == N
    made.set_epoch(1)
    assert (made.kept_fraction, made.saving) == (1.0, 0.0), "those of the epoch before, as long as there is no plan"
    for ask in (lambda: made.steps_per_epoch(8), lambda: made.total_steps(8)):
        with pytest.raises(ValueError, match=f"how many samples epoch 1 keeps is not known.*{type(policy).__name__}"):
            ask()
    length = len(made)
    assert made.plan.epoch == 1 and length == made.plan.position_count == made.plan.kept_count
    assert made.kept_fraction == length / N
    assert len(make_loader(made, N)) == -(-length // 8)
    trained = train(made, 1)
    assert len(trained) == length
    assert made.saving == pytest.approx((N - length) / (2 * N))
    if not isinstance(policy, keepset.IES):  # which needs five losses of a sample
        assert length < N


def test_goes_on_in_the_middle_and_at_the_end_of_such_an_epoch(sampler: SamplerProcess, run_id: str) -> None:
    twin = make(sampler, run_id + "-twin", keepset.InfoBatch(), weights="off")
    orders = [train(twin, epoch) for epoch in range(4)]
    assert len({len(order) for order in orders}) > 2
    first = make(sampler, run_id, keepset.InfoBatch(), weights="off")
    trained = [train(first, 0), train(first, 1, batches=3)]
    state = first.state_dict()
    first.close()

    second = make(sampler, run_id, keepset.InfoBatch(), weights="off")
    second.load_state_dict(state)
    assert (second.epoch, len(second)) == (1, len(orders[1]) - 24)
    assert not second._run.has_plan, "the checkpoint knows it"
    trained[1] += train(second, 1)
    assert trained == orders[:2]
    state = second.state_dict()
    second.close()

    third = make(sampler, run_id, keepset.InfoBatch(), weights="off")
    third.load_state_dict(state)
    assert third.epoch == 2
    third.set_epoch(1)
    assert list(third) == [] and not third._run.has_plan, "it is over"
    assert [train(third, 2), train(third, 3)] == orders[2:]


def test_a_checkpoint_before_the_first_batch_of_such_an_epoch(sampler: SamplerProcess, run_id: str) -> None:
    first = make(sampler, run_id, keepset.SeTa())
    train(first, 0)
    first.set_epoch(1)
    order = list(first)
    state = first.state_dict()
    assert (state["epoch"], state["position"], state["kept_count"]) == (1, 0, 0)
    first.close()
    second = make(sampler, run_id, keepset.SeTa())
    second.load_state_dict(state)
    assert second.epoch == 1 and list(second) == order


def test_prune_rates_are_what_the_policies_need() -> None:
    rates = {keepset.Sampler(N, policy=policy)._run.settings["prune_rate"] for policy in OWN[:4]}
    assert rates == {0.0}
    assert keepset.Sampler(N, policy=keepset.Kakurenbo())._run.settings["prune_rate"] == 0.3
    for policy in (keepset.RS2(), keepset.Importance(), keepset.CustomScore(), keepset.StaticScore()):
        assert keepset.Sampler(N, policy=policy)._run.settings["prune_rate"] == 0.5
    assert keepset.Sampler(N, policy=keepset.InfoBatch(), prune_rate=0.3, warmup_epochs=0).total_steps(8, 2) == 18


def test_plots_how_much_was_kept(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, keepset.InfoBatch())
    counts = [len(train(made, epoch)) for epoch in range(3)]
    axes: Any = made.plot().axes[0]
    kept, saving = axes.lines
    assert list(kept.get_xdata()) == [0, 1, 2] and kept.get_ydata() == pytest.approx(counts)
    assert saving.get_ydata()[-1] == pytest.approx(100 - sum(counts) / 3)
    assert train_epoch(made, make_loader(made, N), 3)
