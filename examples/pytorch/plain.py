"""A plain PyTorch loop with Keepset: three changed lines, marked (1) to (3). It writes a checkpoint after each epoch;
`--resume` goes on from there, whether the script stopped by itself or was killed.

    python examples/pytorch/plain.py --epochs 4
    python examples/pytorch/plain.py --resume
"""

import argparse
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from fashion_mnist import accuracy, load_images, make_model
from torch.utils.data import DataLoader

import keepset

CHECKPOINT = Path(__file__).with_name("plain.pt")
EPOCHS = 8


def main(args: argparse.Namespace) -> None:
    train_set, test_set = load_images("train", 8000), load_images("t10k", 2000)
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    sampler = keepset.Sampler(train_set, prune_rate=0.5, epochs=EPOCHS, address=args.address)  # (1)
    loader = DataLoader(keepset.indexed(train_set), batch_size=64, sampler=sampler)  # (2)

    first_epoch = 0
    if args.resume:
        if not CHECKPOINT.exists():
            raise SystemExit(f"there is no checkpoint to go on from in {CHECKPOINT}: begin without --resume")
        checkpoint = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        sampler.load_state_dict(checkpoint["sampler"])
        first_epoch = checkpoint["epochs"]
        if first_epoch >= args.epochs:
            print(f"{first_epoch} of {EPOCHS} epochs are trained, nothing is left to do: begin anew without --resume")

    for epoch in range(first_epoch, args.epochs):
        sampler.set_epoch(epoch)
        total = 0.0
        for index, (x, y) in loader:
            loss = sampler.report(index, F.cross_entropy(model(x), y, reduction="none"))  # (3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        save(epoch + 1, model, optimizer, sampler)
        print(
            f"epoch {epoch + 1}/{EPOCHS}: kept {sampler.kept_fraction:.0%}, loss {total / len(sampler):.4f}, "
            f"test accuracy {accuracy(model, test_set):.1%}, saving {sampler.saving:.1%}",
            flush=True,
        )
    sampler.close()


def save(epochs: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer, sampler: keepset.Sampler) -> None:
    """Writes a checkpoint that is either the old one or the new one, whenever the process is killed."""
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "sampler": sampler.state_dict()}
    torch.save({"epochs": epochs, **states}, CHECKPOINT.with_suffix(".new"))
    os.replace(CHECKPOINT.with_suffix(".new"), CHECKPOINT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a plain PyTorch loop")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside this process")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"stop after so many of the {EPOCHS} epochs")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    main(parser.parse_args())
