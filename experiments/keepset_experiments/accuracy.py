"""The test of a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .networks import to_input

Network = Callable[[Tensor], Tensor]
"""Logits (B, C) of images (B, 3, H, W), as `to_input` makes them."""


@torch.no_grad()
def accuracy_of(network: Network, images: Tensor, labels: Tensor, *, averages_views: bool) -> float:
    """Share of the images that a network, in eval mode, is right about.

    Args:
        images: (N, 3, H, W), uint8. labels: (N,). Both on the network's device.
        averages_views: whether its answer is that to several views: `view_mean`.
    """
    answer = (lambda inputs: view_mean(network, inputs)) if averages_views else network
    correct = 0
    for x, y in zip(images.split(1000), labels.split(1000), strict=True):
        correct += int((answer(to_input(x)).argmax(1) == y).sum())
    return correct / len(labels)


def view_mean(network: Network, inputs: Tensor) -> Tensor:
    """Mean logits of images, with half of the weight, and of two copies that are moved by a pixel along the diagonal,
    each with its mirror image.
    """
    height, width = inputs.shape[2:]
    padded = F.pad(inputs, (1,) * 4, mode="reflect")
    views = ((inputs, 0.5), (padded[:, :, :height, :width], 0.25), (padded[:, :, 2:, 2:], 0.25))
    return sum((share * (network(view) + network(view.flip(3))) / 2 for view, share in views), torch.zeros(()))
