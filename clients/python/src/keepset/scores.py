"""Scores of samples beside their loss, to report as `sampler.report(index, losses, metrics={"el2n": el2n(logits, y)})`.

All answer float32, shape (B,), on the device of the logits, detached, without waiting for the device.
logits: shape (B, C), floating, before the softmax; computed in float32.
y: shape (B,), integer class indices 0 to C - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_WRAPPERS: tuple[type[nn.Module], ...] = (nn.parallel.DistributedDataParallel, nn.DataParallel)


def el2n(logits: Tensor, y: Tensor) -> Tensor:
    """Error L2-norm: the L2 norm of softmax(logits) - onehot(y), 0 to sqrt(2). Paul et al. 2021, arXiv 2107.07075."""
    _check(logits, y)
    error = _probabilities(logits)
    error.scatter_add_(1, y.long().unsqueeze(1), error.new_full((1, 1), -1.0).expand(len(y), 1))
    return error.square().sum(1).sqrt()


def correct(logits: Tensor, y: Tensor) -> Tensor:
    """1 where the predicted class (the largest logit, the first of equal ones) is y, else 0."""
    _check(logits, y)
    return (logits.detach().argmax(1) == y).float()


def confidence(logits: Tensor, y: Tensor | None = None) -> Tensor:
    """Probability of the predicted class, max softmax(logits); with y: probability of the class y. 0 to 1.

    KAKURENBO (arXiv 2310.10102) takes the first, beside `correct`; where the prediction is correct both are the same.
    The mean of the second over epochs is the confidence of Dataset Cartography (arXiv 2009.10795).
    """
    _check(logits, y)
    probabilities = _probabilities(logits)
    return probabilities.amax(1) if y is None else probabilities.gather(1, y.long().unsqueeze(1)).squeeze(1)


def grand(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    *,
    chunk_size: int | None = None,
) -> Tensor:
    """GraNd: the L2 norm of each sample's own loss gradient, over all trainable parameters together.

    Paul et al. 2021, arXiv 2107.07075, where it is averaged over several initialisations.

    model: gets a batch of one sample, shape (1, ...), for every sample, by torch.func.vmap. x: shape (B, ...).
    y: shape (B, ...), what loss_fn takes beside the model's output. loss_fn: called with a batch of one; its result is
    summed. chunk_size: samples whose gradients are held at once (default: all), each as large as the model.
    May be called under autocast, which is switched off meanwhile, and under no_grad or inference_mode.
    Parameters, their .grad and buffers stay as they are. Dropout in train mode draws from torch's generator.

    Raises ValueError for a model with batch norm in train mode (it mixes the samples, so that none has a gradient of
    its own), for one that is wrapped for data-parallel training, and for one with no trainable parameter.
    """
    _check_model(model)
    parameters = {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}
    if not parameters:
        raise ValueError("model has no parameter with requires_grad: there is no gradient to take the norm of.")

    def loss(weights: dict[str, Tensor], sample: Tensor, target: Tensor) -> Tensor:
        # Copies, as a forward pass may count in them.
        buffers = {name: value.clone() for name, value in model.named_buffers()}
        output = functional_call(model, (weights, buffers), (sample.unsqueeze(0),))
        return loss_fn(output, target.unsqueeze(0)).sum()

    def norm(sample: Tensor, target: Tensor) -> Tensor:
        gradients = grad(loss)(parameters, sample, target)
        return torch.stack([gradient.float().square().sum() for gradient in gradients.values()]).sum().sqrt()

    # Under autocast vmap meets layers that take one dtype only, batch norm for one.
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        return vmap(norm, randomness="different", chunk_size=chunk_size)(x.detach(), y)


def _probabilities(logits: Tensor) -> Tensor:
    return logits.detach().softmax(1, dtype=torch.float32)


def _check(logits: Tensor, y: Tensor | None) -> None:
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(
            f"logits has shape {tuple(logits.shape)} and dtype {logits.dtype}: floating of shape (batch size, classes) "
            "is needed. For one logit of two classes pass torch.stack([torch.zeros_like(logit), logit], 1)."
        )
    if y is not None and (y.shape != logits.shape[:1] or y.is_floating_point()):
        raise ValueError(
            f"y has shape {tuple(y.shape)} and dtype {y.dtype}: integer class indices of shape ({len(logits)},), one "
            "for each row of logits, are needed. For one-hot or mixed labels pass y.argmax(1)."
        )


def _check_model(model: nn.Module) -> None:
    if isinstance(model, _WRAPPERS):
        raise ValueError(
            f"model is wrapped in {type(model).__name__}: pass the model inside, grand(model.module, ...)."
        )
    modules = cast(Iterator[tuple[str, nn.Module]], model.named_modules())
    for name, module in modules:
        if isinstance(module, _BATCH_NORMS) and (module.training or module.running_mean is None):
            raise ValueError(
                f"model has batch norm over the batch at hand ({name or type(module).__name__}): it mixes the samples, "
                "so that none has a gradient of its own. Call model.eval() before grand and model.train() after it; a "
                "layer with track_running_stats=False has to be replaced."
            )
