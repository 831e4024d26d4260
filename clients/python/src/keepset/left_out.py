"""The forward pass over what an epoch left out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate  # pyright: ignore[reportUnknownVariableType]

from keepset.collation import Collate
from keepset.indexed_dataset import IndexedDataset, indexed
from keepset.sampler import Sampler
from keepset.scoring_order import scoring_order


def score_left_out(
    sampler: Sampler,
    dataset: Any,
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    *,
    batch_size: int = 256,
    collate_fn: Callable[[list[Any]], Any] = default_collate,
    num_workers: int = 0,
) -> int:
    """Scores the samples that the present epoch left out, if the sampler's run wants that: a forward pass without
    gradient, in eval mode, whose losses are reported. To be called on every rank after each epoch's training, and
    before a checkpoint of its end.

    ```python
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        train(loader)
        keepset.score_left_out(sampler, dataset, model, nn.CrossEntropyLoss(reduction="none"))
    ```

    Args:
        sampler: the one that the epoch was trained with.
        dataset: what it was made for; samples are pairs (x, y). One without augmentation has the same order.
        model: called with x, on the device of its first parameter. Each of its modules is then in the mode that it was
            in. That of DistributedDataParallel is taken out of it: the ranks need not meet. With FSDP they do: each
            makes equally many batches of one size, and scores a sample once more where it has one less.
        loss_fn: called with what the model answers and y; returns a loss for each sample, (B,).
        batch_size, collate_fn, num_workers: of the loader that is made; `collate_fn` never sees the index.

    Those of the metrics correct, confidence and el2n that the run has are made of the model's answers, (B, C). Samples
    of another kind: `sampler.scoring`. torch's random state is left as it is.

    Returns:
        How many samples this rank has scored, one more or less than another; 0 where nothing was to be.
    """
    inner = local_module(model)
    order = scoring_order(sampler, inner)
    if len(order) == 0:
        return 0
    positions = cast(Any, dataset if isinstance(dataset, IndexedDataset) else indexed(dataset))
    loader = _make_loader(order, positions, Collate(collate_fn), batch_size, num_workers)
    device = next((parameter.device for parameter in inner.parameters()), torch.device("cpu"))
    with evaluating(inner), torch.no_grad():
        for batch in loader:
            index, (x, y) = _pair(batch)
            x, y = (part.to(device, non_blocking=True) if isinstance(part, Tensor) else part for part in (x, y))
            output = inner(x)
            losses = loss_fn(output, y)
            _report(sampler, index, losses, output, y)
    return len(sampler.scoring)


def scoring_loader(sampler: Sampler, trained_on: Any, model: nn.Module) -> DataLoader[Any]:
    """Batches of what this rank is to score by `model`, made as those of the DataLoader `trained_on`."""
    order = scoring_order(sampler, model)
    batch_size = trained_on.batch_size or 1
    return _make_loader(order, trained_on.dataset, trained_on.collate_fn, batch_size, trained_on.num_workers)


def _make_loader(
    order: Iterable[int], dataset: Any, collate_fn: Any, batch_size: int, num_workers: int
) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=order,
        collate_fn=collate_fn,
        num_workers=num_workers,
        generator=torch.Generator(),  # torch's own stays as it is
    )


def _report(sampler: Sampler, index: Any, losses: Tensor, output: Any, y: Any) -> None:
    """Reports a batch of `sampler.scoring`, with what the run's metrics can be made of: logits (B, C), classes (B,)."""
    logits, targets = class_columns(output, y)
    if sampler.reports_batch_loss:
        losses = losses.mean()
    sampler.scoring.report(index, losses, logits=logits, targets=targets)


def class_columns(output: Any, y: Any) -> tuple[Tensor | None, Tensor | None]:
    """Logits and class indices, if they are such; else None for both."""
    if not isinstance(output, Tensor) or not isinstance(y, Tensor):
        return None, None
    is_class = output.ndim == 2 and y.shape == output.shape[:1] and not y.is_floating_point()
    return (output, y) if is_class else (None, None)


def _pair(batch: Any) -> tuple[Any, Any]:
    """Index and (x, y) of a batch."""
    if isinstance(batch, Mapping) or len(batch[1]) != 2:
        raise ValueError(
            "score_left_out takes samples that are pairs (x, y): for others make a loader with "
            "sampler=sampler.scoring, and call sampler.scoring.report(index, losses) for each batch"
        )
    return batch


def local_module(model: nn.Module) -> nn.Module:
    """The model without DistributedDataParallel, whose forward pass in eval mode may meet the other ranks' too."""
    is_distributed = isinstance(model, nn.parallel.DistributedDataParallel)
    return cast(nn.Module, cast(Any, model).module) if is_distributed else model


@contextmanager
def evaluating(model: nn.Module) -> Generator[None]:
    """Every module in eval mode, and then in the one that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
