"""torch.compile: the forward pass and the losses are compiled, `report` stays outside. Every batch has the same size,
since each rank's positions are brought to a multiple of the batch: a smaller last batch would compile a second graph.
Needs torch 2.6 or newer, and on a CPU a C++ compiler (g++).

    python examples/pytorch/compiled.py
"""

import argparse

import torch
import torch.nn.functional as F
from fashion_mnist import accuracy, load_images
from torch import Tensor, nn
from torch.utils.data import DataLoader

import keepset

EPOCHS = 6
BATCH = 100


def main(args: argparse.Namespace) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # 6,050 images, of which 3,025 are kept: neither is a multiple of the batch.
    train_set, test_set = load_images("train", 6050), load_images("t10k", 2000)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, 10)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    @torch.compile
    def losses_of(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(model(x), y, reduction="none")

    sampler = keepset.Sampler(train_set, prune_rate=0.5, epochs=EPOCHS, position_multiple=BATCH, address=args.address)
    loader = DataLoader(
        keepset.indexed(train_set),
        batch_size=BATCH,
        sampler=sampler,
        collate_fn=keepset.collate,
        pin_memory=device == "cuda",
    )

    steps = 0
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        total = torch.zeros((), device=device)
        for index, (x, y) in loader:
            losses = losses_of(x.to(device, non_blocking=True), y.to(device, non_blocking=True))
            loss = sampler.report(index, losses)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if steps == 0:
                # From here on a batch of another size is an error and not a second graph.
                torch.compiler.set_stance("fail_on_recompile")
            steps += 1
            total += loss.detach() * len(y)
        print(
            f"epoch {epoch + 1}/{EPOCHS}: kept {sampler.kept_fraction:.0%}, loss {total / len(sampler):.4f}, "
            f"test accuracy {accuracy(model, test_set, device):.1%}, saving {sampler.saving:.1%}",
            flush=True,
        )
    print(f"{steps} steps, compiled once")
    sampler.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="torch.compile")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside this process")
    main(parser.parse_args())
