"""The forward pass over what an epoch left out: `sampler.scoring` and `keepset.score_left_out`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import keepset
from keepset import scores
from keepset.left_out import local_module
from support.sampler_process import SamplerProcess
from support.training import make_loader, train_epoch

N, CLASSES = 60, 3
X = torch.randn(N, 5, generator=torch.Generator().manual_seed(1))
Y = torch.arange(N) % CLASSES
DATA = TensorDataset(X, Y)


def each_loss(logits: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(logits, y, reduction="none")


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, CLASSES), nn.BatchNorm1d(CLASSES), nn.Dropout(0.5))


def make(sampler: SamplerProcess, run_id: str, **settings: Any) -> keepset.Sampler:
    common: dict[str, Any] = {"prune_rate": 0.5, "selection_period": 1, "score_left_out": True}
    return keepset.Sampler(DATA, address=sampler.address, run_id=run_id, **{**common, **settings})


def train(sampler: keepset.Sampler, epoch: int) -> None:
    """Reports losses above all that a model has, and classes without a doubt."""
    sampler.set_epoch(epoch)
    for index, (_, y) in DataLoader(keepset.indexed(DATA), batch_size=16, sampler=sampler, collate_fn=keepset.collate):
        sampler.report(index, torch.full((len(y),), 50.0), logits=50.0 * F.one_hot(y, CLASSES).float(), targets=y)


def test_reports_the_losses_of_the_model_in_eval_mode(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, metrics=["correct", "confidence", "el2n"])
    model = make_model()
    model[1].eval()  # a frozen layer stays one
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(made, 0)
    assert keepset.score_left_out(made, DATA, model, each_loss) == 0, "nothing is left out of a full epoch"
    train(made, 1)
    state = torch.get_rng_state()
    assert keepset.score_left_out(made, DATA, model, each_loss, batch_size=7) == N // 2
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model] == [True, False, True] and model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())
    made.flush()
    assert made.run.info().progress.scored == N // 2
    logits = model.eval()(X).detach()
    left_out = np.setdiff1d(np.arange(N), made.plan.indices)
    statistics = made.run.client.statistics(run_id)
    found = {"losses": statistics.last_losses, **statistics.metrics}
    expected = {
        "losses": each_loss(logits, Y),
        "correct": scores.correct(logits, Y),
        "confidence": scores.confidence(logits),
        "el2n": scores.el2n(logits, Y),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][left_out], values.numpy()[left_out], rtol=1e-5, err_msg=name)
    assert (statistics.last_losses[made.plan.indices] == 50).all()


def test_what_was_scored_comes_back(sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where the left-out samples turn out to be the harder ones, they are the next kept set."""
    made = make(sampler, run_id, policy=keepset.UCB(alpha=1.0))
    train(made, 0)
    train(made, 1)
    left_out = set(range(N)) - set(made.plan.indices.tolist())
    assert keepset.score_left_out(made, keepset.indexed(DATA), make_model(), lambda logits, y: y + 100.0) == N // 2
    made.set_epoch(2)
    assert set(made) == left_out
    assert caplog.records == []


def test_takes_other_data_sets_and_collate_functions(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id)
    train(made, 0)
    train(made, 1)
    left_out = np.setdiff1d(np.arange(N), made.plan.indices)
    seen: list[int] = []

    def collate(samples: list[Any]) -> Any:
        seen.extend(samples)
        return torch.tensor(samples)[:, None].float(), torch.tensor(samples)

    count = keepset.score_left_out(made, range(N), nn.Identity(), lambda x, y: x[:, 0] + y, collate_fn=collate)
    made.flush()
    assert count == len(seen) == N // 2 and sorted(seen) == left_out.tolist()
    losses = made.run.client.statistics(run_id).last_losses
    assert np.array_equal(losses[left_out], 2 * left_out)


def test_samples_that_are_no_pairs_are_for_the_lower_level(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id)
    data = [{"x": value, "y": label} for value, label in DATA]
    train(made, 0)
    train(made, 1)
    model = make_model()
    with pytest.raises(ValueError, match=r"sampler=sampler\.scoring"):
        keepset.score_left_out(made, data, model, each_loss)
    assert model.training, "also where it fails"
    loader = DataLoader(keepset.indexed(data), batch_size=8, sampler=made.scoring)
    assert len(made.scoring) == N // 2 and len(loader) == 4
    for batch in loader:
        made.scoring.report(batch["index"], batch["y"].float())
    made.flush()
    assert made.run.info().progress.scored == N // 2
    assert made.position == N // 2, "of the epoch itself"


def test_scoring_has_the_metrics_that_the_policy_needs(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, policy=keepset.Kakurenbo(), score_left_out=None, prune_rate=0.3)
    train(made, 0)
    train(made, 1)
    assert made.plan.kept_count == N - N * 3 // 10 and made.plan.learning_rate_factor == pytest.approx(1 / 0.7)
    index = torch.tensor(list(made.scoring))
    assert len(index) == N * 3 // 10
    with pytest.raises(ValueError, match="Kakurenbo needs the metric 'correct'"):
        made.scoring.report(index, torch.ones(len(index)))
    # What is scored as mispredicted comes back.
    wrong = F.one_hot((Y[index] + 1) % CLASSES, CLASSES).float()
    made.scoring.report(index, torch.zeros(len(index)), logits=wrong, targets=Y[index])
    made.set_epoch(2)
    assert set(index.tolist()) <= set(made)


def test_scores_batch_losses(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, score_source="batch_loss", batch_loss_momentum=0.0)
    for epoch in range(2):
        made.set_epoch(epoch)
        for index, _ in make_loader(made, N):
            made.report(index, torch.ones(()))
    assert keepset.score_left_out(made, DATA, make_model(), lambda _, y: y + 1.0, batch_size=N) == N // 2
    made.flush()
    left_out = np.setdiff1d(np.arange(N), made.plan.indices)
    losses = made.run.client.statistics(run_id).last_losses
    np.testing.assert_allclose(losses[left_out], Y.numpy()[left_out].mean() + 1, rtol=1e-6)


def test_says_once_that_nobody_scored(sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture) -> None:
    made = make(sampler, run_id)
    for epoch in range(4):
        train(made, epoch)
    assert [record.getMessage()[:62] for record in caplog.records] == [
        "epoch 1 left out samples that were to be scored before epoch 2"
    ]
    assert "keepset.score_left_out(sampler, dataset, model, loss_fn)" in caplog.text


def test_says_that_only_a_part_was_scored(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = make(sampler, run_id)
    train(made, 0)
    train(made, 1)
    index = list(made.scoring)[:5]
    made.scoring.report(index, torch.ones(5))
    list(made)  # the present epoch's own plan says nothing yet
    assert caplog.records == []
    train(made, 2)
    assert "were to be scored before epoch 2, and 5 of the 30 of this rank were" in caplog.text


def test_a_resume_at_the_end_of_an_epoch_scores_what_was_not(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = make(sampler, run_id, policy=keepset.UCB(alpha=1.0))
    train(made, 0)
    train(made, 1)
    state = made.state_dict()
    left_out = set(range(N)) - set(made.plan.indices.tolist())
    made.close()
    again = make(sampler, run_id, policy=keepset.UCB(alpha=1.0))
    again.load_state_dict(state)
    assert again.epoch == 2
    again.set_epoch(1)
    assert list(again) == []
    assert keepset.score_left_out(again, DATA, make_model(), lambda logits, y: y + 100.0) == N // 2
    assert again.state_dict()["is_unscored"] is False
    again.set_epoch(2)
    assert set(again) == left_out
    info = again.run.info()
    assert (info.generation, info.progress.scored, info.progress.repeats) == (1, N // 2, 0)
    assert caplog.records == []


@pytest.mark.parametrize("is_scored", [False, True])
def test_a_resume_past_what_was_not_scored_says_so(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture, is_scored: bool
) -> None:
    made = make(sampler, run_id)
    train(made, 0)
    train(made, 1)
    if is_scored:
        keepset.score_left_out(made, DATA, make_model(), each_loss)
    state = made.state_dict()
    made.close()
    again = make(sampler, run_id)
    again.load_state_dict(state)
    assert len(list(again)) == N // 2 and again.epoch == 2
    assert len(caplog.records) == (not is_scored)
    if not is_scored:
        assert "made before what epoch 1 left out was scored: call sampler.set_epoch(1)" in caplog.text


def test_a_run_that_has_gone_on_is_not_taken_back_to_score(
    sampler: SamplerProcess, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = make(sampler, run_id)
    train(made, 0)
    train(made, 1)
    state = made.state_dict()
    keepset.score_left_out(made, DATA, make_model(), each_loss)
    train(made, 2)
    made.close()
    again = make(sampler, run_id)
    again.load_state_dict(state)
    again.set_epoch(1)
    assert keepset.score_left_out(again, DATA, make_model(), each_loss) == 0
    again.set_epoch(2)
    assert again.run.info().next_epoch == 3
    assert caplog.records == []


def test_is_of_an_epoch_that_has_a_plan(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id)
    with pytest.raises(ValueError, match=r"epoch 0 has no plan yet.*before sampler\.set_epoch\(\) of the next"):
        keepset.score_left_out(made, DATA, make_model(), each_loss)
    train(made, 0)
    made.set_epoch(1)
    with pytest.raises(ValueError, match="epoch 1 has no plan yet"):
        len(made.scoring)


def test_does_nothing_where_nothing_is_to_be_scored(sampler: SamplerProcess, run_id: str) -> None:
    made = make(sampler, run_id, score_left_out=None)
    for epoch in range(2):
        train_epoch(made, make_loader(made, N), epoch)
        assert keepset.score_left_out(made, DATA, make_model(), each_loss) == 0
        assert list(made.scoring) == []
    state = made.state_dict()
    made.close()
    again = make(sampler, run_id, score_left_out=None)
    again.load_state_dict(state)
    again.set_epoch(1)
    assert list(again) == [] and keepset.score_left_out(again, DATA, make_model(), each_loss) == 0


def test_distributed_models_need_not_meet() -> None:
    """A forward pass of DistributedDataParallel shares out buffers: here one rank is alone in it."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        model = make_model()
        assert local_module(nn.parallel.DistributedDataParallel(model)) is model
        assert local_module(model) is model
    finally:
        torch.distributed.destroy_process_group()


def test_an_infinite_sampler_cannot_score() -> None:
    with pytest.raises(ValueError, match="give score_left_out=False"):
        keepset.InfiniteSampler(N, batch_size=8, policy=keepset.IES())
    keepset.InfiniteSampler(N, batch_size=8, policy=keepset.IES(), score_left_out=False)
