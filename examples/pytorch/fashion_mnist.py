"""What the examples beside this file train: images of Fashion-MNIST, which lie in this repository, and a small CNN."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

FOLDER = Path(__file__).resolve().parents[2] / "clients/trainer/data/fashion-mnist"


def load_images(split: str, count: int) -> TensorDataset:
    """The first `count` images (1, 28, 28) of "train" (10,000) or "t10k" (2,000, the test set) in a fixed random order,
    with their classes.
    """
    images = np.frombuffer(gzip.decompress((FOLDER / f"{split}-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
    labels = np.frombuffer(gzip.decompress((FOLDER / f"{split}-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
    chosen = np.random.default_rng(0).permutation(len(labels))[:count]
    x = torch.from_numpy(images.reshape(-1, 1, 28, 28)[chosen]).float() / 255 - 0.5
    return TensorDataset(x, torch.from_numpy(labels[chosen]).long())


def make_model() -> nn.Module:
    """A CNN of 20,000 parameters; the same one each time."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )


@torch.no_grad()
def accuracy(model: nn.Module, data: TensorDataset, device: torch.device | str = "cpu") -> float:
    """Share of the images, 0 to 1, whose class the model finds."""
    x, y = (tensor.to(device) for tensor in data.tensors)
    model.eval()
    logits: Tensor = model(x)
    model.train()
    return (logits.argmax(1) == y).float().mean().item()
