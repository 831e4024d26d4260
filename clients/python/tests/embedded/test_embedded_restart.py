"""A sampler that ends before its time, killed alone for example, and those that hold it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from nodes import Nodes
from programs import HOLD, Program, run, sampler_pid

from keepset.client import Client, connect
from keepset.embedded import hold, start
from keepset.policies import UCB, Full
from support.process_end import is_running, wait_for_end

# The thread that waits for the end of a sampler has nothing to complain of.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")

WARNING = "has ended before its time and is started again"
ERROR = "is not started again: "


class Messages(logging.Handler):
    """What the package logs."""

    def __init__(self) -> None:
        super().__init__()
        self.of_level: dict[int, list[str]] = {logging.WARNING: [], logging.ERROR: []}
        self.failed = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.of_level[record.levelno].append(record.getMessage())
        if record.levelno == logging.ERROR:
            self.failed.set()

    def error(self) -> str:
        """The one that says that it is given up, as soon as it is there."""
        assert self.failed.wait(30)
        (text,) = self.of_level[logging.ERROR]
        return text


@pytest.fixture
def messages() -> Iterator[Messages]:
    handler = Messages()
    logging.getLogger("keepset").addHandler(handler)
    yield handler
    logging.getLogger("keepset").removeHandler(handler)


class Gate:
    """A Node that waits before it becomes a sampler, in every launch after `shut`."""

    def __init__(self, nodes: Nodes) -> None:
        self.node = nodes.before_serving('[ ! -p "$0.gate" ] || cat "$0.gate"')
        self._pipe = Path(f"{self.node}.gate")

    def shut(self) -> None:
        os.mkfifo(self._pipe)

    def reached(self) -> IO[bytes]:
        """Returns when the next one waits; it goes on when this is closed."""
        waiting = self._pipe.open("wb")
        self._pipe.unlink()
        return waiting


@pytest.fixture
def gate(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(nodes)
    monkeypatch.setenv("KEEPSET_NODE", gate.node)
    return gate


def end(pid: int, by: int = signal.SIGKILL) -> None:
    os.kill(pid, by)
    wait_for_end(pid)


def is_reached(client: Client) -> bool:
    """Waits until a sampler answers, for `call_timeout` at most."""
    return list(client.list_runs()) is not None


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_goes_on_and_every_report_counts_once(data_dir: Path, messages: Messages, by: int) -> None:
    with start(data_dir) as sampler, connect(sampler.address, give_up_after=40) as client:
        run = client.create_run("a", sample_count=3000, policy=UCB(), prune_rate=0.5, selection_period=1)
        plan = run.plan_epoch(0)
        before, http = sampler_pid(data_dir), sampler.http
        for count, batch in enumerate(plan.batches(2)):
            plan.report(batch, batch.astype(np.float32))
            if count == 700:
                end(before, by)
        run.flush()
        kept = run.plan_epoch(1)
        progress = run.info().progress
        assert (progress.reports, progress.observations, progress.repeats) == (1500, 3000, 0)
        assert sorted(kept.indices) == list(range(1500, 3000))
        with start(data_dir) as other:
            assert (other.address, other.http) == (sampler.address, sampler.http)
        assert sampler.http != http
        after = sampler_pid(data_dir)
        assert after != before and is_running(after)
    wait_for_end(after)
    (warning,) = messages.of_level[logging.WARNING]
    assert warning == f"The embedded sampler of {data_dir} {WARNING}. Its log: {data_dir / 'embedded.log'}"
    assert messages.of_level[logging.ERROR] == []


def test_a_training_of_pytorch_goes_on(data_dir: Path) -> None:
    pytest.importorskip("torch.utils.data")  # tests/torch is a package of that name, too
    import keepset
    from support.training import losses_of, make_loader, train_epoch

    with closing(keepset.Sampler(400, policy=Full(), epochs=3, data_dir=data_dir, run_id="a")) as sampler:
        loader = make_loader(sampler, 400, num_workers=2)
        train_epoch(sampler, loader, 0)
        sampler.set_epoch(1)
        for number, (index, _) in enumerate(loader):
            sampler.report(index, losses_of(index, 1))
            if number == 20:
                end(sampler_pid(data_dir))
        sampler.run.flush(timeout=40)
        train_epoch(sampler, loader, 2)
        sampler.flush()
        progress = sampler.run.info().progress
        assert (progress.reports, progress.observations, progress.repeats) == (150, 1200, 0)
    wait_for_end(sampler_pid(data_dir))


RANK = """
import sys
import keepset
from keepset.embedded import start
rank = int(sys.argv[2])
with start(sys.argv[1]) as sampler, keepset.connect(sampler.address, give_up_after=40) as client:
    run = client.create_run("a", sample_count=1000, policy=keepset.Full())
    for epoch in range(3):
        plan = run.plan_epoch(epoch, rank=rank, world_size=2)
        for number, batch in enumerate(plan.batches(5)):
            plan.report(batch, batch / 2)
            if epoch == 1 and number == 50:
                print("in the middle", flush=True)
                sys.stdin.readline()
    run.flush()
    print(client.get_run("a").next_epoch, flush=True)
    sys.stdin.readline()
    del run
"""


def test_the_ranks_of_a_machine_start_it_once_and_share_it(
    data_dir: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving())
    with Program(RANK, data_dir, "0") as first, Program(RANK, data_dir, "1") as second:
        assert first.read() == second.read() == "in the middle"
        end(nodes.launched[0])
        for program in (first, second):
            program.tell()
        assert first.read() == second.read() == "3"
        assert len(nodes.launched) == 2
        for program in (first, second):
            assert is_running(nodes.launched[1])
            code, output, errors = program.end()
            assert (code, output) == (0, "")
            assert errors == f"The embedded sampler of {data_dir} {WARNING}. Its log: {data_dir / 'embedded.log'}\n"
    wait_for_end(nodes.launched[1])
    with start(data_dir) as sampler, connect(sampler.address) as client:
        progress = client.get_run("a").progress
        assert (progress.reports, progress.observations, progress.repeats) == (600, 3000, 0)


def test_is_given_up_when_it_ends_again_and_again_until_somebody_starts_it(
    data_dir: Path, nodes: Nodes, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving())
    monkeypatch.setattr(hold, "_PAUSE_SECONDS", 0.01)
    with start(data_dir) as sampler, connect(sampler.address) as client:
        for count in range(1, 5):
            assert is_reached(client)
            assert len(nodes.launched) == count
            end(nodes.launched[-1])
        assert f"{ERROR}3 starts in a row did not help, see {data_dir / 'embedded.log'}. " in messages.error()
        assert len(messages.of_level[logging.WARNING]) == 4 and len(nodes.launched) == 4
        with start(data_dir) as again:
            assert again.address == sampler.address and is_reached(client)
            end(nodes.launched[-1])
            assert is_reached(client) and len(nodes.launched) == 6
    wait_for_end(nodes.launched[-1])


def test_is_given_up_where_it_cannot_start(
    data_dir: Path, nodes: Nodes, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "_PAUSE_SECONDS", 0.01)
    with start(data_dir):
        monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving(then="echo broken; exit 9"))
        end(sampler_pid(data_dir))
        assert f"{ERROR}3 starts in a row did not help" in messages.error()
        first, *failures = messages.of_level[logging.WARNING]
        assert WARNING in first and len(failures) == len(nodes.launched) == 3
        assert all("ended with exit code 9" in failure and failure.endswith("\nbroken") for failure in failures)


def test_is_given_up_where_another_program_has_its_port(data_dir: Path, gate: Gate, messages: Messages) -> None:
    with start(data_dir) as sampler:
        gate.shut()
        end(sampler_pid(data_dir))
        with gate.reached() as waiting, socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", int(sampler.address.rpartition(":")[2])))
            other.listen()
            waiting.close()
            assert f"{ERROR}its clients look for it at {sampler.address}, and " in messages.error()
            assert f"cannot listen on {sampler.address}" in messages.error()
            with start(data_dir) as elsewhere, connect(elsewhere.address) as client:
                assert elsewhere.address != sampler.address and is_reached(client)


def test_is_given_up_where_its_directory_is_gone(data_dir: Path, messages: Messages) -> None:
    moved = data_dir.with_name("moved")
    with start(data_dir):
        data_dir.rename(moved)
        end(sampler_pid(moved))
        assert f"The embedded sampler of {data_dir} {ERROR}the directory is not there any more" in messages.error()
        assert not data_dir.exists()


def test_one_that_is_let_go_of_while_it_starts_ends(
    data_dir: Path, gate: Gate, nodes: Nodes, messages: Messages
) -> None:
    with start(data_dir):
        gate.shut()
        end(sampler_pid(data_dir))
        waiting = gate.reached()
    waiting.close()
    wait_for_end(nodes.launched[1])
    assert len(nodes.launched) == 2 and messages.of_level[logging.ERROR] == []


def test_a_start_of_another_process_takes_part_in_it(data_dir: Path, gate: Gate, nodes: Nodes) -> None:
    """Also where the first to start it, while it waits, is killed."""
    with Program(HOLD, data_dir) as first, Program(HOLD, data_dir) as second:
        address = first.read()
        assert second.read() == address
        second.send_signal(signal.SIGSTOP)
        gate.shut()
        end(nodes.launched[0])
        with gate.reached(), Program(HOLD, data_dir) as third:
            first.send_signal(signal.SIGKILL)
            wait_for_end(first.pid)
            os.kill(nodes.launched[1], signal.SIGKILL)
            assert third.read() == address
            second.send_signal(signal.SIGCONT)
            with connect(address) as client:
                assert is_reached(client)
            assert third.end() == (0, "", "")
        # The second has joined it, or starts one of its own.
        with connect(address) as client:
            assert is_reached(client)
        assert second.end()[0] == 0
    for pid in nodes.launched:
        wait_for_end(pid)


def test_a_program_that_ends_at_once_starts_none(data_dir: Path, nodes: Nodes) -> None:
    program = """
import json, os, pathlib, signal, sys
from keepset.embedded import start
sampler = start(sys.argv[1])
os.kill(json.loads((sampler.data_dir / "embedded.json").read_text())["pid"], signal.SIGKILL)
"""
    with Program(program, data_dir, KEEPSET_NODE=nodes.before_serving()) as process:
        assert process.end()[0] == 0
    # One that was just being started sees that nobody comes.
    for pid in nodes.launched:
        wait_for_end(pid)
    assert len(nodes.launched) <= 2


def test_the_reports_of_a_program_that_ends_meanwhile_are_delivered(data_dir: Path) -> None:
    program = """
import json, os, signal, sys
import keepset
from keepset.embedded import start
sampler = start(sys.argv[1])
client = keepset.connect(sampler.address)
plan = client.create_run("a", sample_count=1000, policy=keepset.Full()).plan_epoch(0)
os.kill(json.loads((sampler.data_dir / "embedded.json").read_text())["pid"], signal.SIGKILL)
for batch in plan.batches(10):
    plan.report(batch, batch / 2)
"""
    with Program(program, data_dir) as process:
        code, _, errors = process.end()
    assert code == 0
    if sys.version_info >= (3, 12) and "not delivered" in errors:
        # A program that ends starts no thread there any more, and a connection needs some: it may be too late for it.
        assert "The connection to the sampler broke while the program ended" in errors
        return
    with start(data_dir) as sampler, connect(sampler.address) as client:
        assert client.get_run("a").progress.observations == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_leaves_it_to_its_parent_and_may_hold_the_next_one(data_dir: Path, nodes: Nodes) -> None:
    program = """
import os, sys
import keepset
from keepset.embedded import start
sampler = start(sys.argv[1])
child = os.fork()
if child == 0:
    sys.stdin.readline()
    sampler.close()
    with start(sys.argv[1]) as own:
        print(own.address == sampler.address, flush=True)
        sys.stdin.readline()
    os._exit(0)
with keepset.connect(sampler.address) as client:
    print("forked", flush=True)
    os.waitpid(child, 0)
    list(client.list_runs())
"""
    with Program(program, data_dir, KEEPSET_NODE=nodes.before_serving()) as process:
        assert process.read() == "forked"
        end(nodes.launched[0])
        process.tell()
        assert process.read() == "True"
        assert len(nodes.launched) == 2
        process.tell()
        code, output, errors = process.end()
        assert (code, output) == (0, "") and errors.count(WARNING) == errors.count("\n") == 1
    wait_for_end(nodes.launched[1])


def test_a_program_in_the_place_of_this_one_holds_the_one_that_was_started_again(data_dir: Path) -> None:
    program = """
import os, sys
import keepset
from keepset.embedded import start
sampler = start(sys.argv[1])
sampler.keep_through_exec()
print("holds", flush=True)
sys.stdin.readline()
with keepset.connect(sampler.address) as client:
    list(client.list_runs())
start(sys.argv[1])
os.execv(sys.executable, [sys.executable, "-c", "import sys; print('in its place', flush=True); sys.stdin.readline()"])
"""
    with Program(program, data_dir) as process:
        assert process.read() == "holds"
        end(sampler_pid(data_dir))
        process.tell()
        assert process.read() == "in its place"
        pid = sampler_pid(data_dir)
        with pytest.raises(AssertionError, match="still runs"):
            wait_for_end(pid, 1)
        assert process.end()[0] == 0
    wait_for_end(pid)


def test_a_rerun_has_the_address_of_before_where_it_is_free(data_dir: Path) -> None:
    seen = [run("import sys; from keepset.embedded import start; print(start(sys.argv[1]).address)", data_dir)]
    port = int(seen[0].rpartition(":")[2])
    wait_for_end(sampler_pid(data_dir))
    with start(data_dir) as sampler:
        assert sampler.address == seen[0].strip()
    wait_for_end(sampler_pid(data_dir))
    with socket.create_server(("127.0.0.1", port)), start(data_dir) as sampler:
        assert sampler.address != seen[0].strip()
