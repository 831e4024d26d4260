"""What the benches `selection` and `update` compare with: the same work by NumPy, and InfoBatch's in plain lists.

Each line of JSON on stdin is a task with a name and its arguments; it is answered with one line of JSON. Times are in
milliseconds, of the work alone.
"""

from __future__ import annotations

import json
import random
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np


class Selection:
    """Columns as the sampler has them, from files."""

    def __init__(self, mean: str, variance: str, observations: str) -> None:
        self.mean = np.fromfile(mean, np.float32)
        self.variance = np.fromfile(variance, np.float32)
        self.observations = np.fromfile(observations, np.uint16)
        self.losses: list[float] = []

    def numpy(self, kept_count: int, seed: int) -> dict[str, float]:
        """UCB: the samples with the largest mean + variance, unseen ones first, in a random order."""
        rng = np.random.default_rng(seed)
        start = time.perf_counter()
        scores = self.mean + self.variance
        scores[self.observations == 0] = np.inf
        rest = len(scores) - kept_count
        kept = np.argpartition(scores, rest)[rest:]
        order = rng.permutation(kept)
        milliseconds = 1000 * (time.perf_counter() - start)
        return {"ms": milliseconds, "count": len(order), "least": float(scores[order].min())}

    def infobatch(self, seed: int) -> dict[str, float]:
        """InfoBatch's pruning as arXiv 2303.04947 describes it, in lists: of the samples below the mean loss a share r
        is dropped at random and the rest weighs 1 / (1 - r); then all that is kept is shuffled.
        """
        self.losses = self.losses or self.mean.tolist()
        r = 0.5
        rng = random.Random(seed)
        start = time.perf_counter()
        mean = sum(self.losses) / len(self.losses)
        below = [i for i, loss in enumerate(self.losses) if loss < mean]
        kept_below = rng.sample(below, len(below) - int(r * len(below)))
        weights = [1.0] * len(self.losses)
        for i in kept_below:
            weights[i] = 1 / (1 - r)
        order = [i for i, loss in enumerate(self.losses) if loss >= mean] + kept_below
        rng.shuffle(order)
        return {"ms": 1000 * (time.perf_counter() - start), "count": len(order)}


class Update:
    """Statistics of samples, updated by the rule of the sampler, each step rounded to f32."""

    def __init__(self, indices: str, losses: str, alpha: float) -> None:
        self.indices = np.fromfile(indices, np.uint32)
        self.losses = np.fromfile(losses, np.float32)
        self.alpha = np.float32(alpha)
        self.beta = np.float32(1) - self.alpha
        count = len(self.indices)
        self.mean = np.zeros(count, np.float32)
        self.variance = np.zeros(count, np.float32)
        self.last_loss = np.zeros(count, np.float32)
        self.observations = np.zeros(count, np.uint16)

    def update(self, batch: int) -> dict[str, float]:
        start = time.perf_counter()
        for first in range(0, len(self.indices), batch):
            self._observe(self.indices[first : first + batch], self.losses[first : first + batch])
        milliseconds = 1000 * (time.perf_counter() - start)
        return {"ms": milliseconds, "check": zlib.crc32(self.variance.tobytes(), zlib.crc32(self.mean.tobytes()))}

    def _observe(self, i: np.ndarray, loss: np.ndarray) -> None:
        seen = self.observations[i]
        mean = self.mean[i]
        d = loss - mean
        variance = self.beta * self.variance[i] + self.alpha * (d * d)
        is_first = seen == 0
        self.variance[i] = np.where(is_first, np.float32(0), variance)
        self.mean[i] = np.where(is_first, loss, self.beta * mean + self.alpha * loss)
        self.last_loss[i] = loss
        self.observations[i] = np.minimum(seen, 65534) + 1


def main() -> None:
    loaded: dict[str, Any] = {}
    kinds: dict[str, Callable[..., object]] = {"selection": Selection, "update": Update}
    for line in sys.stdin:
        task = json.loads(line)
        name = task.pop("task")
        target = task.pop("of")
        if name == "load":
            loaded[target] = kinds[task.pop("kind")](**task)
            answer: object = {"numpy": np.__version__, "python": sys.version.split()[0]}
        else:
            answer = getattr(loaded[target], name)(**task)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
