"""One rank of a training with accelerate for test_accelerate_ranks.py: trains, and writes what it saw as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration

import keepset
import keepset.accelerate
from support.training import losses_of, make_loader


def main(settings: dict[str, Any], out: Path) -> None:
    accumulation, batch_size, count = settings.get("accumulation", 1), settings["batch_size"], settings["count"]
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulation, step_scheduler_with_optimizer=False)
    torch.manual_seed(0)
    sampler = keepset.Sampler(
        count,
        prune_rate=0.5,
        epochs=settings["epochs"],
        selection_period=1,
        address=settings["address"],
        run_id=settings["run_id"],
        position_multiple=batch_size * accumulation,
        timeout=60,
    )
    steps = sampler.total_steps(batch_size) // accumulation
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    loader = keepset.accelerate.prepare(accelerator, make_loader(sampler, count, batch_size))
    assert accelerator.prepare(loader) is loader, "a second time changes nothing"
    if settings.get("resume"):
        accelerator.load_state(settings["resume"])

    seen: dict[str, Any] = {"trained": [], "lengths": [], "index_types": [], "steps": 0}
    for epoch in range(sampler.epoch, settings["epochs"]):
        sampler.set_epoch(epoch)
        seen["lengths"].append(len(loader))
        seen["trained"].append([])
        for number, (index, x) in enumerate(loader, 1):
            with accelerator.accumulate(model):
                output = model(x.float().reshape(-1, 1) / count).flatten()
                loss = sampler.report(index, output * 0.1 + losses_of(index, epoch))
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                if accelerator.sync_gradients:
                    scheduler.step()
                    seen["steps"] += 1
            seen["trained"][-1].extend(index.tolist())
            seen["index_types"].append(str(index.dtype))
            if [epoch, number] == settings.get("stop_after"):
                accelerator.save_state(str(out / "checkpoint"))
                break
        else:
            continue
        break
    sampler.flush()
    model = accelerator.unwrap_model(model)
    seen |= {"weight": model.weight.item(), "rate": scheduler.get_last_lr()[0], "total_steps": steps}
    seen["refusals"] = refusals(accelerator) if settings.get("refusals") else []
    (out / f"rank{accelerator.process_index}.json").write_text(json.dumps(seen))
    sampler.close()
    accelerator.end_training()


def refusals(accelerator: Accelerator) -> list[str]:
    """What is said to a sampler that takes each rank for the only one, and to accelerators that make the batches."""
    lone = keepset.Sampler(8, rank=0, world_size=1)
    attempts = [(accelerator, lone)]
    for option in ("split_batches", "dispatch_batches"):
        dealing = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**{option: True}))
        attempts.append((dealing, keepset.Sampler(8)))
    said: list[str] = []
    for one, sampler in attempts:
        try:
            keepset.accelerate.prepare(one, make_loader(sampler, 8))
        except ValueError as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
