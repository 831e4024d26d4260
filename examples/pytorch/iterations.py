"""Training that counts iterations and not epochs. `keepset.InfiniteSampler` goes from one epoch's plan to the next by
itself; there is no `set_epoch`.

    python examples/pytorch/iterations.py
"""

import argparse
from itertools import islice

import torch
import torch.nn.functional as F
from fashion_mnist import accuracy, load_images, make_model
from torch.utils.data import DataLoader

import keepset

ITERATIONS = 500
BATCH = 64


def main(args: argparse.Namespace) -> None:
    train_set, test_set = load_images("train", 6000), load_images("t10k", 2000)
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)

    # selection_period: choose anew in every epoch. Where the number of epochs is not known it would be every tenth.
    sampler = keepset.InfiniteSampler(
        train_set, batch_size=BATCH, prune_rate=0.5, selection_period=1, address=args.address
    )
    loader = DataLoader(keepset.indexed(train_set), batch_size=BATCH, sampler=sampler)

    total = 0.0
    for iteration, (index, (x, y)) in enumerate(islice(loader, ITERATIONS), 1):
        loss = sampler.report(index, F.cross_entropy(model(x), y, reduction="none"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
        if iteration % 100 == 0:
            print(
                f"iteration {iteration}/{ITERATIONS}: epoch {sampler.epoch}, kept {sampler.kept_fraction:.0%}, "
                f"loss {total / 100:.4f}, test accuracy {accuracy(model, test_set):.1%}, saving {sampler.saving:.1%}",
                flush=True,
            )
            total = 0.0
    sampler.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="training that counts iterations")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside this process")
    main(parser.parse_args())
