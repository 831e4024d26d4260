from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F

from keepset_experiments.augmentation import GREY, Augmentation, augmented, cut_out
from keepset_experiments.recipe import RECIPES


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


def test_a_square_of_each_image_is_painted_over_somewhere_else() -> None:
    images = torch.full((400, 3, 8, 8), 200, dtype=torch.uint8)
    result = cut_out(images.clone(), 3, torch.Generator().manual_seed(4))
    painted = result == GREY
    assert torch.equal(painted, (result != 200)) and torch.equal(painted[:, 0], painted[:, 2])
    corners = set()
    for image in painted[:, 0]:
        rows, columns = image.any(1).nonzero().flatten(), image.any(0).nonzero().flatten()
        assert image.sum() == 9 and len(rows) == len(columns) == 3
        corners.add((int(rows[0]), int(columns[0])))
    assert len(corners) == 36, "all places come up"


def test_alternating_flips_mirror_an_image_every_second_time_that_it_is_trained_on() -> None:
    recipe = replace(RECIPES["tiny-airbench"], shift=0, cutout=0)
    images = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    augmentation = Augmentation(recipe, 40, seed=6)
    mirrored: list[list[bool]] = [[] for _ in range(40)]
    for kept in (range(40), range(20), range(30), range(40)):
        order = torch.tensor(kept).flip(0)
        for sample, image in zip(order.tolist(), augmentation(images[order], order), strict=True):
            assert torch.equal(image, images[sample]) or torch.equal(image, images[sample].flip(2))
            mirrored[sample].append(not torch.equal(image, images[sample]))
    assert [len(one) for one in mirrored] == [4] * 20 + [3] * 10 + [2] * 10
    assert all(before != after for one in mirrored for before, after in pairwise(one))
    assert 5 < sum(one[0] for one in mirrored) < 35


def test_a_recipe_without_them_mirrors_by_chance_and_paints_nothing() -> None:
    images = torch.randint(128, 256, (40, 3, 8, 8), dtype=torch.uint8)
    recipe, order = RECIPES["tiny"], torch.arange(40)
    expected = augmented(images, recipe.shift, torch.Generator().manual_seed(7))
    assert torch.equal(Augmentation(recipe, 40, seed=7)(images, order), expected)
    painted = Augmentation(replace(recipe, cutout=2), 40, seed=7)(images, order)
    assert ((painted == GREY).sum((1, 2, 3)) == 12).all()
