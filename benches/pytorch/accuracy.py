"""Full training against pruned training of a small convolutional network on CIFAR-10: accuracy, steps and wall clock,
the sampler's own time included.

    clients/python/.venv/bin/python benches/pytorch/accuracy.py --data DIR --out benches/results/pytorch-accuracy.jsonl

DIR has data_batch_1.bin to data_batch_5.bin and test_batch.bin of CIFAR-10's binary version. The arms of a seed have
the same initialisation and take turns: "full", "full-short" (full, for as many steps as the pruned arms take),
"random", "ucb". The network has 6 convolutions with batch norm; SGD with Nesterov momentum, one-cycle over the arm's
own steps. A line of JSON for each arm as it ends, progress on standard error, a table at the end.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import keepset

BATCH_SIZE = 250
PEAK_RATE = 0.2
POLICIES: dict[str, keepset.Policy] = {"random": keepset.Random(), "ucb": keepset.UCB()}


def read_cifar10(paths: list[Path]) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) in [-1, 1] and labels (N,)."""
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in paths])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32)).float().div_(127.5).sub_(1)
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(records[:, 0].astype(np.int64))


def make_network(width: int = 16) -> nn.Module:
    """Widths 16-32-64-128, pooled early."""

    def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    return nn.Sequential(
        block(3, width),
        nn.MaxPool2d(2),
        block(width, 2 * width),
        nn.MaxPool2d(2),
        block(2 * width, 4 * width),
        block(4 * width, 4 * width),
        block(4 * width, 8 * width),
        nn.MaxPool2d(2),
        block(8 * width, 8 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    ).to(memory_format=torch.channels_last)


def augment(images: Tensor, random: torch.Generator) -> Tensor:
    """Mirrors half of the images and shifts the batch by up to 2 pixels."""
    mirrored = torch.rand(len(images), generator=random) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    down, right = torch.randint(0, 5, (2,), generator=random).tolist()
    return F.pad(images, (2, 2, 2, 2), mode="reflect")[:, :, down : down + 32, right : right + 32]


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    network.eval()
    correct = sum(
        int((network(x).argmax(1) == y).sum()) for x, y in zip(images.split(1000), labels.split(1000), strict=True)
    )
    network.train()
    return correct / len(labels)


def train(arm: str, seed: int, settings: argparse.Namespace, data: list[Tensor], data_dir: str) -> dict[str, Any]:
    """One arm, on its own run. `seconds` has everything but the reading of the data and the test; `cpu_seconds` is the
    trainer's part of them.
    """
    images, labels, test_images, test_labels = data
    count, epochs = len(labels), settings.epochs
    begin, begin_cpu = time.perf_counter(), time.process_time()
    policy = POLICIES.get(arm, keepset.Full())
    prune_rate = settings.prune_rate if arm in POLICIES else 0.0
    as_pruned = keepset.Sampler(count, policy=keepset.UCB(), prune_rate=settings.prune_rate, epochs=epochs)
    sampler = keepset.Sampler(
        count,
        policy=policy,
        prune_rate=prune_rate,
        epochs=epochs,
        selection_period=2,
        seed=seed,
        data_dir=data_dir,
        run_id=f"{arm}-{seed}",
    )
    total_steps = (as_pruned if arm == "full-short" else sampler).total_steps(BATCH_SIZE)
    torch.manual_seed(seed)
    network = make_network()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=total_steps)
    random = torch.Generator().manual_seed(seed)
    steps = 0
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        order = torch.from_numpy(sampler.plan.indices.astype(np.int64))
        for index in order.split(BATCH_SIZE)[: total_steps - steps]:
            losses = F.cross_entropy(network(augment(images[index], random)), labels[index], reduction="none")
            optimizer.zero_grad()
            sampler.report(index, losses).backward()
            optimizer.step()
            schedule.step()
            steps += 1
        print(f"{arm} seed {seed}: epoch {epoch + 1}/{epochs}, step {steps}/{total_steps}", file=sys.stderr)
        if steps == total_steps:
            break
    sampler.flush()
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    return {
        "arm": arm,
        "seed": seed,
        "accuracy": accuracy(network, test_images, test_labels),
        "steps": steps,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "saving": sampler.saving,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Means over the seeds, with the standard deviation of accuracy, and ratios to the full arm of the same seed."""
    full = {result["seed"]: result for result in results if result["arm"] == "full"}
    lines = [
        "| arm | test accuracy | steps | saving | time / full | CPU time / full |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for arm in dict.fromkeys(result["arm"] for result in results):
        own = [result for result in results if result["arm"] == arm]
        accuracies = [100 * result["accuracy"] for result in own]
        spread = f" ± {statistics.stdev(accuracies):.2f}" if len(own) > 1 else ""
        ratios = [
            f"{statistics.mean(result[what] / full[result['seed']][what] for result in own):.2f}"
            if all(result["seed"] in full for result in own)
            else ""
            for what in ("seconds", "cpu_seconds")
        ]
        cells = [arm, f"{statistics.mean(accuracies):.2f}{spread} %", str(own[0]["steps"]), f"{own[0]['saving']:.1%}"]
        lines.append(f"| {' | '.join([*cells, *ratios])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="full against pruned training on CIFAR-10")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--prune-rate", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=["full", "full-short", "random", "ucb"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="file that gets the lines of JSON, too")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    images, labels = read_cifar10([settings.data / f"data_batch_{part}.bin" for part in range(1, 6)])
    chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[: settings.samples]
    test_images, test_labels = read_cifar10([settings.data / "test_batch.bin"])
    data = [images[chosen], labels[chosen], test_images, test_labels]
    machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
    recipe = {name: getattr(settings, name) for name in ("samples", "epochs", "prune_rate", "threads")}
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as data_dir:
        for seed in range(settings.seeds):
            for arm in settings.arms:
                results.append(train(arm, seed, settings, data, data_dir))
                line = json.dumps({**results[-1], **recipe, **machine})
                print(line, flush=True)
                if settings.out is not None:
                    with settings.out.open("a") as out:
                        out.write(f"{line}\n")
    print(table(results))


if __name__ == "__main__":
    main()
