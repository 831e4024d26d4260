"""What the Trainer reads its batches from: a loader of no length, which knows by itself which epoch comes next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch.utils.data import DataLoader

from keepset.accelerate import PreparedLoader
from keepset.collation import Collate
from keepset.left_out import scoring_loader

INDEX = "keepset_index"
"""The name under which a batch carries the indices of its samples."""


class TrainLoader:
    """Gives the batches of one epoch after the other, one each time that it is iterated.

    The Trainer would take a loader's length for that of all epochs, and tell it its own count of epochs, which begins
    anew after a checkpoint: this one has neither `__len__` nor `set_epoch`.

    Args:
        plain: the loader as it was made.
        prepared: the same for accelerate.
        epochs: how many there are.
        generator: the plain loader's own, from which its workers are seeded: torch's stays as a checkpoint has it.
        seed: key of what the workers draw.
        state: the sampler's state to begin with.

    Attributes: sampler, the `keepset.Sampler`; dataset, the data set that is read; epochs.
    """

    def __init__(
        self,
        plain: DataLoader[Any],
        prepared: PreparedLoader,
        *,
        epochs: int,
        generator: torch.Generator,
        seed: int,
        state: Mapping[str, Any],
    ) -> None:
        self.sampler = prepared.sampler
        self.dataset = prepared.dataset
        self.epochs = epochs
        self._plain = plain
        self._prepared = prepared
        self._generator = generator
        self._seed = seed
        self._state = state
        self._is_over = False
        self._is_begun = False
        self._left = 0
        self._batches = 1

    def begin(self, *, is_over: bool) -> None:
        """Takes the sampler to where the training begins. `is_over`: it has all its steps already."""
        self.sampler.load_state_dict(self._state)
        self._is_over = is_over
        self._is_begun = False

    def __iter__(self) -> Iterator[Any]:
        """The batches of the sampler's present epoch, the first time, or else of the next one; in an epoch that goes
        on after a checkpoint, those that are left. None after the last epoch.
        """
        sampler = self.sampler
        # A checkpoint at the end of an epoch has nothing left in it.
        if self._is_begun or len(self._prepared) == 0:
            sampler.set_epoch(sampler.epoch + 1)
        self._is_begun = True
        if self._is_over or sampler.epoch >= self.epochs:
            return
        self._generator.manual_seed(self._seed + sampler.epoch * sampler.world_size + sampler.rank)
        self._batches = self._batches_in(sampler.plan.position_count)
        self._left = len(self._prepared)
        for batch in self._prepared:
            self._left -= 1
            yield batch

    def scoring(self, model: torch.nn.Module) -> DataLoader[Any]:
        """Batches of what this rank is to score by `model` after the sampler's present epoch, made as the others."""
        return scoring_loader(self.sampler, self._plain, model)

    @property
    def is_at_end(self) -> bool:
        """Whether all batches of the epoch were handed out."""
        return self._left == 0

    @property
    def epochs_done(self) -> float:
        """Epochs trained so far, with the share of the present one, once all batches handed out are trained."""
        return self.sampler.epoch + 1 - self._left / self._batches

    def _batches_in(self, positions: int) -> int:
        batch_size = self._plain.batch_size or 1
        return positions // batch_size if self._plain.drop_last else -(-positions // batch_size)


class TrainCollate(Collate):
    """A collate function around the Trainer's data collator: the batch is a plain dict, with the index in it."""

    def __init__(self, data_collator: Any) -> None:
        super().__init__(data_collator, key=INDEX)

    def __call__(self, items: Sequence[Any]) -> dict[str, Any]:
        batch = super().__call__(items)
        fields: dict[str, Any] = {INDEX: batch[0]} if isinstance(batch, tuple) else {}
        content = cast(object, batch[1] if fields else batch)
        if not isinstance(content, Mapping):
            raise TypeError(
                f"data_collator made a {type(content).__name__}: a model of transformers takes a dict of named inputs"
            )
        # BatchEncoding.to() of older versions drops what is no tensor.
        return {**content, **fields}
