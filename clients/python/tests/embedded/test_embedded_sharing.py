"""Several processes of a machine with one sampler, which ends with the last of them, however they end."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from nodes import Nodes
from programs import HOLD, HOLD_AT_ONCE, Program, run, sampler_pid

from keepset.client import connect
from keepset.embedded import start
from keepset.policies import Full
from support.process_end import is_running, wait_for_end


def make_run(address: str, run_id: str) -> None:
    with connect(address) as client:
        client.create_run(run_id, sample_count=10, policy=Full()).plan_epoch(0)


def test_processes_that_start_at_the_same_moment_share_one_node(data_dir: Path, nodes: Nodes) -> None:
    node = nodes.before_serving()
    with ExitStack() as stack:
        programs = [stack.enter_context(Program(HOLD_AT_ONCE, data_dir, KEEPSET_NODE=node)) for _ in range(5)]
        assert [program.read() for program in programs] == ["ready"] * 5
        for program in programs:
            program.tell()
        (address,) = {program.read() for program in programs}
        make_run(address, "a")
        assert nodes.launched == [sampler_pid(data_dir)]
        for program in programs:
            assert is_running(nodes.launched[0])
            assert program.end() == (0, "", "")
    wait_for_end(nodes.launched[0])
    assert len(nodes.launched) == 1


def test_lives_on_when_the_process_that_launched_it_ends(data_dir: Path) -> None:
    with Program(HOLD, data_dir) as first, Program(HOLD, data_dir) as second:
        address = first.read()
        assert second.read() == address
        # Its output comes to its end, too: the sampler does not hold the pipe.
        assert first.end() == (0, "", "")
        with Program(HOLD, data_dir) as third:
            assert third.read() == address
            assert second.end() == (0, "", "")
            make_run(address, "a")
            assert third.end() == (0, "", "")
    wait_for_end(sampler_pid(data_dir))


def test_ends_when_its_holders_are_killed(data_dir: Path) -> None:
    with Program(HOLD, data_dir) as first, Program(HOLD, data_dir) as second:
        address = first.read()
        assert second.read() == address
        first.send_signal(signal.SIGKILL)
        assert first.end()[0] == -signal.SIGKILL
        make_run(address, "a")
        second.send_signal(signal.SIGKILL)
        wait_for_end(sampler_pid(data_dir))


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("os.killpg(0, signal.SIGINT); time.sleep(60)", -signal.SIGINT),
        ("os.killpg(0, signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
        ("raise RuntimeError('diverged')", 1),
        ("os._exit(3)", 3),
    ],
    ids=["Ctrl-C", "SIGTERM", "exception", "_exit"],
)
def test_ends_with_its_program(data_dir: Path, ending: str, code: int) -> None:
    """A signal goes to the whole group, as a terminal and a batch system send it."""
    with Program(f"import os, signal, sys, time\n{HOLD}\n{ending}", data_dir) as program:
        program.read()
        program.tell()
        assert program.end()[0] == code
    wait_for_end(sampler_pid(data_dir))


def test_the_reports_of_a_program_that_ends_by_ctrl_c_are_kept(data_dir: Path) -> None:
    program = """
import os, signal, sys, time
import numpy as np
import keepset
from keepset.embedded import start
client = keepset.connect(start(sys.argv[1]).address)
plan = client.create_run("a", sample_count=1000, policy=keepset.Full()).plan_epoch(0)
for batch in plan.batches(10):
    plan.report(batch, batch.astype(np.float32))
os.killpg(0, signal.SIGINT)
time.sleep(60)
"""
    with Program(program, data_dir) as process:
        code, _, errors = process.end()
    assert code == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt")
    assert "not delivered" not in errors
    with start(data_dir) as sampler, connect(sampler.address) as client:
        assert client.get_run("a").progress.observations == 1000


TRAIN = """
import os, signal, sys
import numpy as np
import keepset
from keepset.embedded import start
stop_in = int(sys.argv[2])
with start(sys.argv[1]) as sampler, keepset.connect(sampler.address) as client:
    run = client.create_run("a", sample_count=1000, policy=keepset.UCB(), prune_rate=0.5, epochs=6, selection_period=1)
    for epoch in range(run.info().next_epoch - 1 if run.info().next_epoch > 0 else 0, 6):
        plan = run.plan_epoch(epoch)
        print(epoch, hash(plan.indices.tobytes()), flush=True)
        if epoch == stop_in:
            os.kill(os.getpid(), signal.SIGKILL)
        for batch in plan.batches(100):
            plan.report(batch, np.sin(batch * (epoch + 1.0)))
        run.flush()
"""


def test_a_rerun_goes_on_where_a_killed_program_stood(tmp_path: Path) -> None:
    fixed = {"PYTHONHASHSEED": "0"}
    whole = run(TRAIN, tmp_path / "whole", "-1", **fixed).splitlines()
    assert len(whole) == len(set(whole)) == 6
    with Program(TRAIN, tmp_path / "killed", "3", **fixed) as killed:
        code, before, _ = killed.end()
    assert code == -signal.SIGKILL
    after = run(TRAIN, tmp_path / "killed", "-1", **fixed)
    assert before.splitlines() == whole[:4] and after.splitlines() == whole[3:]
    for name in ("whole", "killed"):
        wait_for_end(sampler_pid(tmp_path / name))


def test_a_program_that_ends_has_nothing_to_complain_of(data_dir: Path) -> None:
    end_first = "from keepset.embedded import start; import sys; start(sys.argv[1])"
    close_first = f"{end_first}.close()"
    for program in (end_first, close_first, f"with_ = 1\n{end_first}\nimport gc; gc.collect()"):
        assert run(program, data_dir) == ""
        wait_for_end(sampler_pid(data_dir))


def test_the_processes_that_multiprocessing_spawns_share_the_sampler_of_their_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import multiprocessing\n"
        "from keepset.embedded import start\n"
        "def work(_):\n"
        "    with start() as sampler:\n"
        "        return sampler.address, str(sampler.data_dir)\n"
        "if __name__ == '__main__':\n"
        "    with start() as sampler, multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        seen = {(sampler.address, str(sampler.data_dir)), *pool.map(work, range(4))}\n"
        "        pool.close(); pool.join()\n"
        "    print(len(seen), seen.pop()[1])\n"
    )
    assert run(script, cwd=Path(sys.prefix)) == f"1 {tmp_path / 'keepset-data'}\n"
    wait_for_end(sampler_pid(tmp_path / "keepset-data"))


def test_a_start_that_is_killed_does_not_keep_the_next_one_out(data_dir: Path, nodes: Nodes) -> None:
    with Program(HOLD, data_dir, KEEPSET_NODE=nodes.before_serving("kill -9 $PPID")) as killed:
        assert killed.end()[0] == -signal.SIGKILL
    # Nobody knows of that sampler, and it has the directory until it sees that nobody comes.
    with start(data_dir) as sampler:
        make_run(sampler.address, "a")
    wait_for_end(nodes.launched[0])


def test_a_start_that_is_interrupted_leaves_no_process(data_dir: Path, nodes: Nodes) -> None:
    # Not while the parent has the log open: it has not got hold of its child then.
    interrupt = "while ls -l /proc/$PPID/fd | grep -q embedded.log; do :; done; kill -2 $PPID"
    node = nodes.before_serving(interrupt, then="exec sleep 100")
    with Program(HOLD, data_dir, KEEPSET_NODE=node) as interrupted:
        code, _, errors = interrupted.end()
    assert code == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt")
    wait_for_end(nodes.launched[0])
