"""Random flips and crops of a whole epoch at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augmented(images: Tensor, shift: int, random: torch.Generator) -> Tensor:
    """Each image mirrored with probability 1/2 and moved by up to `shift` pixels each way, with reflected borders.

    Args:
        images: (N, 3, H, W), uint8.
        shift: most pixels of a move, at least 0.
        random: on the CPU, so that a seed means the same on every device.

    Returns:
        (N, 3, H, W), uint8, on the device of `images`.
    """
    count, _, height, width = images.shape
    device = images.device
    mirrored = (torch.rand(count, generator=random) < 0.5).to(device)
    moves = torch.randint((2 * shift + 1) ** 2, (count,), generator=random).to(device)
    padded = F.pad(images.float(), (shift,) * 4, mode="reflect").to(images.dtype) if shift else images
    result = torch.empty_like(images)
    for move in range((2 * shift + 1) ** 2):
        down, right = divmod(move, 2 * shift + 1)
        chosen = (moves == move).nonzero().squeeze(1)
        result[chosen] = padded[chosen, :, down : down + height, right : right + width]
    result[mirrored] = result[mirrored].flip(3)
    return result
