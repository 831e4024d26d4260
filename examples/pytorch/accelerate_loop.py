"""A loop of Hugging Face accelerate, in one process or several: gradient accumulation, an exact learning-rate schedule,
and checkpoints by `save_state`. Only the loader is prepared by Keepset. `--resume` goes on from the last checkpoint.

    accelerate launch --multi_gpu --num_processes 2 --main_process_port 0 examples/pytorch/accelerate_loop.py
    python examples/pytorch/accelerate_loop.py --epochs 3
    python examples/pytorch/accelerate_loop.py --resume

`--multi_gpu` is how accelerate starts several processes; without GPUs each takes CPU cores, since `cpu=True` says so.
With `--cpu` it starts one process, whatever `--num_processes` says.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from fashion_mnist import accuracy, load_images, make_model
from torch.utils.data import DataLoader

import keepset
import keepset.accelerate

CHECKPOINT = Path(__file__).with_name("accelerate_loop.pt")  # a folder
EPOCHS = 6
BATCH = 32
ACCUMULATION = 2


def main(args: argparse.Namespace) -> None:
    # The schedule counts optimizer steps. By itself accelerate would move it on once for each process at each of them.
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        gradient_accumulation_steps=ACCUMULATION,
        step_scheduler_with_optimizer=False,
    )
    train_set, test_set = load_images("train", 6000), load_images("t10k", 2000)
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    # After Accelerator(), which says how many ranks there are. Each gets a multiple of BATCH x ACCUMULATION positions:
    # every optimizer step is whole.
    sampler = keepset.Sampler(
        train_set, prune_rate=0.5, epochs=EPOCHS, position_multiple=BATCH * ACCUMULATION, address=args.address
    )
    loader = DataLoader(keepset.indexed(train_set), batch_size=BATCH, sampler=sampler, collate_fn=keepset.collate)
    steps = sampler.total_steps(BATCH) // ACCUMULATION
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)

    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    loader = keepset.accelerate.prepare(accelerator, loader)
    if args.resume:
        accelerator.load_state(CHECKPOINT)

    for epoch in range(sampler.epoch, args.epochs):
        sampler.set_epoch(epoch)
        total = torch.zeros((), device=accelerator.device)
        for index, (x, y) in loader:
            with accelerator.accumulate(model):
                loss = sampler.report(index, F.cross_entropy(model(x), y, reduction="none"))
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                if accelerator.sync_gradients:
                    schedule.step()
            total += loss.detach()
        if accelerator.is_main_process:
            tested = accuracy(accelerator.unwrap_model(model), test_set, accelerator.device)
            print(
                f"epoch {epoch + 1}/{EPOCHS}: kept {sampler.kept_fraction:.0%}, loss {total / len(loader):.4f}, "
                f"test accuracy {tested:.1%}, saving {sampler.saving:.1%}",
                flush=True,
            )
        sampler.set_epoch(epoch + 1)  # where the checkpoint goes on
        accelerator.save_state(CHECKPOINT)
    rate = schedule.get_last_lr()[0]
    print(f"rank {sampler.rank} of {sampler.world_size}: the learning rate is now {rate:.4f}", flush=True)
    sampler.close()
    accelerator.end_training()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a loop of accelerate")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside rank 0")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"stop after so many of the {EPOCHS} epochs")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    main(parser.parse_args())
