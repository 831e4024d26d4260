"""`keepset.connect()` without an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import Program, run, sampler_pid

import keepset
from keepset.client import InvalidArgumentError
from support.process_end import is_running, wait_for_end

SCRIPT = """
import sys
import keepset
client = keepset.connect()
run = client.create_run("a", sample_count=1000, policy=keepset.Full())
plan = run.plan_epoch(0)
for batch in plan.batches(10):
    plan.report(batch, batch / 2)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A place for a script, whose sampler has its data beside it."""
    return tmp_path / "train.py"


def test_lets_go_with_close(script: Path, data_dir: Path) -> None:
    script.write_text(
        f"{SCRIPT}\nother = keepset.connect()\nassert other.address == client.address\n"
        "for one in (client, client, other):\n"
        "    print(flush=True); sys.stdin.readline()\n    one.close()\n"
        "print('closed', flush=True); sys.stdin.readline()\n"
    )
    with Program(script) as program:
        for _ in range(3):  # the first client is closed twice
            assert program._output.readline() == "\n"
            pid = sampler_pid(data_dir)
            assert is_running(pid)
            program.tell()
        assert program.read() == "closed"
        wait_for_end(pid)
        assert program.end() == (0, "", "")


def test_delivers_the_reports_of_a_program_that_just_ends(script: Path, data_dir: Path) -> None:
    script.write_text(SCRIPT)
    assert run(script) == ""
    wait_for_end(sampler_pid(data_dir))
    script.write_text(
        "import keepset\nwith keepset.connect() as client:\n    print(client.get_run('a').progress.observations)\n"
    )
    assert run(script) == "1000\n"
    wait_for_end(sampler_pid(data_dir))


def test_starts_nothing_where_an_argument_is_wrong(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError):
        keepset.connect(call_timeout=-1)
    assert not data_dir.exists()
