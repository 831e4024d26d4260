"""Runs the arms of a matrix, those that have no result yet, several at once, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import keepset

from . import results
from .arm import Arm, fields_of
from .method import Method
from .recipe import RECIPES


@dataclass(frozen=True)
class RunSettings:
    """How a matrix is run."""

    data: Path
    """Folder of the data sets."""
    out: Path
    """File of the results. What is in it, or in another one beside it, is not trained again."""
    workers: int
    """Arms at once."""
    threads: int
    """Of each."""


# glibc gives large arrays back and asks for them anew all the time, unless it is told not to.
_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(2**33),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**26),
}


GUESSED_SAMPLES = 10_000
GUESSED_SHARE = 0.7
"""Of a data set, what a policy keeps that decides it itself: about."""


class ArmFailedError(Exception):
    """The process of an arm ended with an error."""


def run(arms: list[Arm], settings: RunSettings, log: TextIO) -> None:
    """Trains what has no result yet. After a kill the same call goes on with the arms that are left.

    Raises:
        ArmFailedError: naming the arm. Arms that were being trained are trained to their end, and no others are begun.
    """
    done = {result["key"] for result in results.read(sorted(settings.out.parent.glob("*.jsonl")))}
    left = deque(arm for arm in arms if arm.key not in done)
    print(f"{len(arms)} arms, {len(arms) - len(left)} with a result", file=log, flush=True)
    matrix = _Matrix(left, settings, log)
    threads = [threading.Thread(target=matrix.work) for _ in range(min(settings.workers, len(left)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if matrix.failures:
        raise ArmFailedError("\n".join(matrix.failures))


class _Matrix:
    """The arms that are left, shared by the threads that wait for their processes."""

    def __init__(self, left: deque[Arm], settings: RunSettings, log: TextIO) -> None:
        self.failures: list[str] = []
        self._left = left
        self._settings = settings
        self._log = log
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._work_in_all = sum(map(_work_of, left))
        self._work_done: dict[str, float] = {}

    def work(self) -> None:
        """Trains one arm after the other."""
        while True:
            with self._lock:
                if not self._left or self.failures:
                    return
                arm = self._left.popleft()
            try:
                self._train(arm)
            except ArmFailedError as failure:
                with self._lock:
                    self.failures.append(str(failure))

    def _train(self, arm: Arm) -> None:
        settings = self._settings
        request = {
            "arm": fields_of(arm),
            "data": str(settings.data),
            "out": str(settings.out),
            "threads": settings.threads,
        }
        command = [sys.executable, "-m", "keepset_experiments.worker"]
        paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, **_MALLOC, "OMP_NUM_THREADS": str(settings.threads), "PYTHONPATH": os.pathsep.join(paths)}
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(request))
            process.stdin.close()
            for line in process.stdout:
                self._tell(arm, json.loads(line))
        if process.returncode != 0:
            raise ArmFailedError(f"{arm.key} ended with exit code {process.returncode}; its error is above")

    def _tell(self, arm: Arm, progress: dict[str, Any]) -> None:
        share = progress["steps"] / progress["total"]
        with self._lock:
            self._work_done[arm.key] = share * _work_of(arm)
            done = sum(self._work_done.values())
            elapsed = time.monotonic() - self._begin
            left = elapsed * (self._work_in_all / done - 1)
            print(
                f"{arm.key}: step {progress['steps']}/{progress['total']} · all arms {done / self._work_in_all:.0%}, "
                f"{_duration(left)} left",
                file=self._log,
                flush=True,
            )


def _work_of(arm: Arm) -> float:
    """About how long an arm takes beside others of its recipe: epochs' worth of samples that it trains on. Raises
    ValueError where its settings cannot be right.
    """
    recipe, method = RECIPES[arm.recipe], Method(arm.method)
    if arm.method == "full-short" or method.reference_rule is not None:
        method = Method("random")
    lengths = keepset.Sampler(GUESSED_SAMPLES, **method.settings(recipe, arm.prune_rate)).lengths
    return sum(
        lengths.kept_count(epoch) / GUESSED_SAMPLES if lengths.is_known(epoch) else GUESSED_SHARE
        for epoch in range(recipe.epochs)
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
