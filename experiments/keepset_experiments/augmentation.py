"""Random changes of the images of a whole epoch at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .recipe import Recipe

GREY = 127


class Augmentation:
    """What a recipe does to images before each epoch.

    Args:
        recipe: says what.
        count: images of the data set.
        seed: of everything that is drawn. It is drawn on the CPU, so that a seed means the same on every device.
    """

    def __init__(self, recipe: Recipe, count: int, seed: int) -> None:
        self._recipe = recipe
        self._random = torch.Generator().manual_seed(seed)
        # By sample: whether it is mirrored when it is trained on the next time.
        self._mirrored = torch.rand(count, generator=self._random) < 0.5 if recipe.alternates_flips else None

    def __call__(self, images: Tensor, order: Tensor) -> Tensor:
        """Changed copies of images (N, 3, H, W), uint8, on their device; `order`: (N,) which samples they are."""
        result = augmented(images, self._recipe.shift, self._random, self._flips(order))
        return cut_out(result, self._recipe.cutout, self._random) if self._recipe.cutout else result

    def _flips(self, order: Tensor) -> Tensor | None:
        if self._mirrored is None:
            return None
        flips = self._mirrored[order]
        self._mirrored[order] = ~flips
        return flips


def augmented(images: Tensor, shift: int, random: torch.Generator, mirrored: Tensor | None = None) -> Tensor:
    """Each image mirrored, and moved by up to `shift` pixels each way, with reflected borders.

    Args:
        images: (N, 3, H, W), uint8.
        shift: most pixels of a move, at least 0.
        random: on the CPU.
        mirrored: (N,) which ones are mirrored; None: each with probability 1/2.

    Returns:
        (N, 3, H, W), uint8, on the device of `images`.
    """
    count, _, height, width = images.shape
    device = images.device
    mirrored = (torch.rand(count, generator=random) < 0.5 if mirrored is None else mirrored).to(device)
    moves = torch.randint((2 * shift + 1) ** 2, (count,), generator=random).to(device)
    padded = F.pad(images.float(), (shift,) * 4, mode="reflect").to(images.dtype) if shift else images
    result = torch.empty_like(images)
    for move in range((2 * shift + 1) ** 2):
        down, right = divmod(move, 2 * shift + 1)
        chosen = (moves == move).nonzero().squeeze(1)
        result[chosen] = padded[chosen, :, down : down + height, right : right + width]
    result[mirrored] = result[mirrored].flip(3)
    return result


def cut_out(images: Tensor, size: int, random: torch.Generator) -> Tensor:
    """Paints a square of `size` pixels grey, in each of the images (N, 3, H, W) somewhere else, and returns them.

    Source: DeVries and Taylor 2017, arXiv 1708.04552; here the square is wholly in the image.
    """
    count, _, height, width = images.shape
    rows, columns = (_within(length, size, count, random).to(images.device) for length in (height, width))
    return images.masked_fill_((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), GREY)


def _within(length: int, size: int, count: int, random: torch.Generator) -> Tensor:
    """(count, length): which positions lie in a stretch of `size`, for each of `count` images."""
    begin = torch.randint(length - size + 1, (count, 1), generator=random)
    positions = torch.arange(length)
    return (positions >= begin) & (positions < begin + size)
