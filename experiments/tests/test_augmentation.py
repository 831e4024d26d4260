from __future__ import annotations

import torch
import torch.nn.functional as F

from keepset_experiments.augmentation import augmented


def test_each_image_is_one_of_its_moves_mirrored_or_not() -> None:
    images = torch.randint(256, (400, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    result = augmented(images, 2, torch.Generator().manual_seed(2))
    padded = F.pad(images.float(), (2, 2, 2, 2), mode="reflect").to(torch.uint8)
    found = set()
    for image, before in zip(result, padded, strict=True):
        moves = [
            (down, right, mirrored)
            for down in range(5)
            for right in range(5)
            for mirrored in (False, True)
            if torch.equal(image.flip(2) if mirrored else image, before[:, down : down + 8, right : right + 8])
        ]
        assert len(moves) == 1
        found.add(moves[0])
    assert len(found) == 50, "all moves come up"


def test_the_same_seed_gives_the_same_and_nothing_moves_by_0() -> None:
    images = torch.randint(256, (64, 3, 8, 8), dtype=torch.uint8)
    first, second = (augmented(images, 1, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    still = augmented(images, 0, torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(still, images, strict=True))
