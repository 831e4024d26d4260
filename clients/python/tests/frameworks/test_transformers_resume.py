"""Checkpoints of the Hugging Face Trainer: a training that goes on is the one that nothing happened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers_training import RecordingTrainer, StopAt, make_args, make_data, make_model, make_sampler

from support.sampler_process import SamplerProcess

Train = Callable[..., RecordingTrainer]


@pytest.fixture
def train(sampler: SamplerProcess, run_id: str, tmp_path: Path) -> Iterator[Train]:
    """Trains from the start or from a checkpoint, in a run of this test, `twin` in another one. With dropout: the
    random state has to be right, too.
    """
    with ExitStack() as stack:

        def go(*, twin: bool = False, resume: Any = None, stop: int = 0, **settings: Any) -> RecordingTrainer:
            own = {"multiple": 1, "export_sampler": False, "address": sampler.address}
            own |= {name: settings.pop(name) for name in own if name in settings}
            one = make_sampler(own["address"], run_id + "-twin" * twin, position_multiple=own["multiple"])
            stack.callback(one.close)
            trainer = RecordingTrainer(
                model=make_model(dropout=0.2),
                args=make_args(tmp_path / ("twin" if twin else "out"), **settings),
                train_dataset=make_data(),
                eval_dataset=make_data(8),
                sampler=one,
                export_sampler=own["export_sampler"],
                callbacks=[StopAt(stop)],
            )
            trainer.train(resume_from_checkpoint=resume)
            return trainer

        yield go


def check_goes_on(before: RecordingTrainer, after: RecordingTrainer, undisturbed: RecordingTrainer) -> None:
    """Before and after the break the same samples, steps and weights as without it."""
    epochs = undisturbed.trained
    assert {epoch: before.trained.get(epoch, []) + after.trained.get(epoch, []) for epoch in epochs} == epochs
    assert after.state.global_step == after.state.max_steps == undisturbed.state.global_step
    logs = [[entry for entry in trainer.state.log_history if "loss" in entry] for trainer in (after, undisturbed)]
    for one, other in zip(*logs, strict=True):
        assert {**one, "loss": 0, "grad_norm": 0} == {**other, "loss": 0, "grad_norm": 0}
    weights = undisturbed.model.state_dict()
    assert all(torch.equal(values, weights[name]) for name, values in after.model.state_dict().items())


@pytest.mark.parametrize("stop", [5, 12, 13, 15], ids="step {}".format)
def test_goes_on_from_any_step(train: Train, stop: int) -> None:
    """Steps 12 and 15 are the ends of the first two epochs."""
    undisturbed = train(twin=True)
    before = train(stop=stop)
    assert before.state.global_step == stop
    check_goes_on(before, train(resume=True), undisturbed)


def test_goes_on_from_the_checkpoint_of_an_epoch(train: Train, tmp_path: Path) -> None:
    options = {"save_strategy": "epoch", "eval_strategy": "epoch"}
    undisturbed = train(twin=True, **options)
    before = train(**options)
    after = train(resume=tmp_path / "out" / "checkpoint-15", **options)
    assert sorted(after.trained) == [2, 3]
    before.trained = {epoch: before.trained[epoch] for epoch in (0, 1)}
    check_goes_on(before, after, undisturbed)


def test_goes_on_in_mid_epoch_with_accumulation(train: Train) -> None:
    options = {"gradient_accumulation_steps": 3, "multiple": 12}
    undisturbed = train(twin=True, **options)
    before = train(stop=6, **options)
    assert [len(samples) for samples in before.trained.values()] == [48, 12, 12]
    check_goes_on(before, train(resume=True, **options), undisturbed)


def test_goes_on_with_workers_and_without_last_batches(train: Train) -> None:
    options = {"per_device_train_batch_size": 5, "dataloader_drop_last": True, "dataloader_num_workers": 1}
    undisturbed = train(twin=True, **options)
    before = train(stop=9, **options)  # the end of epoch 0, which has three samples more
    check_goes_on(before, train(resume=True, **options), undisturbed)


def test_an_exported_state_goes_on_in_mid_epoch_after_the_run_has_gone_on(train: Train, tmp_path: Path) -> None:
    undisturbed = train(twin=True)
    before = train(export_sampler=True, save_strategy="steps", save_steps=13)
    before.trained = {0: before.trained[0], 1: before.trained[1][:4]}
    check_goes_on(before, train(resume=tmp_path / "out" / "checkpoint-13"), undisturbed)


def test_an_exported_state_goes_on_with_another_sampler(train: Train) -> None:
    undisturbed = train(twin=True)
    before = train(export_sampler=True, stop=13)
    with SamplerProcess() as another:
        after = train(resume=True, address=another.address)
        check_goes_on(before, after, undisturbed)
        after.sampler.close()


@pytest.mark.parametrize("max_steps", [-1, 13])
def test_a_training_that_is_over_makes_no_more_steps(train: Train, max_steps: int) -> None:
    options = {"max_steps": max_steps, "save_strategy": "steps", "save_steps": 500}
    done = train(**options)
    again = train(resume=True, **options)
    assert again.state.global_step == done.state.global_step
    assert again.trained == {}


def test_the_file_is_plain(train: Train, tmp_path: Path) -> None:
    train(stop=13, export_sampler=True)
    state = torch.load(tmp_path / "out" / "checkpoint-13" / "keepset.pt", weights_only=True)
    assert (state["epoch"], state["position"], state["export"].dtype) == (1, 4, torch.uint8)


def test_a_checkpoint_of_another_trainer_is_refused(train: Train, tmp_path: Path) -> None:
    train(stop=5)
    (tmp_path / "out" / "checkpoint-5" / "keepset.pt").unlink()
    with pytest.raises(ValueError, match=r"checkpoint-5 has no keepset.pt.*not saved by a KeepsetTrainer"):
        train(resume=True)
    with pytest.raises(ValueError, match="No valid checkpoint found"):
        train(twin=True, resume=True)
