"""A network after airbench96: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 2
WHITENED = 2 * 3 * PATCH**2
"""Channels of the first convolution: each direction of a patch, and its opposite."""


class Airbench(nn.Module):
    """Whitening, three groups of three convolutions, and a scaled last layer, for 32 x 32 pixels.

    The running statistics of its batch norms follow the last few batches (0.4 of each): where those are of hard samples
    alone, a test is answered with statistics that are none of the test's.

    Args:
        classes: of the data set.
        widths: channels of the three groups.
    """

    def __init__(self, classes: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, WHITENED, PATCH)
        self.whitening.weight.requires_grad = False
        inputs = (WHITENED, *widths[:2])
        self.groups = nn.Sequential(*(_Group(*pair) for pair in zip(inputs, widths, strict=True)))
        self.last = nn.Linear(widths[2], classes, bias=False)

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Sets the first convolution so that what it answers to patches of `images`, (N, 3, H, W), has mean 0 and
        variance 1 in each channel, and is uncorrelated but for opposites. Its weights then stay; its biases learn.
        """
        patches = F.unfold(images, PATCH).transpose(1, 2).reshape(-1, 3 * PATCH**2)
        mean = patches.mean(0)
        covariance = (patches - mean).T @ (patches - mean) / len(patches)
        variances, directions = torch.linalg.eigh(covariance)
        # Directions in which images hardly differ would be noise alone.
        filters = (directions / (variances + 1e-4).sqrt()).T
        both = torch.cat([filters, -filters])
        self.whitening.weight.copy_(both.view_as(self.whitening.weight))
        if self.whitening.bias is not None:
            self.whitening.bias.copy_(-both @ mean)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, 32, 32)."""
        inner = self.groups(F.gelu(self.whitening(images)))
        return self.last(F.max_pool2d(inner, 3).flatten(1)) / 9


class _Group(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_convolution(number, outputs) for number in (inputs, outputs, outputs))
        self.norms = nn.ModuleList(_norm(outputs) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        first = F.gelu(self.norms[0](F.max_pool2d(self.convolutions[0](images), 2)))
        second = F.gelu(self.norms[1](self.convolutions[1](first)))
        return F.gelu(self.norms[2](self.convolutions[2](second)) + first)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """One that hands its inputs through at first, in as many of its outputs."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight[:inputs].detach())
    return convolution


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, momentum=0.4)
    norm.weight.requires_grad = False
    return norm
