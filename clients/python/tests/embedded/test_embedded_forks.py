"""Forked children, as DataLoader's workers are, and the sampler that their parent holds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from filelock import FileLock
from programs import Program, run, sampler_pid

from support.process_end import is_running, wait_for_end

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

BEGIN = """
import os, sys, threading
import keepset
from keepset.embedded import start

def kept(sampler, run_id):
    with keepset.connect(sampler.address) as client:
        return len(client.create_run(run_id, sample_count=10, policy=keepset.Full()).plan_epoch(0).indices)

def in_child(action):
    \"\"\"Forks off a child that does something and ends as a program does.\"\"\"
    child = os.fork()
    if child == 0:
        action()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("use", ["", "client = keepset.connect(sampler.address); list(client.list_runs())"])
def test_a_child_does_not_keep_the_sampler_of_its_killed_parent(data_dir: Path, use: str) -> None:
    """Nor with the connection of a client that it has inherited."""
    program = f"""{BEGIN}
sampler = start(sys.argv[1])
{use}
child = os.fork()
if child == 0:
    sys.stdin.readline()
    os._exit(0)
print(child, flush=True)
os.waitpid(child, 0)
"""
    with Program(program, data_dir) as parent:
        child = int(parent.read())
        parent.send_signal(signal.SIGKILL)
        wait_for_end(parent.pid)
        wait_for_end(sampler_pid(data_dir))
        assert is_running(child)
        parent.tell()
        wait_for_end(child)


@pytest.mark.parametrize(
    "action",
    [
        "sampler.close",
        "lambda: None",
        "lambda: start(sys.argv[1]).close()",
        "lambda: (start(sys.argv[1]), sampler.close(), sampler.close())",
    ],
)
def test_what_a_child_does_leaves_its_parents_hold_alone(data_dir: Path, action: str) -> None:
    program = f"""{BEGIN}
sampler, second = start(sys.argv[1]), start(sys.argv[1])
in_child({action})
second.close()
print(kept(sampler, "a"), start(sys.argv[1]).address == sampler.address)
"""
    assert run(program, data_dir) == "10 True\n"


def test_a_child_that_starts_has_a_hold_of_its_own(data_dir: Path) -> None:
    program = f"""{BEGIN}
mine = start(sys.argv[1])
child = os.fork()
if child == 0:
    own = start(sys.argv[1])
    mine.close()
    print(os.getpid(), flush=True)
    print(own.address == mine.address, flush=True)
    sys.stdin.readline()
    print(kept(own, "a"), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    with Program(program, data_dir) as parent:
        child = int(parent.read())
        assert parent.read() == "True"
        parent.send_signal(signal.SIGKILL)
        wait_for_end(parent.pid)
        parent.tell()
        assert parent.read() == "10"
        wait_for_end(child)
        wait_for_end(sampler_pid(data_dir))


def test_a_child_that_is_forked_while_a_thread_starts_can_start_too(data_dir: Path) -> None:
    program = f"""{BEGIN}
from keepset.embedded import sampler as module
thread = threading.Thread(target=lambda: print(kept(start(sys.argv[1]), "a")))
thread.start()
while not module._guard.locked():
    pass
child = os.fork()
if child == 0:
    own = start(sys.argv[1])
    print(kept(own, "b"), flush=True)
    own.close()
    os._exit(0)
print("forked", flush=True)
os.waitpid(child, 0)
thread.join()
"""
    data_dir.mkdir()
    lock = FileLock(data_dir / "embedded.lock")
    lock.acquire()  # as if another process were starting the sampler: the thread waits for it
    with Program(program, data_dir) as process:
        assert process.read() == "forked"
        lock.release()
        assert process.end() == (0, "10\n10\n", "")
