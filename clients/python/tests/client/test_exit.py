"""How a program ends that uses a client: with its reports delivered, and never stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keepset.client import RunInfo, connect
from support.cutting_proxy import CuttingProxy
from support.sampler_process import SamplerProcess

SOURCES = Path(__file__).parents[2] / "src"

BEGIN = """
import os, signal, sys, threading
import numpy as np
from keepset.client import connect
from keepset.policies import Full
client = connect(sys.argv[1])
run = client.create_run(sys.argv[2], sample_count=10_000, policy=Full())
plan = run.plan_epoch(0)
for batch in plan.batches(10):
    plan.report(batch, batch.astype(np.float32))
"""


def start(program: str | Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    return subprocess.Popen(
        [sys.executable, *(["-c", program] if isinstance(program, str) else [program]), *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_program(program: str | Path, *arguments: str, seconds: float = 60) -> tuple[int, str]:
    process = start(program, *arguments)
    try:
        _, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, errors


def info(sampler: SamplerProcess, run_id: str) -> RunInfo:
    with connect(sampler.address) as client:
        return client.get_run(run_id)


@pytest.mark.parametrize(
    ("ending", "code", "text"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise RuntimeError('diverged')", 1, "RuntimeError: diverged"),
        ("os.kill(os.getpid(), signal.SIGINT); threading.Event().wait()", -signal.SIGINT, "KeyboardInterrupt"),
        ("del client, run, plan", 0, ""),
        ("client.close()", 0, ""),
    ],
    ids=["end", "exit", "exception", "Ctrl-C", "let go", "close"],
)
def test_the_reports_of_a_program_that_ends_are_delivered(
    sampler: SamplerProcess, run_id: str, ending: str, code: int, text: str
) -> None:
    returned, errors = run_program(BEGIN + ending, sampler.address, run_id)
    assert returned == code and (errors == "" if text == "" else text in errors), errors
    progress = info(sampler, run_id).progress
    assert (progress.reports, progress.observations) == (1000, 10_000)


def test_a_program_that_ends_after_its_first_report_delivers_it(sampler: SamplerProcess, run_id: str) -> None:
    program = BEGIN[: BEGIN.index("for batch")] + "plan.report([1], [0.0])"
    assert run_program(program, sampler.address, run_id) == (0, "")
    assert info(sampler, run_id).progress.reports == 1


def test_a_refusal_that_nobody_heard_of_is_told_at_the_end(sampler: SamplerProcess, run_id: str) -> None:
    program = BEGIN + "run.flush(); plan.report([10_000], [0.0]); threading.Event().wait(0.5)"
    code, errors = run_program(program, sampler.address, run_id)
    assert code == 0 and f"1 reports of run '{run_id}' were not delivered: indices: must be from 0 to 9999" in errors
    heard = "\ntry: run.flush()\nexcept Exception: pass"
    assert run_program(BEGIN + "plan.report([10_000], [0.0])" + heard, sampler.address, run_id) == (0, "")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_that_multiprocessing_started_delivers_its_reports(
    sampler: SamplerProcess, run_id: str, tmp_path: Path, method: str
) -> None:
    """Such processes end without the handlers of atexit."""
    program = tmp_path / "program.py"
    body = "".join(f"    {line}\n" for line in BEGIN.strip().splitlines())
    program.write_text(
        f"import multiprocessing, sys\ndef work():\n{body}\n"
        "if __name__ == '__main__':\n"
        f"    process = multiprocessing.get_context('{method}').Process(target=work)\n"
        "    process.start(); process.join(); sys.exit(process.exitcode)\n"
    )
    assert run_program(program, sampler.address, run_id) == (0, "")
    assert info(sampler, run_id).progress.reports == 1000


@pytest.mark.parametrize("ending", ["", "raise RuntimeError('diverged')"])
def test_a_program_whose_sampler_is_gone_ends_and_says_what_is_lost(
    sampler: SamplerProcess, run_id: str, ending: str
) -> None:
    program = (
        BEGIN.replace("for batch", "print('planned', flush=True); sys.stdin.readline()\nfor batch")
        + "from keepset.client import exit_flush; exit_flush.EXIT_SECONDS = 0.5\n"
        + ending
    )
    with CuttingProxy(sampler.address) as proxy:
        process = start(program, proxy.address, run_id)
        try:
            assert process.stdout is not None and process.stdout.readline() == "planned\n"
            proxy.refuse()
            _, errors = process.communicate("\n", timeout=30)
        finally:
            process.kill()
    assert process.returncode == (1 if ending else 0)
    assert f"1000 reports of run '{run_id}' were not delivered: " in errors


def test_a_program_that_never_reached_a_sampler_ends(unused_address: str) -> None:
    program = """
import sys
from keepset.client import UnavailableError, connect
try:
    connect(sys.argv[1], call_timeout=0.2).get_run("a")
except UnavailableError:
    print("unavailable", file=sys.stderr)
"""
    assert run_program(program, unused_address) == (0, "unavailable\n")


def test_a_killed_program_loses_only_what_was_on_its_way(sampler: SamplerProcess, run_id: str) -> None:
    program = BEGIN + "run.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    assert run_program(program, sampler.address, run_id)[0] == -signal.SIGKILL
    assert info(sampler, run_id).progress.reports == 1000
