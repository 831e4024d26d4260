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


def test_a_training_that_stops_in_mid_epoch_scores_nothing_yet(make: Make, tmp_path: Path) -> None:
    own = make(policy=keepset.UCB(), prune_rate=0.5, score_left_out=True)
    trainer = make_trainer(own, tmp_path, callbacks=[StopAt(14)])
    trainer.train()
    assert own.epoch == 1 and own.run.info().progress.scored == 0


def test_the_mean_of_a_batch_is_all_that_is_known(make: Make, tmp_path: Path) -> None:
    own = make(policy=keepset.UCB(), prune_rate=0.5, score_source="batch_loss", batch_loss_momentum=0.0)
    trainer = make_trainer(own, tmp_path)
    trainer.sample_losses = None  # type: ignore[method-assign]  # a model whose samples have no loss of their own
    trainer.train()
    logs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    losses = own.run.client.statistics(own.run_id).last_losses
    last = trainer.trained[EPOCHS - 1][-4:]
    assert losses[last] == pytest.approx([logs[-1]] * 4, abs=1e-4)
    assert len(set(losses[last].tolist())) == 1
