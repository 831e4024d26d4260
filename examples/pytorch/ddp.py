"""Several ranks (DistributedDataParallel) with gradient accumulation, on GPUs or on CPU cores of one machine.

    torchrun --nproc-per-node 2 examples/pytorch/ddp.py

The ranks share one embedded sampler. On several machines start a sampler (`keepset serve --listen 0.0.0.0:50051`) and
give every rank its address.
"""

import argparse
import os
from contextlib import nullcontext

import torch
import torch.distributed as dist
import torch.nn.functional as F
from fashion_mnist import accuracy, load_images, make_model
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

import keepset

EPOCHS = 6
BATCH = 32
ACCUMULATION = 2


def main(args: argparse.Namespace) -> None:
    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if has_gpu else torch.device("cpu")
    if has_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if has_gpu else "gloo")
    rank = dist.get_rank()
    train_set, test_set = load_images("train", 8000), load_images("t10k", 2000)
    model = DistributedDataParallel(make_model().to(device))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    # Rank and world size come from torch.distributed. Every rank gets a multiple of BATCH x ACCUMULATION positions, so
    # that every optimizer step is whole and all ranks make equally many.
    sampler = keepset.Sampler(
        train_set, prune_rate=0.5, epochs=EPOCHS, position_multiple=BATCH * ACCUMULATION, address=args.address
    )
    loader = DataLoader(
        keepset.indexed(train_set), batch_size=BATCH, sampler=sampler, collate_fn=keepset.collate, pin_memory=has_gpu
    )
    steps = sampler.total_steps(BATCH) // ACCUMULATION
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)

    done = 0
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        total = torch.zeros((), device=device)
        for number, (index, (x, y)) in enumerate(loader, 1):
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            is_step = number % ACCUMULATION == 0
            with nullcontext() if is_step else model.no_sync():
                loss = sampler.report(index, F.cross_entropy(model(x), y, reduction="none"))
                (loss / ACCUMULATION).backward()
            if is_step:
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                done += 1
            total += loss.detach()
        if rank == 0:
            print(
                f"epoch {epoch + 1}/{EPOCHS}: kept {sampler.kept_fraction:.0%}, loss {total / len(loader):.4f}, "
                f"test accuracy {accuracy(model.module, test_set, device):.1%}, saving {sampler.saving:.1%}",
                flush=True,
            )
    print(f"rank {rank} of {sampler.world_size}: {done} of {steps} optimizer steps", flush=True)
    sampler.flush()
    dist.barrier()  # every rank's losses are recorded: the run can be closed
    sampler.finish()
    sampler.close()
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="DistributedDataParallel with gradient accumulation")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside rank 0")
    main(parser.parse_args())
