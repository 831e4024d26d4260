"""One rank of a DDP or FSDP training for test_distributed.py: trains, and writes what it saw as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import keepset
from support.training import losses_of, make_loader


def main(settings: dict[str, Any], out: Path) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(0)
    count, batch_size, accumulation = settings["count"], settings["batch_size"], settings.get("accumulation", 1)
    sampler = keepset.Sampler(
        count,
        prune_rate=settings.get("prune_rate", 0.5),
        epochs=settings["epochs"],
        selection_period=1,
        address=settings.get("address"),
        data_dir=settings.get("data_dir"),
        run_id=settings["run_id"],
        position_multiple=settings.get("position_multiple", 1),
        timeout=settings.get("timeout", 60),
        score_left_out="score_batches" in settings,
    )
    if (state := settings.get("state")) is not None:
        sampler.load_state_dict(state)
    model: torch.nn.Module = torch.nn.Linear(1, 1)
    model.register_buffer("shared", torch.zeros(()))  # which DDP shares out at each forward pass
    pairs = [(torch.tensor([index / count]), torch.tensor(float(index))) for index in range(count)]
    if settings.get("fsdp"):
        # Else the outermost module keeps what it has gathered, and no forward pass but the first meets the others.
        fully_shard(model, mesh=init_device_mesh("cpu", (dist.get_world_size(),)), reshard_after_forward=True)
    else:
        model = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = make_loader(sampler, count, batch_size, num_workers=settings.get("workers", 0))
    trained: list[list[int]] = []
    lengths: list[int] = []
    scored: list[int] = []
    steps = 0
    for epoch in range(settings.get("first_epoch", 0), settings["epochs"]):
        sampler.set_epoch(epoch)
        lengths.append(len(sampler))
        trained.append([])
        for number, (index, x) in enumerate(loader):
            if (epoch, number) == tuple(settings.get("stop_at", ())):
                state = sampler.state_dict()
                if rank == 0:
                    (out / "state.json").write_text(json.dumps(state))
                break
            output = model(x.float().reshape(-1, 1) / count).flatten()
            loss = sampler.report(index, output * 0 + losses_of(index, epoch))
            (loss / accumulation).backward()
            if (number + 1) % accumulation == 0:
                optimizer.step()
                optimizer.zero_grad()
                steps += 1
            trained[-1].extend(index.tolist())
        else:
            if (sizes := settings.get("score_batches")) is not None:
                scored.append(
                    keepset.score_left_out(sampler, pairs, model, lambda _, y: 10 + y, batch_size=sizes[rank])
                )
            continue
        break
    sampler.flush()
    seen = {"trained": trained, "lengths": lengths, "steps": steps, "scored": scored}
    (out / f"rank{rank}.json").write_text(json.dumps(seen))
    sampler.close()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
