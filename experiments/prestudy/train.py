"""Trains one arm of the pre-study, with the CPU recipe and a prune rate of 0.5, and adds a line to results.jsonl:

    PYTHONPATH=. python prestudy/train.py backlog,period=1 cifar10 0 --data data

A rule comes with its settings, and with `period`, the epochs from one selection to the next, 2 where it is not given.
The line has two accuracies: of the network as it is, and with batch-norm statistics made anew on random images.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rules import RULES
from torch import Tensor, nn

from keepset_experiments.accuracy import accuracy_of
from keepset_experiments.augmentation import Augmentation
from keepset_experiments.cifar import read
from keepset_experiments.networks import build, to_input
from keepset_experiments.optimization import Optimizer
from keepset_experiments.recipe import RECIPES
from keepset_experiments.results import append

PRUNE_RATE = 0.5
SCORING_BATCH = 1000
RENEWING_BATCHES = 20
"""Random batches that batch norm's statistics are made of anew."""


def main() -> None:
    """Trains the arm that the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rule")
    parser.add_argument("set", choices=["cifar10", "cifar100"])
    parser.add_argument("seed", type=int)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.jsonl"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    outcome = _train(asked.rule, asked.set, asked.seed, asked.data)
    print(json.dumps(outcome))
    append(asked.out, outcome)


def _train(spec: str, data_set: str, seed: int, folder: Path) -> dict[str, object]:
    name, *rest = spec.split(",")
    settings = {key: float(value) for key, value in (part.split("=") for part in rest)}
    period = int(settings.pop("period", 2))
    data, recipe = read(folder, data_set), RECIPES["cpu"]
    count, size = len(data.labels), recipe.batch_size
    keep = math.floor((1 - PRUNE_RATE) * count)
    rule = RULES[name](count, **settings)
    selecting, ordering = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    torch.manual_seed(seed)
    network = build(recipe.network, data.classes, data.images).to(memory_format=torch.channels_last)
    optimizer = Optimizer(network, recipe.schedule, recipe.weight_decay, recipe.bias_scale)
    augmentation, scoring = Augmentation(recipe, count, seed), Augmentation(recipe, count, 2**32 + seed)
    total, step = math.ceil(count / size) + (recipe.epochs - 1) * math.ceil(keep / size), 0
    kept, times_kept = np.arange(count), np.zeros(count, np.int64)

    def losses_of(indices: Tensor, images: Tensor) -> Tensor:
        return F.cross_entropy(network(to_input(images)), data.labels[indices], reduction="none")

    def present_losses() -> np.ndarray:
        network.eval()
        with torch.no_grad():
            parts = [losses_of(of, scoring(data.images[of], of)) for of in torch.arange(count).split(SCORING_BATCH)]
        network.train()
        return torch.cat(parts).numpy()

    for epoch in range(recipe.epochs):
        if epoch > 0 and (epoch - 1) % period == 0:
            kept = np.sort(rule.select(keep, selecting, present_losses() if rule.needs_fresh else None))
            times_kept[kept] += 1
        order = torch.from_numpy(ordering.permutation(kept))
        images = augmentation(data.images[order], order)
        for batch in range(0, len(order), size):
            indices = order[batch : batch + size]
            losses = losses_of(indices, images[batch : batch + size])
            rule.observe(epoch, indices.numpy(), losses.detach().numpy())
            optimizer.step(losses.mean(dtype=torch.float32), step, total, 1.0)
            step += 1

    def accuracy() -> float:
        network.eval()
        result = accuracy_of(network, data.test_images, data.test_labels, averages_views=recipe.averages_views)
        network.train()
        return result

    as_it_is = accuracy()
    _forget_statistics(network)
    with torch.no_grad():
        some = torch.from_numpy(ordering.permutation(count)[: RENEWING_BATCHES * size].copy())
        for indices in some.split(size):
            network(to_input(scoring(data.images[indices], indices)))
    return {
        **{"rule": spec, "data": data_set, "seed": seed, "prune_rate": PRUNE_RATE, "sampler": "in process"},
        **{"accuracy": as_it_is, "accuracy_renewed": accuracy(), "steps": step},
        "never": float((times_kept == 0).mean()),
        "always": float((times_kept == times_kept.max()).mean()),
    }


def _forget_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            # The plain mean over all batches from here on.
            module.momentum = None


if __name__ == "__main__":
    main()
