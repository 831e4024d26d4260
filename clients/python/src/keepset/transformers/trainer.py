# transformers has no stubs, and its own types are partial.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""A Trainer of transformers that trains on a run's plans."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, Trainer
from transformers.trainer_utils import get_last_checkpoint

from keepset.accelerate import prepare_unregistered
from keepset.batch_columns import MissingMetricError
from keepset.indexed_dataset import indexed
from keepset.infinite_sampler import InfiniteSampler
from keepset.left_out import class_columns, evaluating, local_module
from keepset.sampler import Sampler
from keepset.transformers.epoch_callback import EpochCallback
from keepset.transformers.head_losses import HeadLoss, find_head_loss, logits_and_loss, next_tokens
from keepset.transformers.steps import count_steps
from keepset.transformers.train_loader import INDEX, TrainCollate, TrainLoader

_STATE_FILE = "keepset.pt"


class KeepsetTrainer(Trainer):
    """A `Trainer` whose epochs are those of a `keepset.Sampler`.

    ```python
    sampler = keepset.Sampler(dataset, prune_rate=0.5, epochs=3, position_multiple=8 * 4)
    args = TrainingArguments(
        "out", num_train_epochs=3, per_device_train_batch_size=8, gradient_accumulation_steps=4
    )
    KeepsetTrainer(model=model, args=args, train_dataset=dataset, sampler=sampler).train()
    ```

    It is a mixin, too: `class MyTrainer(KeepsetTrainer, Seq2SeqTrainer)`.

    Optimizer steps, learning rate and progress bar are exact from the start, though epochs have different lengths;
    evaluation, logging and saving happen as asked. Logs of the training have `kept_fraction` and `saving`. A
    checkpoint holds the sampler's state: `train(resume_from_checkpoint=...)` goes on exactly, in mid-epoch too.

    Where the policy has what an epoch leaves out scored, that happens with the epoch's last step. The metrics correct,
    confidence and el2n are made of the model's logits, where these are of classes; `sample_metrics` has others. A
    plan's `learning_rate_factor` is in each step, and in no log and no scheduler: `keepset.ScaledRates`. Policies that
    decide themselves how many samples an epoch keeps need `max_steps`.

    What is trained is the mean of the `sample_losses` of each batch, which is the model's own loss where all samples
    of a batch have equally many labels. In language models with texts of different lengths each text counts alike,
    and not each token.

    Args:
        args, kwargs: those of Trainer. `train_dataset` has a length and samples by position.
        sampler: made for `train_dataset`, with `epochs=` num_train_epochs, or more steps than max_steps. With
            gradient accumulation `position_multiple=` batch size x accumulation steps: every step is whole. It takes
            the place of the Trainer's sampling strategies.
        export_sampler: checkpoints carry the run's whole state, about 30 bytes a sample, so that the training can go
            on with another sampler, on another machine.

    Raises:
        ValueError: label_smoothing_factor or compute_loss_func, which give no loss of each sample; settings of the
            sampler that do not fit; here, or when the training begins.
    """

    def __init__(self, *args: Any, sampler: Sampler, export_sampler: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(sampler, InfiniteSampler):
            raise ValueError("KeepsetTrainer counts epochs: use keepset.Sampler")
        if self.args.label_smoothing_factor:
            raise ValueError(
                "label_smoothing_factor needs the loss of a whole batch: leave it 0, and override "
                "sample_losses(outputs, inputs) with F.cross_entropy(..., label_smoothing=, reduction='none')"
            )
        if getattr(self, "compute_loss_func", None) is not None:
            raise ValueError(
                "compute_loss_func gives one loss for a whole batch: override sample_losses(outputs, inputs) instead"
            )
        self.sampler = sampler
        self._exports_sampler = export_sampler
        self._start = {**sampler.state_dict(), "epoch": 0, "position": 0, "digest": ""}
        self._resumed_from: str | None = None
        self._asked_max_steps: int | None = None
        self._head_loss: HeadLoss | None = None
        # The loss is a batch's mean: to be divided by the accumulation steps, not by what counts in their batches.
        self.model_accepts_loss_kwargs = False
        self._latest_loader: TrainLoader | None = None
        # The first of all, so that the others see what it mends.
        self.callback_handler.callbacks.insert(0, EpochCallback(lambda: self._latest_loader, self._score_left_out))

    def sample_losses(self, outputs: Any, inputs: Mapping[str, Any]) -> Tensor:
        """The training loss of each sample of a batch, to override for models whose loss is another one.

        Takes the loss whose mean the model itself told of the first batch: cross entropy of a class for each sample or
        token, of the next token, squared error, binary cross entropy of several labels.

        Args:
            outputs: what the model answered.
            inputs: what it got, labels included.

        Returns:
            (B,) floating, un-reduced and differentiable: `keepset.per_sample` and `keepset.per_object` bring other
            shapes to this one.
        """
        logits, own_loss = logits_and_loss(outputs)
        labels = inputs.get("labels")
        if logits is None or labels is None:
            missing = "labels" if labels is None else "logits"
            raise ValueError(f"the batch has no {missing}: override sample_losses(outputs, inputs) of KeepsetTrainer")
        if self._head_loss is None:
            self._head_loss = find_head_loss(logits, labels, own_loss)
        return self._head_loss(logits, labels).losses

    def sample_metrics(self, outputs: Any, inputs: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Further columns of a batch, (B,) each, by name, to override: metrics that the sampler has or its policy
        needs, and which cannot be made of the logits (B, C) and labels (B,) of classes.

        Args:
            outputs, inputs: as those of `sample_losses`.
        """
        return {}

    # What the Trainer calls.

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `Trainer.train`: from the start of the run, or on from a checkpoint that a KeepsetTrainer saved."""
        found = resume_from_checkpoint
        if found is True:
            found = get_last_checkpoint(self.args.output_dir)
        self._resumed_from = os.fspath(found) if found else None
        asked = self.args.max_steps, self.args.ignore_data_skip
        self._asked_max_steps = self.args.max_steps
        self.args.ignore_data_skip = True  # the sampler goes on by itself
        try:
            return super().train(self._resumed_from or resume_from_checkpoint, *args, **kwargs)
        finally:
            # The arguments stay the user's: another trainer with them has another number of steps.
            self.args.max_steps, self.args.ignore_data_skip = asked
            self._asked_max_steps = self._resumed_from = None

    def get_train_dataloader(self) -> Any:
        """The loader of all epochs, one each time that it is iterated."""
        if self.train_dataset is None:
            raise ValueError("KeepsetTrainer: training requires a train_dataset.")
        self._check_size()
        args, sampler = self.args, self.sampler
        batch_size: int = self._train_batch_size
        steps = count_steps(
            sampler,
            batch_size=batch_size,
            accumulation=args.gradient_accumulation_steps,
            drop_last=args.dataloader_drop_last,
            epochs=args.num_train_epochs,
            max_steps=args.max_steps if self._asked_max_steps is None else self._asked_max_steps,
        )
        if self._asked_max_steps is not None:  # the Trainer reads it next
            args.max_steps = steps.steps
        dataset, data_collator = self._without_unused_columns()
        generator = torch.Generator()
        plain: DataLoader[Any] = DataLoader(
            indexed(dataset, key=INDEX),
            batch_size=batch_size,
            sampler=sampler,
            collate_fn=TrainCollate(data_collator),
            drop_last=args.dataloader_drop_last,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            multiprocessing_context=getattr(args, "dataloader_multiprocessing_context", None),
            generator=generator,
        )
        seed = args.seed if args.data_seed is None else args.data_seed
        prepared = prepare_unregistered(self.accelerator, plain)
        state = self._state_to_begin_with()
        self._latest_loader = TrainLoader(
            plain, prepared, epochs=steps.epochs, generator=generator, seed=seed, state=state
        )
        return self._latest_loader

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """In training the mean of `sample_losses`, weighted where the sampler has weights, which are handed to the
        sampler; else as `Trainer.compute_loss`, also where the sampler takes the mean loss of a batch.
        """
        if INDEX not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        inputs = dict(inputs)
        index = inputs.pop(INDEX)
        losses, outputs = self._losses(model, inputs)
        columns = self._columns(outputs, inputs)
        with _telling_what_to_override():
            loss = self.sampler.report(index, losses, **columns)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """As `Trainer.log`; logs of the training get `kept_fraction` and `saving`."""
        if "loss" in logs:
            logs |= {"kept_fraction": self.sampler.kept_fraction, "saving": self.sampler.saving}
        super().log(logs, *args, **kwargs)

    def _save_rng_state(self, output_dir: str) -> None:
        # Called on every rank for each checkpoint that can be resumed, before the file that makes it one.
        super()._save_rng_state(output_dir)
        self.sampler.flush()
        self.accelerator.wait_for_everyone()  # then no rank's losses are on their way
        if self.args.should_save:
            torch.save(self.sampler.state_dict(export=self._exports_sampler), os.path.join(output_dir, _STATE_FILE))

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Any]:
        """What the sampler takes as the losses of a batch, and what the model answered."""
        if self.sampler.reports_batch_loss:
            return cast(tuple[Tensor, Any], super().compute_loss(model, inputs, return_outputs=True))
        given = {name: values for name, values in inputs.items() if name != "labels"}
        outputs = model(**(inputs if self._needs_labels() else given))
        return self.sample_losses(outputs, inputs), outputs

    def _columns(self, outputs: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What is reported of a batch beside its losses."""
        logits, targets = class_columns(logits_and_loss(outputs)[0], inputs.get("labels"))
        return {"metrics": self.sample_metrics(outputs, inputs), "logits": logits, "targets": targets}

    def _score_left_out(self, loader: TrainLoader) -> None:
        """Has scored what the present epoch left out, where the policy wants that."""
        if not self.sampler.scores_left_out:
            return
        wrapped: Any = self.model_wrapped
        model = local_module(wrapped)
        with evaluating(model), torch.no_grad(), self.compute_loss_context_manager(), _telling_what_to_override():
            for batch in loader.scoring(model):
                inputs = dict(self._prepare_inputs(batch))
                index = inputs.pop(INDEX)
                losses, outputs = self._losses(model, inputs)
                self.sampler.scoring.report(index, losses, **self._columns(outputs, inputs))

    def _needs_labels(self) -> bool:
        """Whether the model has to get them. A causal language model would compute its loss of them once more, which
        for large vocabularies takes much memory.
        """
        return not (isinstance(self.model, PreTrainedModel) and self._head_loss is next_tokens)

    def _state_to_begin_with(self) -> dict[str, Any]:
        if self._resumed_from is None:
            return self._start
        file = os.path.join(self._resumed_from, _STATE_FILE)
        if not os.path.exists(file):
            raise ValueError(
                f"{self._resumed_from} has no {_STATE_FILE}: it was not saved by a KeepsetTrainer, or with "
                "save_only_model=True. Train from the start, with model weights from there"
            )
        return torch.load(file, map_location="cpu", weights_only=True)

    def _without_unused_columns(self) -> tuple[Any, Any]:
        """Data set and collator, one of them without what the model does not take, as the Trainer does it."""
        dataset: Any = self.train_dataset
        if type(dataset).__module__.split(".")[0] == "datasets":
            return self._remove_unused_columns(dataset, description="training"), self.data_collator
        return dataset, self._get_collator_with_removed_columns(self.data_collator, description="training")

    def _check_size(self) -> None:
        dataset: Any = self.train_dataset
        count = self.sampler.lengths.sample_count
        if hasattr(dataset, "__len__") and len(dataset) != count:
            raise ValueError(
                f"train_dataset has {len(dataset)} samples, the sampler was made for {count}: make it for the very "
                "data set that is trained on"
            )


@contextmanager
def _telling_what_to_override() -> Generator[None]:
    """The remedy for a missing metric that is one for who reports nothing himself."""
    try:
        yield
    except MissingMetricError as error:
        raise ValueError(
            f"{error.need}, which is made of logits (B, C) and labels (B,) of classes, and this model has others: "
            "override sample_metrics(outputs, inputs) of KeepsetTrainer, or take a policy that does without"
        ) from error
