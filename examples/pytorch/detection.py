"""Several losses per image: a small box detector on images drawn on the spot. An image has one to four objects, each
with a loss for its class and one for its box, and a loss for each cell of a grid; `per_object` and `per_sample` make
one loss per image of them.

    python examples/pytorch/detection.py
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

import keepset

EPOCHS = 10
SIZE, CELL = 48, 8
GRID = SIZE // CELL

Image = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pixels (1, SIZE, SIZE); of each of its objects the cell of its centre, the class, and the box: offset of the centre
from the cell's corner and half the width, in cells.
"""


def main(args: argparse.Namespace) -> None:
    train_set, test_set = draw_images(1500, seed=0), draw_images(300, seed=1)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 1 + 2 + 3, 3, padding=1),  # for each cell: is there an object, its class, its box
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

    sampler = keepset.Sampler(train_set, prune_rate=0.4, epochs=EPOCHS, address=args.address)
    # keepset.Collate takes the index out before the loader's own function sees the images.
    loader = DataLoader(
        keepset.indexed(train_set), batch_size=50, sampler=sampler, collate_fn=keepset.Collate(collate_images)
    )

    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        total = 0.0
        for index, (pixels, cells, classes, boxes, image_of_object) in loader:
            there, class_logits, box = model(pixels).flatten(2).transpose(1, 2).split([1, 2, 3], dim=2)
            is_there = torch.zeros(there.shape[:2])
            is_there[image_of_object, cells] = 1
            cell_losses = F.binary_cross_entropy_with_logits(there.squeeze(2), is_there, reduction="none")
            object_losses = F.cross_entropy(class_logits[image_of_object, cells], classes, reduction="none")
            object_losses = object_losses + F.l1_loss(box[image_of_object, cells], boxes, reduction="none").sum(1)

            losses = keepset.per_sample(cell_losses, reduction="sum")
            losses = losses + keepset.per_object(object_losses, image_of_object, len(index))
            loss = sampler.report(index, losses)

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        print(
            f"epoch {epoch + 1}/{EPOCHS}: kept {sampler.kept_fraction:.0%}, loss {total / len(sampler):.4f}, "
            f"test accuracy {share_found(model, test_set):.1%}, saving {sampler.saving:.1%}",
            flush=True,
        )
    sampler.close()


def collate_images(images: list[Image]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pixels (B, 1, SIZE, SIZE); cells (K,), classes (K,) and boxes (K, 3) of all K objects of the batch, and the place
    in the batch (K,) of the image that each is in.
    """
    pixels, cells, classes, boxes = zip(*images, strict=True)
    counts = torch.tensor([len(each) for each in cells])
    image_of_object = torch.repeat_interleave(torch.arange(len(images)), counts)
    return torch.stack(pixels), torch.cat(cells), torch.cat(classes), torch.cat(boxes), image_of_object


@torch.no_grad()
def share_found(model: nn.Module, images: list[Image]) -> float:
    """Share of the objects that the model sees in the right cell, with the right class."""
    pixels, cells, classes, _, image_of_object = collate_images(images)
    there, class_logits, _ = model(pixels).flatten(2).transpose(1, 2).split([1, 2, 3], dim=2)
    is_right = class_logits[image_of_object, cells].argmax(1) == classes
    return ((there[image_of_object, cells].squeeze(1) > 0) & is_right).float().mean().item()


def draw_images(count: int, seed: int) -> list[Image]:
    """Squares (class 0) and discs (class 1) on noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    images: list[Image] = []
    for _ in range(count):
        pixels = random.normal(0, 0.2, (SIZE, SIZE))
        cells = random.choice(GRID * GRID, random.integers(1, 5), replace=False)
        classes = random.integers(0, 2, len(cells))
        boxes = np.column_stack([random.random((len(cells), 2)), random.uniform(0.4, 0.9, len(cells))])
        for cell, kind, (down, right, half) in zip(cells, classes, boxes, strict=True):
            dy = np.abs(y - (cell // GRID + down) * CELL)
            dx = np.abs(x - (cell % GRID + right) * CELL)
            pixels[np.maximum(dy, dx) <= half * CELL if kind == 0 else np.hypot(dy, dx) <= half * CELL] += 1
        images.append(
            (
                torch.from_numpy(pixels).float().unsqueeze(0),
                torch.from_numpy(cells),
                torch.from_numpy(classes),
                torch.from_numpy(boxes).float(),
            )
        )
    return images


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="several losses per image")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside this process")
    main(parser.parse_args())
