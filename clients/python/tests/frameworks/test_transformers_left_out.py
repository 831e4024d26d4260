"""The Hugging Face Trainer with weights, batch losses, and a forward pass over what an epoch left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import TrainerCallback
from transformers_training import (
    EPOCHS,
    N,
    RecordingTrainer,
    StopAt,
    make_args,
    make_data,
    make_model,
    make_sampler,
    train_plainly,
)

import keepset
from keepset import scores
from support.sampler_process import SamplerProcess

Make = Callable[..., keepset.Sampler]


@pytest.fixture
def make(sampler: SamplerProcess, run_id: str) -> Iterator[Make]:
    """Makes a sampler of this test's run, or of another one that a suffix names, without a schedule of rates."""
    with ExitStack() as stack:

        def make_one(suffix: str = "", **settings: Any) -> keepset.Sampler:
            common: dict[str, Any] = {"prune_rate_schedule": [], "prune_rate": None}
            made = make_sampler(sampler.address, run_id + suffix, **{**common, **settings})
            stack.callback(made.close)
            return made

        yield make_one


def make_trainer(sampler: keepset.Sampler, out: Path, /, *, callbacks: Any = (), **settings: Any) -> RecordingTrainer:
    args = make_args(out, **settings)
    return RecordingTrainer(
        model=make_model(), args=args, train_dataset=make_data(), sampler=sampler, callbacks=list(callbacks)
    )


@pytest.mark.parametrize("accumulation", [1, 3])
def test_the_loss_that_is_trained_is_weighted(make: Make, tmp_path: Path, accumulation: int) -> None:
    settings: dict[str, Any] = {
        "policy": keepset.Importance(),
        "prune_rate": 0.5,
        "position_multiple": 4 * accumulation,
    }
    own = make(**settings)
    trainer = make_trainer(own, tmp_path, gradient_accumulation_steps=accumulation)
    trainer.train()
    twin = make("-by-hand", **settings)
    model = make_model()
    trained, _ = train_plainly(twin, model, make_data(), accumulation=accumulation)
    assert trainer.trained == trained
    plan: Any = twin.plan
    assert plan.weights.max() > 1.5
    for name, parameter in model.state_dict().items():
        torch.testing.assert_close(trainer.model.state_dict()[name], parameter, msg=name)
    plain = make("-plain", weights="off", **settings)
    other = make_trainer(plain, tmp_path, gradient_accumulation_steps=accumulation)
    other.train()
    assert any(
        not torch.allclose(other.model.state_dict()[name], parameter) for name, parameter in model.state_dict().items()
    )


class Remember(TrainerCallback):
    """What the model answered at the end of an epoch, when what that left out was scored."""

    def __init__(self) -> None:
        self.logits: list[torch.Tensor] = []

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        with torch.no_grad():
            self.logits.append(model.eval()(input_ids=torch.tensor(make_data()["input_ids"])).logits)


def test_what_an_epoch_left_out_is_scored_at_its_end(make: Make, tmp_path: Path) -> None:
    own = make(policy=keepset.UCB(), prune_rate=0.5, score_left_out=True, metrics=["correct", "confidence", "el2n"])
    remember = Remember()
    trainer = make_trainer(own, tmp_path, callbacks=[remember])
    trainer.train()
    progress = own.run.info().progress
    # Nothing is selected after the last epoch.
    assert (progress.scored, progress.repeats) == (24 + 24, 0)
    logits, labels = remember.logits[2], torch.tensor(make_data()["labels"])
    scored = np.setdiff1d(np.arange(N), trainer.trained[2] + trainer.trained[3])
    assert len(scored) > 0
    statistics = own.run.client.statistics(own.run_id)
    expected = {
        "losses": F.cross_entropy(logits, labels, reduction="none"),
        "correct": scores.correct(logits, labels),
        "confidence": scores.confidence(logits),
        "el2n": scores.el2n(logits, labels),
    }
    found = {"losses": statistics.last_losses, **statistics.metrics}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][scored], values.numpy()[scored], rtol=1e-5, err_msg=name)


def test_a_policy_that_decides_how_many_it_keeps_needs_max_steps(make: Make, tmp_path: Path) -> None:
    own = make(policy=keepset.Kakurenbo(confidence=0.0), prune_rate=0.5)
    with pytest.raises(ValueError, match=r"TrainingArguments\(max_steps=\.\.\.\)"):
        make_trainer(own, tmp_path).train()
    trainer = make_trainer(own, tmp_path, max_steps=25)
    assert trainer.train().global_step == 25
    counts = [len(samples) for samples in trainer.trained.values()]
    plan = own.plan
    assert counts[0] == N and N // 2 <= counts[1] < N and len(counts) == 3
    assert plan.learning_rate_factor > 1
    assert own.run.info().progress.scored > 0


def test_more_steps_than_the_epochs_have_are_no_error(make: Make, tmp_path: Path) -> None:
    own = make(policy=keepset.Kakurenbo(confidence=0.0), prune_rate=0.5)
    trainer = make_trainer(own, tmp_path, max_steps=500)
    steps = trainer.train().global_step
    assert list(trainer.trained) == list(range(EPOCHS))
    assert steps == sum(-(-len(samples) // 4) for samples in trainer.trained.values())


def test_a_checkpoint_of_an_epochs_last_step_knows_what_was_scored(make: Make, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"policy": keepset.UCB(alpha=1.0), "prune_rate": 0.5, "score_left_out": True}
    whole = make_trainer(make("-whole", **settings), tmp_path / "whole")
    whole.train()
    own = make(**settings)
    seen: list[int] = []

    class See(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            own.flush()
            seen.append(own.run.info().progress.scored)

    make_trainer(own, tmp_path, callbacks=[See(), StopAt(12 + 6)]).train()
    assert seen[-2:] == [0, N // 2], "other callbacks, and the checkpoint, come after it"
    own.close()
    again = make_trainer(make(**settings), tmp_path)
    again.train(resume_from_checkpoint=True)
    assert again.trained == {epoch: whole.trained[epoch] for epoch in (2, 3)}
    assert again.sampler.run.info().progress.scored == N


def test_steps_are_as_large_as_the_plan_says(make: Make, tmp_path: Path) -> None:
    """And the scheduler's rates, which the logs tell, are what they would be."""
    own = make(policy=keepset.Kakurenbo(confidence=0.0), prune_rate=0.5)
    taken: list[tuple[int, float, float]] = []

    class Optimizer(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            taken.append((own.epoch, own.learning_rate_factor, self.param_groups[0]["lr"]))
            return super().step(closure)

    model = make_model()
    optimizer = Optimizer(model.parameters(), lr=0.1)
    args = make_args(tmp_path, max_steps=20)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    trainer = RecordingTrainer(
        model=model, args=args, train_dataset=make_data(), sampler=own, optimizers=(optimizer, schedule)
    )
    for _ in range(2):
        trainer.train()
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**20)
        assert taken[0] == (0, 1, 0.1) and taken[-1][1] > 1
        for number, (_, factor, rate) in enumerate(taken):
            assert rate == pytest.approx(0.1 * 0.9**number * factor)
        taken.clear()
        optimizer.param_groups[0]["lr"] = 0.1  # once more, by the same optimizer


class WithoutClasses(RecordingTrainer):
    """Its labels are soft: nobody knows what is correct."""

    def sample_losses(self, outputs: Any, inputs: Any) -> torch.Tensor:
        return F.cross_entropy(outputs.logits, inputs["labels"], reduction="none")

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        soft = F.one_hot(inputs["labels"], 3).float()
        return super().compute_loss(model, {**inputs, "labels": soft}, *args, **kwargs)


class WithMetrics(WithoutClasses):
    def sample_metrics(self, outputs: Any, inputs: Any) -> Any:
        return {name: torch.full((len(inputs["labels"]),), 0.25) for name in ("correct", "confidence")}


def test_metrics_that_cannot_be_made_are_the_users_to_make(make: Make, tmp_path: Path) -> None:
    def trainer(kind: type[RecordingTrainer], own: keepset.Sampler) -> RecordingTrainer:
        args = make_args(tmp_path, max_steps=20)
        model = make_model()
        model.config.problem_type = "multi_label_classification"
        return kind(model=model, args=args, train_dataset=make_data(), sampler=own)

    with pytest.raises(ValueError, match=r"needs the metric 'correct' in epoch 0, .*override sample_metrics\(outputs"):
        trainer(WithoutClasses, make("-without", policy=keepset.Kakurenbo(), prune_rate=0.5)).train()
    own = make(policy=keepset.Kakurenbo(), prune_rate=0.5)
    assert trainer(WithMetrics, own).train().global_step == 20
    metrics = own.run.client.statistics(own.run_id).metrics
    assert set(metrics["correct"].tolist()) == set(metrics["confidence"].tolist()) == {0.25}


def test_a_training_that_stops_in_mid_epoch_scores_nothing_yet(make: Make, tmp_path: Path) -> None:
    own = make(policy=keepset.UCB(), prune_rate=0.5, score_left_out=True)
    trainer = make_trainer(own, tmp_path, callbacks=[StopAt(14)])
    trainer.train()
    assert own.epoch == 1 and own.run.info().progress.scored == 0


@pytest.mark.parametrize("scores_left_out", [False, True])
def test_the_mean_of_a_batch_is_all_that_is_known(make: Make, tmp_path: Path, scores_left_out: bool) -> None:
    settings: dict[str, Any] = {"score_source": "batch_loss", "batch_loss_momentum": 0.0}
    own = make(policy=keepset.UCB(), prune_rate=0.5, score_left_out=scores_left_out, **settings)
    trainer = make_trainer(own, tmp_path)
    trainer.sample_losses = None  # type: ignore[method-assign]  # a model whose samples have no loss of their own
    trainer.train()
    logs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    losses = own.run.client.statistics(own.run_id).last_losses
    last = trainer.trained[EPOCHS - 1][-4:]
    assert losses[last] == pytest.approx([logs[-1]] * 4, abs=1e-4)
    assert len(set(losses[last].tolist())) == 1
    assert own.run.info().progress.scored == (N if scores_left_out else 0)
