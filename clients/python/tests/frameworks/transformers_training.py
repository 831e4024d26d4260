"""What the tests of keepset.transformers train: small models, data made on the spot, and loops to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
    get_linear_schedule_with_warmup,
)

import keepset
from keepset.transformers import KeepsetTrainer
from keepset.transformers.train_loader import INDEX

N = 48
WORDS = 20
RATES = [(1, 0.75), (2, 0.25), (3, 0.5)]
"""Prune rates by epoch: with the first one, epochs of 48, 12, 36 and 24 samples: they shrink and grow."""
EPOCHS = 4


def make_data(count: int = N) -> Dataset:
    """Sentences of six words whose class is that of the first one, and a column that no model takes."""
    words = torch.randint(0, WORDS, (count, 6), generator=torch.Generator().manual_seed(1))
    return Dataset.from_dict(
        {"input_ids": words.tolist(), "labels": (words[:, 0] % 3).tolist(), "note": ["unused"] * count}
    )


def make_model(dropout: float = 0.0) -> PreTrainedModel:
    """The same small model each time."""
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=WORDS,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=8,
            num_labels=3,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )


def make_sampler(address: str, run_id: str, **settings: Any) -> keepset.Sampler:
    common = {"prune_rate": 0.5, "prune_rate_schedule": RATES, "epochs": EPOCHS, "selection_period": 1}
    return keepset.Sampler(settings.pop("count", N), address=address, run_id=run_id, **{**common, **settings})


def make_args(out: Path, **settings: Any) -> TrainingArguments:
    """Plain SGD without clipping, a log of each step, and no checkpoint unless it is asked for."""
    common = {
        "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.1,
        "optim": "sgd",
        "max_grad_norm": 0.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return TrainingArguments(str(out), **{**common, **settings})


class RecordingTrainer(KeepsetTrainer):
    """Keeps the samples that each epoch trained on, by the sampler's epoch and in their order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trained: dict[int, list[int]] = {}

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if INDEX in inputs:
            self.trained.setdefault(self.sampler.epoch, []).extend(inputs[INDEX].tolist())
        return super().compute_loss(model, inputs, *args, **kwargs)


class StopAt(TrainerCallback):
    """Ends the training after a step, saving a checkpoint there."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            control.should_save = control.should_training_stop = True


def train_plainly(
    sampler: keepset.Sampler,
    model: torch.nn.Module,
    data: Any,
    *,
    batch_size: int = 4,
    accumulation: int = 1,
    losses: Any = None,
) -> tuple[dict[int, list[int]], list[float]]:
    """The training that a KeepsetTrainer with `make_args` has to be equal to, as a loop by hand. Returns the samples of
    each epoch and the learning rate of each step.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = sampler.total_steps(batch_size) // accumulation
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    fields = data.remove_columns("note") if "note" in data.column_names else data
    collate = keepset.Collate(default_data_collator)
    loader = DataLoader(keepset.indexed(fields), batch_size=batch_size, sampler=sampler, collate_fn=collate)
    trained: dict[int, list[int]] = {}
    rates: list[float] = []
    model.train()
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        trained[epoch] = []
        for number, batch in enumerate(loader, 1):
            index = batch.pop("index")
            output = model(**{name: values for name, values in batch.items() if name != "labels"})
            each = (losses or _cross_entropy)(output.logits, batch["labels"])
            (sampler.report(index, each) / accumulation).backward()
            trained[epoch].extend(index.tolist())
            if number % accumulation == 0:
                rates.append(schedule.get_last_lr()[0])
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
    return trained, rates


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")
