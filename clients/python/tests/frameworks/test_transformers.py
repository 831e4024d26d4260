"""The Hugging Face Trainer in one process: lengths, steps, gradients, evaluation and logs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback
from transformers_training import (
    EPOCHS,
    RATES,
    N,
    RecordingTrainer,
    make_args,
    make_data,
    make_model,
    make_sampler,
    train_plainly,
)

import keepset
from keepset.transformers import KeepsetTrainer
from support.sampler_process import SamplerProcess

KEPT = [48, 12, 36, 24]
STEPS = sum(KEPT) // 4

Make = Callable[..., keepset.Sampler]


@pytest.fixture
def make(sampler: SamplerProcess, run_id: str) -> Iterator[Make]:
    """Makes a sampler of this test's run, or of another one that a suffix names."""
    with ExitStack() as stack:

        def make_one(suffix: str = "", **settings: Any) -> keepset.Sampler:
            made = make_sampler(sampler.address, run_id + suffix, **settings)
            stack.callback(made.close)
            return made

        yield make_one


def make_trainer(sampler: keepset.Sampler, out: Path, /, **settings: Any) -> RecordingTrainer:
    """A trainer; `settings` are of TrainingArguments, or of the trainer where it knows them."""
    given = {"model": make_model(), "train_dataset": make_data(), "eval_dataset": None}
    others = ("model", "train_dataset", "eval_dataset", "callbacks", "data_collator", "compute_loss_func")
    given |= {name: settings.pop(name) for name in others if name in settings}
    return RecordingTrainer(args=make_args(out, **settings), sampler=sampler, **given)


@pytest.mark.parametrize("accumulation", [1, 3])
def test_trains_as_a_loop_by_hand(make: Make, tmp_path: Path, accumulation: int) -> None:
    multiple = {"position_multiple": 4 * accumulation}
    trainer = make_trainer(make(**multiple), tmp_path, gradient_accumulation_steps=accumulation)
    trainer.train()
    model = make_model()
    trained, rates = train_plainly(make("-by-hand", **multiple), model, make_data(), accumulation=accumulation)
    assert trainer.trained == trained
    assert [len(samples) for samples in trained.values()] == KEPT
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert [entry["learning_rate"] for entry in logs] == pytest.approx(rates, rel=1e-9)
    for name, parameter in model.state_dict().items():
        torch.testing.assert_close(trainer.model.state_dict()[name], parameter, msg=name)


def test_steps_and_epochs_are_exact(make: Make, tmp_path: Path) -> None:
    trainer = make_trainer(make(), tmp_path)
    output = trainer.train()
    state = trainer.state
    assert (output.global_step, state.max_steps, state.num_train_epochs) == (STEPS, STEPS, EPOCHS)
    logs = [entry for entry in state.log_history if "loss" in entry]
    expected = [epoch + (step + 1) * 4 / kept for epoch, kept in enumerate(KEPT) for step in range(kept // 4)]
    assert [entry["epoch"] for entry in logs] == pytest.approx(expected)
    by_epoch = {entry["epoch"]: entry for entry in logs}
    assert [by_epoch[epoch]["kept_fraction"] for epoch in (1, 2, 3, 4)] == [1, 0.25, 0.75, 0.5]
    assert [by_epoch[epoch]["saving"] for epoch in (1, 2, 3, 4)] == pytest.approx([0, 0.375, 1 / 3, 0.375])


def test_every_loss_is_recorded_when_it_ends(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = make()
    flush, flushed_in = own.flush, list[int]()
    monkeypatch.setattr(own, "flush", lambda: (flushed_in.append(own.epoch), flush()))
    make_trainer(own, tmp_path).train()
    assert flushed_in == [EPOCHS - 1]
    assert own.run.info().progress.observations == sum(KEPT)


def test_asks_for_the_batches_that_there_are(make: Make, tmp_path: Path) -> None:
    class Counting(RecordingTrainer):
        asked = 0

        def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            return super().get_batch_samples(*args, **kwargs)

    trainer = Counting(model=make_model(), args=make_args(tmp_path), train_dataset=make_data(), sampler=make())
    trainer.train()
    assert trainer.asked == STEPS, "and not those of all epochs in each one"


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 6), (1.5, 14), (2.01, 16)])
def test_a_last_epoch_in_part(make: Make, tmp_path: Path, epochs: float, steps: int) -> None:
    whole = math.ceil(epochs)
    sampler = make(epochs=whole, prune_rate_schedule=RATES[: whole - 1])
    trainer = make_trainer(sampler, tmp_path, num_train_epochs=epochs)
    assert trainer.train().global_step == steps


def test_max_steps_are_kept(make: Make, tmp_path: Path) -> None:
    trainer = make_trainer(make(), tmp_path, max_steps=13)
    assert trainer.train().global_step == 13
    assert [len(samples) for samples in trainer.trained.values()] == [48, 4]
    with pytest.raises(ValueError, match=r"max_steps is 31, but the sampler's 4 epochs have 30 steps only"):
        make_trainer(make(), tmp_path, max_steps=31).train()


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({"eval_strategy": "epoch"}, [1, 2, 3, 4]),
        ({"eval_strategy": "steps", "eval_steps": 10}, [10 / 12, 2 + 5 / 9, 4]),
        ({"eval_strategy": "steps", "eval_steps": 0.5, "eval_on_start": True}, [0, 2, 4]),
    ],
)
def test_evaluates_when_it_is_asked_to(make: Make, tmp_path: Path, settings: Any, epochs: list[float]) -> None:
    trainer = make_trainer(make(), tmp_path, eval_dataset=make_data(8), **settings)
    trainer.train()
    evaluations = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert [entry["epoch"] for entry in evaluations] == pytest.approx(epochs)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(evaluations[-1]["eval_loss"])


class Watch(TrainerCallback):
    """What a user's callback sees, which skips the rest of epoch 2."""

    def __init__(self) -> None:
        self.epochs: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.epochs.append(state.epoch)
        control.should_epoch_stop = control.should_epoch_stop or state.epoch == pytest.approx(2 + 3 / 9)


def test_a_callback_sees_the_epochs_and_may_cut_one_short(make: Make, tmp_path: Path) -> None:
    watch = Watch()
    trainer = make_trainer(make(), tmp_path, callbacks=[watch])
    trainer.train()
    assert watch.epochs[11] == 1
    assert [len(samples) for samples in trainer.trained.values()] == [48, 12, 12, 24]
    assert trainer.state.epoch == 4


def test_a_callback_may_look_at_the_train_loader(make: Make, tmp_path: Path) -> None:
    class Look(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            assert trainer.get_train_dataloader().dataset[0]["labels"] is not None

    trainer = make_trainer(make(), tmp_path, callbacks=[Look()])
    trainer.train()
    assert [len(samples) for samples in trainer.trained.values()] == KEPT


def test_trains_again_from_the_start(make: Make, tmp_path: Path) -> None:
    """With the arguments as they were: the second sampler's epochs are longer."""
    args = make_args(tmp_path)
    first = RecordingTrainer(model=make_model(), args=args, train_dataset=make_data(), sampler=make())
    first.train()
    assert (args.max_steps, args.ignore_data_skip) == (-1, False)
    trained, first.trained = first.trained, {}
    first.model.load_state_dict(make_model().state_dict())
    assert first.train().global_step == STEPS
    assert first.trained == trained
    whole = make("-whole", policy=keepset.Full(), prune_rate=0, prune_rate_schedule=[])
    second = KeepsetTrainer(model=make_model(), args=args, train_dataset=make_data(), sampler=whole)
    assert second.train().global_step == EPOCHS * N // 4


def test_begins_anew_where_a_batch_did_not_fit_into_memory(make: Make, tmp_path: Path) -> None:
    class OutOfMemory(RecordingTrainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(model, inputs, *args, **kwargs)
            if len(inputs["labels"]) == 4 and self.sampler.epoch == 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return loss

    args = make_args(tmp_path, auto_find_batch_size=True)
    trainer = OutOfMemory(model=make_model(), args=args, train_dataset=make_data(), sampler=make())
    trainer.trained = {}
    output = trainer.train()
    batch_size = trainer._train_batch_size
    assert batch_size < 4
    assert output.global_step == sum(-(-kept // batch_size) for kept in KEPT)
    assert len(trainer.trained[3]) == 24


def test_workers_and_a_last_batch_that_is_left_out(make: Make, tmp_path: Path) -> None:
    options = {"per_device_train_batch_size": 5, "dataloader_drop_last": True, "dataloader_num_workers": 1}
    trainer = make_trainer(make(), tmp_path, **options)
    trainer.train()
    assert [len(samples) for samples in trainer.trained.values()] == [45, 10, 35, 20]
    assert trainer.state.epoch == 4


class Pairs(torch.utils.data.Dataset[Any]):
    """A data set that is none of `datasets`, of samples that are no dicts."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        sample = make_data()[index]
        return sample["input_ids"], sample["labels"]


def test_samples_of_any_kind(make: Make, tmp_path: Path) -> None:
    def collate(pairs: list[Any]) -> dict[str, Any]:
        words, labels = zip(*pairs, strict=True)
        return {"input_ids": torch.tensor(words), "labels": torch.tensor(labels)}

    settings: dict[str, Any] = {"train_dataset": Pairs(), "remove_unused_columns": False}
    trainer = make_trainer(make(), tmp_path, data_collator=collate, max_steps=12, **settings)
    trainer.train()
    assert sorted(trainer.trained[0]) == list(range(N))
    with pytest.raises(TypeError, match="data_collator made a tuple"):
        make_trainer(make(), tmp_path, data_collator=tuple, max_steps=1, **settings).train()


@pytest.mark.parametrize(
    ("of_sampler", "settings", "said"),
    [
        ({}, {"label_smoothing_factor": 0.1}, r"label_smoothing_factor.*sample_losses"),
        ({}, {"compute_loss_func": len}, r"compute_loss_func.*override sample_losses"),
        ({}, {"gradient_accumulation_steps": 3}, r"Make it keepset.Sampler\(position_multiple=12\)"),
        ({}, {"num_train_epochs": 3}, r"num_train_epochs is 3, the sampler has epochs=4"),
        ({"count": 49}, {}, r"train_dataset has 48 samples, the sampler was made for 49"),
    ],
)
def test_refuses_what_would_not_be_exact(make: Make, tmp_path: Path, of_sampler: Any, settings: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_trainer(make(**of_sampler), tmp_path, **settings).train()


def test_refuses_a_sampler_without_epochs(sampler: SamplerProcess, run_id: str, tmp_path: Path) -> None:
    endless = keepset.InfiniteSampler(N, batch_size=4, address=sampler.address, run_id=run_id)
    with pytest.raises(ValueError, match=r"use keepset\.Sampler"):
        make_trainer(endless, tmp_path)
