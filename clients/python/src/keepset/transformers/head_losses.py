"""The un-reduced losses of the usual heads of transformers' models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from keepset.losses import per_sample

_IGNORED = -100
"""The label of what does not count, in transformers."""


class HeadLosses(NamedTuple):
    """Losses of a batch."""

    losses: Tensor
    """(B,), differentiable, float32 at least: a sample's own mean where it has several."""
    counts: Tensor
    """(B,): of how many losses each is the mean."""

    def mean(self) -> Tensor:
        """What a model tells as its loss: the mean over all that counts in the batch."""
        return (self.losses * self.counts).sum() / self.counts.sum()


HeadLoss = Callable[[Tensor, Tensor], HeadLosses]
"""Makes them of the logits and labels of a batch."""


def classes(logits: Tensor, labels: Tensor) -> HeadLosses:
    """Cross entropy of a class for each sample, or for each of its tokens: logits (B, C) or (B, T, C)."""
    rows = logits.float().reshape(-1, logits.shape[-1])
    losses = F.cross_entropy(rows, labels.reshape(-1).long(), ignore_index=_IGNORED, reduction="none")
    counts = labels != _IGNORED
    return HeadLosses(per_sample(losses.reshape(labels.shape), mask=counts), counts.reshape(len(labels), -1).sum(1))


def next_tokens(logits: Tensor, labels: Tensor) -> HeadLosses:
    """Cross entropy of each token, found from those before it, as in causal language models: logits (B, T, C)."""
    return classes(logits, F.pad(labels, (0, 1), value=_IGNORED)[:, 1:])  # the logits, which are large, stay in place


def squared_error(logits: Tensor, labels: Tensor) -> HeadLosses:
    """Of one number for each sample, or several."""
    return _means(F.mse_loss(logits.float(), labels.float().reshape(logits.shape), reduction="none"))


def several_labels(logits: Tensor, labels: Tensor) -> HeadLosses:
    """Binary cross entropy of each of several labels: both (B, C)."""
    return _means(F.binary_cross_entropy_with_logits(logits.float(), labels.float(), reduction="none"))


def logits_and_loss(outputs: Any) -> tuple[Tensor | None, Tensor | None]:
    """Logits and own loss of what a model answered: a mapping, or a tuple with the loss first."""
    if isinstance(outputs, Mapping):
        fields = cast(Mapping[str, Any], outputs)
        return fields.get("logits"), fields.get("loss")
    parts = cast(Sequence[Any], outputs if isinstance(outputs, Sequence) else ())
    return (parts[1], parts[0]) if len(parts) > 1 else (None, None)


def find_head_loss(logits: Tensor, labels: Tensor, own_loss: Tensor | None) -> HeadLoss:
    """The loss whose mean is the model's own.

    own_loss: what the model told as the loss of the same batch; None where it tells none.

    Raises ValueError where no loss, or more than one, can be it.
    """
    fitting = _fitting(logits, labels)
    if own_loss is None:
        found = fitting
    else:
        own = own_loss.detach().float().mean()
        # A model in half precision rounds its loss; others compute the same numbers.
        tolerance = 1e-4 if own_loss.dtype in (torch.float32, torch.float64) else 1e-2
        with torch.no_grad():
            means = {loss: loss(logits, labels).mean() for loss in fitting}
        found = [loss for loss, mean in means.items() if torch.isclose(mean, own, rtol=tolerance, atol=1e-6)]
    if len(found) == 1:
        return found[0]
    told = "no loss of its own" if own_loss is None else f"{own_loss.detach().float().mean().item():.6g} as its loss"
    raise ValueError(
        f"which loss each sample has is not known: logits have the shape {tuple(logits.shape)}, labels "
        f"{tuple(labels.shape)}, and the model tells {told}, which is not the mean of one of "
        f"{[loss.__name__ for loss in fitting]} alone. Override sample_losses(outputs, inputs) of KeepsetTrainer"
    )


def _fitting(logits: Tensor, labels: Tensor) -> list[HeadLoss]:
    """The losses that can be made of such shapes."""
    of_classes = labels.shape == logits.shape[:-1] and not labels.is_floating_point() and logits.shape[-1] > 1
    if of_classes and logits.ndim == 2:
        return [classes]
    if of_classes and logits.ndim == 3:
        return [classes, next_tokens]
    if logits.ndim == 2 and logits.shape == labels.shape:
        return [squared_error, several_labels]
    if labels.ndim > 0 and len(logits) == len(labels) == logits.numel() == labels.numel():
        return [squared_error]
    return []


def _means(losses: Tensor) -> HeadLosses:
    return HeadLosses(per_sample(losses), torch.ones_like(losses).reshape(len(losses), -1).sum(1))
