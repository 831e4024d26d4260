"""What a PyTorch training pays for Keepset: time on the calling thread for each `report()`, and time of whole epochs at
prune rate 0.

Two arms take turns, epoch for epoch on the same data: a plain loop (RandomSampler, `losses.mean()`) and the same loop
with keepset.Sampler. Prints one JSON document. `--address` is a sampler's; the steps are real matrix products.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

import keepset

Combine = Callable[[Any, Tensor], Tensor]


class Step:
    """Work of a training step's length that leaves the caches as a training step does. The losses that it returns
    differ from step to step.
    """

    def __init__(self, milliseconds: float, batch_size: int) -> None:
        self.weight = torch.randn(512, 512)
        self.batch_size = batch_size
        self.products = 1
        start = time.perf_counter()
        for _ in range(50):
            self._multiply()
        self.products = max(1, round(milliseconds / (1000 * (time.perf_counter() - start) / 50)))

    def __call__(self) -> Tensor:
        self._multiply()
        return torch.rand(self.batch_size).requires_grad_()

    def _multiply(self) -> None:
        product = self.weight
        for _ in range(self.products):
            product = torch.tanh(product @ self.weight)


def run_epoch(batches: Iterable[Any], step: Step, combine: Combine) -> dict[str, Any]:
    """Seconds of the epoch, and nanoseconds on the calling thread from each batch's losses to its mean."""
    calls: list[int] = []
    start = time.perf_counter()
    for index, _ in batches:
        losses = step()[: len(index)]
        before = time.perf_counter_ns()
        mean = combine(index, losses)
        calls.append(time.perf_counter_ns() - before)
        mean.backward()
    return {"seconds": time.perf_counter() - start, "call_ns": calls}


def measure(settings: argparse.Namespace, step_ms: float, batch_size: int) -> dict[str, Any]:
    """Rounds of both arms, by turns."""
    data = keepset.indexed(range(settings.samples))
    step = Step(step_ms, batch_size)
    sampler = keepset.Sampler(
        settings.samples, policy=keepset.Full(), address=settings.address, run_id=f"overhead-{uuid.uuid4()}"
    )
    loaders = {
        "plain": DataLoader(data, batch_size, sampler=RandomSampler(data), collate_fn=keepset.collate),
        "keepset": DataLoader(data, batch_size, sampler=sampler, collate_fn=keepset.collate),
    }
    combine: dict[str, Combine] = {"plain": lambda _, losses: losses.mean(), "keepset": sampler.report}
    rounds: list[dict[str, Any]] = []
    for epoch in range(settings.rounds + 1):
        sampler.set_epoch(epoch)
        arms = list(loaders) if epoch % 2 else list(loaders)[::-1]
        result = {arm: run_epoch(loaders[arm], step, combine[arm]) for arm in arms}
        if epoch > 0:  # the first round warms up
            rounds.append(result)
    sampler.close()
    return {"step_ms": step_ms, "batch_size": batch_size, "rounds": [summarise(result) for result in rounds]}


def summarise(result: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ratios of one round, and quantiles of its calls in microseconds."""
    summary: dict[str, Any] = {"epoch_ratio": result["keepset"]["seconds"] / result["plain"]["seconds"]}
    for arm, measured in result.items():
        calls = sorted(measured["call_ns"])
        summary[f"{arm}_seconds"] = measured["seconds"]
        summary[f"{arm}_call_us"] = {
            name: calls[int(q * (len(calls) - 1))] / 1000 for name, q in (("median", 0.5), ("p99", 0.99))
        }
    return summary


def shapes(quick: bool) -> Iterator[tuple[float, int]]:
    """Step in milliseconds and batch size."""
    yield from [(1, 64)] if quick else [(3, 256), (10, 128), (10, 256), (10, 1024), (30, 256)]


def main() -> None:
    parser = argparse.ArgumentParser(description="the cost of Keepset in a PyTorch loop")
    parser.add_argument("--address", required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    # The sampler, as in most trainings, has a core that the trainer does not need.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    versions = {"torch": torch.__version__, "keepset": keepset.__version__}
    print(
        json.dumps({"versions": versions, "measured": [measure(settings, *shape) for shape in shapes(settings.quick)]})
    )


if __name__ == "__main__":
    main()
