"""Mixed precision: float16 with a GradScaler on a GPU, bfloat16 on a CPU. Keepset takes losses of any float type and
keeps the index in integers of its own, so nothing is different but the two lines of autocast.

    python examples/pytorch/amp.py
"""

import argparse

import torch
import torch.nn.functional as F
from fashion_mnist import accuracy, load_images, make_model
from torch.utils.data import DataLoader

import keepset

EPOCHS = 6


def main(args: argparse.Namespace) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float16 if device == "cuda" else torch.bfloat16
    train_set, test_set = load_images("train", 6000), load_images("t10k", 2000)
    model = make_model().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)

    sampler = keepset.Sampler(train_set, prune_rate=0.5, epochs=EPOCHS, metrics=["correct"], address=args.address)
    # keepset.collate makes the index a numpy array: it stays on the host, where it is needed.
    loader = DataLoader(
        keepset.indexed(train_set),
        batch_size=64,
        sampler=sampler,
        collate_fn=keepset.collate,
        pin_memory=device == "cuda",
    )

    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        total = torch.zeros((), device=device)
        for index, (x, y) in loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            with torch.autocast(device, dtype=dtype):
                logits = model(x)
                losses = F.cross_entropy(logits, y, reduction="none")
            # The mean that comes back is float32. On a GPU nothing here waits for it.
            loss = sampler.report(index, losses, metrics={"correct": keepset.scores.correct(logits, y)})
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            total += loss.detach() * len(y)
        print(
            f"epoch {epoch + 1}/{EPOCHS}: kept {sampler.kept_fraction:.0%}, loss {total / len(sampler):.4f}, "
            f"test accuracy {accuracy(model, test_set, device):.1%}, saving {sampler.saving:.1%}",
            flush=True,
        )
    print(f"trained in {str(logits.dtype).removeprefix('torch.')} on {device}")
    sampler.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="mixed precision")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside this process")
    main(parser.parse_args())
