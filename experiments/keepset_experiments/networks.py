"""The networks that are trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .airbench import Airbench


def small(classes: int) -> nn.Module:
    """Six convolutions with batch norm, widths 16-32-64-128, pooled early: 9 M multiply-adds an image, for a CPU."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    return nn.Sequential(
        block(3, 16),
        nn.MaxPool2d(2),
        block(16, 32),
        nn.MaxPool2d(2),
        block(32, 64),
        block(64, 64),
        block(64, 128),
        nn.MaxPool2d(2),
        block(128, 128),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(images)))
        return F.relu(self.second_norm(self.second(inner)) + self.skip(images))


def resnet18(classes: int) -> nn.Module:
    """ResNet-18 (He et al. 2016, arXiv 1512.03385) for 32 x 32 pixels: a first convolution of 3 x 3, no pooling."""
    blocks: list[nn.Module] = []
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [_Residual(inputs, outputs, stride), _Residual(outputs, outputs, 1)]
        inputs = outputs
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)]
    return nn.Sequential(*stem, *blocks, *head)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "small": small,
    "resnet18": resnet18,
    "airbench": lambda classes: Airbench(classes, (128, 512, 512)),
    "airbench-narrow": lambda classes: Airbench(classes, (16, 32, 32)),
}

WHITENING_IMAGES = 5000


def build(name: str, classes: int, images: Tensor) -> nn.Module:
    """A new network on the CPU, its weights drawn from torch's generator.

    Args:
        name: one of `NETWORKS`.
        classes: of the data set.
        images: those that it will be trained on, (N, 3, 32, 32), uint8, of which some networks look at the first ones.
    """
    network = NETWORKS[name](classes)
    if isinstance(network, Airbench):
        network.whiten(to_input(images[:WHITENING_IMAGES].cpu()))
    return network


def to_input(images: Tensor) -> Tensor:
    """uint8 images as a network takes them: float32 in [-1, 1], channels last."""
    return images.to(torch.float32).div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)
