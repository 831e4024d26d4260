"""Processes that are forked off while a client is in use, as DataLoader's workers are."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from keepset.client import Client, KeepsetError, Run, connect
from keepset.policies import Full
from support.sampler_process import SamplerProcess

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture
def client(sampler: SamplerProcess) -> Iterator[Client]:
    with connect(sampler.address) as client:
        yield client


def in_child(action: Callable[[], object]) -> str:
    """What a forked child gets of `action`: its result, or the reason of its error."""
    here, there = multiprocessing.Pipe()

    def work(pipe: Connection) -> None:
        try:
            pipe.send(str(action()))
        except KeepsetError as error:
            pipe.send(error.reason)

    process = multiprocessing.get_context("fork").Process(target=work, args=(there,))
    process.start()
    try:
        assert here.poll(30), "the forked child hangs"
        answer = here.recv()
        process.join(30)
        assert process.exitcode == 0
    finally:
        process.kill()
    return answer


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_cannot_use_the_clients_of_its_parent(client: Client) -> None:
    run = client.create_run(sample_count=1000, policy=Full())
    plan = run.plan_epoch(0)
    calls: list[Callable[[], object]] = [
        run.info,
        run.flush,
        lambda: run.plan_epoch(0),
        lambda: plan.report([1], [0.0]),
        lambda: client.statistics(run.run_id),
    ]
    for count, call in enumerate(calls):
        for index in plan.indices[count * 100 : count * 100 + 100]:  # the sender is busy while it forks
            plan.report([index], [0.0])
        assert in_child(call) == "FORKED"
    run.flush()
    assert run.info().progress.observations == 500
    assert in_child(client.close) == "None"
    assert in_child(lambda: np.sum(plan.indices)) == str(np.sum(plan.indices))


def test_a_child_that_ends_as_a_program_does_leaves_the_parents_reports_alone(
    sampler: SamplerProcess, run_id: str
) -> None:
    program = """
import os, sys
from keepset.client import connect
from keepset.policies import Full
client = connect(sys.argv[1])
run = client.create_run(sys.argv[2], sample_count=1000, policy=Full())
plan = run.plan_epoch(0)
for index in plan.indices:
    plan.report([index], [0.0])
if os.fork() == 0:
    del client, run, plan
    sys.exit(0)  # runs atexit's handlers and finalizers, other than multiprocessing's children
assert os.wait()[1] == 0
"""
    run_program(program, sampler.address, run_id)
    with connect(sampler.address) as client:
        assert client.get_run(run_id).progress.observations == 1000


def test_children_may_collect_what_their_parent_left_of_its_calls(sampler: SamplerProcess) -> None:
    """gRPC's own fork handlers let such a child abort, and write a line for every fork."""
    program = """
import gc, os, sys
from keepset.client import connect
from keepset.policies import Full
gc.disable()
for _ in range(10):
    client = connect(sys.argv[1])
    run = client.create_run(sample_count=100, policy=Full())
    plan = run.plan_epoch(0)
    plan.report(plan.indices, [0.0] * 100)
    run.flush()
    garbage = [client, run, plan]
    garbage.append(garbage)
    del client, run, plan, garbage
    if os.fork() == 0:
        gc.collect()
        os._exit(0)
    assert os.wait()[1] == 0
"""
    assert run_program(program, sampler.address) == ""


def run_program(program: str, *arguments: str) -> str:
    """What a program that must succeed writes to standard error."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    environment.pop("GRPC_ENABLE_FORK_SUPPORT", None)  # which this process has set
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_sees_its_own_copy_of_a_run(client: Client) -> None:
    run: Run = client.create_run(sample_count=10, policy=Full())
    assert in_child(lambda: run.generation) == "1" and in_child(lambda: run) == repr(run)
