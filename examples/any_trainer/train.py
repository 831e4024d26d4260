"""A trainer with nothing but the contract: messages and stubs are generated from `proto/keepset/v1` when it starts, and
it imports nothing of Keepset. docs/guides/any-trainer.md explains each step. It writes a checkpoint after each epoch;
`--resume` goes on from there, whether it stopped by itself or was killed.

    pip install grpcio grpcio-tools numpy
    npx keepset serve
    python examples/any_trainer/train.py --epochs 4
    python examples/any_trainer/train.py --resume
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np

PROTO = Path(__file__).resolve().parents[2] / "proto"
CHECKPOINT = Path(__file__).with_name("train.npz")
EPOCHS = 10
BATCH = 64
GIVE_UP_SECONDS = 60.0
CHANNEL_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


def generate_stubs(folder: str) -> None:
    """What every gRPC language has a tool for. The sampler itself can be asked, too: it has server reflection."""
    files = [f"keepset/v1/{name}.proto" for name in ("run", "run_service", "sampler_service")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={folder}"]
    subprocess.run([*command, f"--grpc_python_out={folder}", *files], check=True)
    Path(folder, "keepset/__init__.py").touch()  # else an installed keepset would come first
    sys.path.insert(0, folder)


class Trainer:
    """One rank's calls, in their order."""

    def __init__(self, address: str, run_id: str, sample_count: int) -> None:
        channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
        self.runs = run_service_pb2_grpc.RunServiceStub(channel)
        self.sampler = sampler_service_pb2_grpc.SamplerServiceStub(channel)
        spec = run_pb2.RunSpec(sample_count=sample_count, seed=0, prune_rate=0.5, total_epochs=EPOCHS)
        spec.ucb.SetInParent()  # the policy, its settings left at their defaults
        request = run_service_pb2.CreateRunRequest(run_id=run_id, spec=spec)
        self.run = self.call(self.runs.CreateRun, request).run
        self.epoch = self.sequence = 0

    def begin_at(self, epoch: int) -> None:
        """Takes the run to the start of an epoch: the run may have gone on after the checkpoint."""
        if self.run.next_epoch != epoch or self.run.state != run_pb2.RUN_STATE_ACTIVE:
            request = run_service_pb2.RewindRunRequest(
                run_id=self.run.run_id, epoch=epoch, generation=self.run.generation
            )
            self.run = self.call(self.runs.RewindRun, request).run

    def plan(self, epoch: int) -> tuple[Any, np.ndarray]:
        """The header of the epoch's plan, and the samples to train on."""
        reports_before = self.sequence if epoch == self.epoch + 1 else 0
        request = sampler_service_pb2.PlanEpochRequest(
            run_id=self.run.run_id,
            epoch=epoch,
            rank=0,
            world_size=1,
            last_sequence=reports_before,
            generation=self.run.generation,
        )

        def fetch(request: Any, timeout: float) -> tuple[Any, np.ndarray]:
            parts = list(self.sampler.PlanEpoch(request, timeout=timeout))
            chunks = [np.frombuffer(part.chunk.sample_indices, "<u4") for part in parts[1:]]
            return parts[0].header, np.concatenate(chunks)

        header, indices = self.call(fetch, request)
        if len(indices) != header.position_count:
            raise RuntimeError(f"the plan has {len(indices)} of {header.position_count} positions")
        self.epoch, self.sequence = epoch, header.applied_sequence
        return header, indices

    def report(self, indices: np.ndarray, losses: np.ndarray) -> None:
        """Hands in the losses of a batch. A report that is sent again keeps its sequence, and is counted once."""
        self.sequence += 1
        report = sampler_service_pb2.LossReport(
            run_id=self.run.run_id,
            epoch=self.epoch,
            rank=0,
            sequence=self.sequence,
            sample_indices=indices.astype("<u4").tobytes(),
            losses=losses.astype("<f4").tobytes(),
            generation=self.run.generation,
        )
        self.call(self.sampler.ReportLosses, sampler_service_pb2.ReportLossesRequest(report=report))

    def finish(self) -> Any:
        """Closes the run. Returns it, with its counts."""
        request = run_service_pb2.FinishRunRequest(run_id=self.run.run_id, generation=self.run.generation)
        return self.call(self.runs.FinishRun, request).run

    @staticmethod
    def call(method: Callable[..., Any], request: Any) -> Any:
        """Makes a call, the same again while the sampler cannot be reached. Every other error is an answer."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        wait = 0.05
        while True:
            try:
                return method(request, timeout=deadline - time.monotonic())
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, 5.0)


def main(args: argparse.Namespace) -> None:
    x, y = make_clusters(4000, seed=0)
    test_x, test_y = make_clusters(1000, seed=1)
    weights, first_epoch = np.zeros((x.shape[1], 4)), 0
    if args.resume:
        with np.load(CHECKPOINT) as checkpoint:
            weights, first_epoch = checkpoint["weights"], int(checkpoint["epochs"])

    trainer = Trainer(args.address, args.run_id, len(x))
    trainer.begin_at(first_epoch)
    for epoch in range(first_epoch, args.epochs):
        header, indices = trainer.plan(epoch)
        total = 0.0
        for batch in batches(indices):
            losses = train_step(weights, x[batch], y[batch])
            trainer.report(batch, losses)
            total += float(losses.sum())
        save(weights, epoch + 1)  # every report is acknowledged by now
        print(
            f"epoch {epoch + 1}/{EPOCHS}: kept {header.kept_count / header.sample_count:.0%}, "
            f"loss {total / header.position_count:.4f}, "
            f"test accuracy {((test_x @ weights).argmax(1) == test_y).mean():.1%}, saving {header.saving:.1%}",
            flush=True,
        )
    if args.epochs == EPOCHS:
        progress = trainer.finish().progress
        print(f"{progress.observations} losses counted in {progress.reports} reports")


def batches(indices: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]


def train_step(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A step of softmax regression on the mean loss, in place. Returns the un-reduced losses."""
    logits = x @ weights
    logits -= logits.max(1, keepdims=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own = probabilities[np.arange(len(y)), y]
    error = probabilities
    error[np.arange(len(y)), y] -= 1
    weights -= 0.5 * x.T @ error / len(y)
    return -np.log(np.maximum(own, 1e-30))


def save(weights: np.ndarray, epochs: int) -> None:
    """A checkpoint that is either the old one or the new one, whenever the process is killed."""
    new = CHECKPOINT.with_suffix(".new.npz")
    np.savez(new, weights=weights, epochs=epochs)
    os.replace(new, CHECKPOINT)


def make_clusters(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) of four overlapping clusters, the third value a constant 1, and the cluster (N,) of each."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 4, count)
    centres = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    points = centres[y] + random.normal(0, 0.6, (count, 2))
    return np.column_stack([points, np.ones(count)]), y


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a trainer with nothing but the contract")
    parser.add_argument("--address", default="127.0.0.1:50051", help="HOST:PORT of the sampler")
    parser.add_argument("--run-id", default="any-trainer", help="name of the run")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"stop after so many of the {EPOCHS} epochs")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    with tempfile.TemporaryDirectory() as stubs:
        generate_stubs(stubs)
        from keepset.v1 import (
            run_pb2,
            run_service_pb2,
            run_service_pb2_grpc,
            sampler_service_pb2,
            sampler_service_pb2_grpc,
        )

        main(parser.parse_args())
