"""Directories that cannot be used, or that somebody else uses."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from nodes import Nodes
from programs import run

from keepset.client import connect
from keepset.embedded import EmbeddedSamplerError, start
from keepset.embedded.errors import DataDirInUseError
from keepset.policies import Full
from support.sampler_process import SamplerProcess


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_one_that_is_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("ten years of work")
    with pytest.raises(EmbeddedSamplerError) as caught:
        start(tmp_path / name)
    assert f"data_dir is {str(tmp_path / name)!r}, which cannot be used (" in str(caught.value)
    assert "pass a directory that this user can write to" in str(caught.value)
    assert (tmp_path / "file").read_text() == "ten years of work"


@pytest.mark.parametrize("name", ["", "below"])
def test_one_that_this_user_cannot_write_to(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    for parent in tmp_path.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    program = """
import os, sys, time
from keepset.embedded import EmbeddedSamplerError, start
if os.geteuid() == 0:  # root may write anywhere
    os.seteuid(65534)
begin = time.monotonic()
try:
    start(sys.argv[1])
except EmbeddedSamplerError as error:
    assert time.monotonic() - begin < 5, "waited for what does not change"
    print(error)
"""
    text = run(program, folder / name)
    assert text.startswith(f"data_dir is {str(folder / name)!r}, which cannot be used ([Errno 13] Permission denied: ")
    assert text.endswith("pass a directory that this user can write to\n")


def test_one_that_a_sampler_has_which_somebody_started(file_sampler: SamplerProcess) -> None:
    data_dir = file_sampler.data_dir
    assert data_dir is not None
    with connect(file_sampler.address) as client:
        client.create_run("a", sample_count=10, policy=Full())
        with pytest.raises(DataDirInUseError) as caught:
            start(data_dir, timeout=3)
        assert str(caught.value).startswith(f"data_dir is {str(data_dir)!r}, which another sampler has:\n")
        assert f"process {file_sampler.pid})" in str(caught.value)
        assert client.get_run("a").run_id == "a"
    file_sampler.stop()
    with start(data_dir) as sampler, connect(sampler.address) as client:
        assert client.get_run("a").run_id == "a"


def test_is_in_use_too_when_the_time_runs_out_in_a_later_try(
    file_sampler: SamplerProcess, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = file_sampler.data_dir
    assert data_dir is not None
    later = '[ "$(wc -l < "$0.tries" 2> /dev/null || echo 0)" -eq 0 ] || exec sleep 100; echo 1 >> "$0.tries"'
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving(later))
    with pytest.raises(DataDirInUseError, match=f"process {file_sampler.pid}"):
        start(data_dir, timeout=3)
    assert len(nodes.launched) == 2


def test_a_start_waits_for_a_sampler_that_is_ending(file_sampler: SamplerProcess) -> None:
    data_dir = file_sampler.data_dir
    assert data_dir is not None
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start, data_dir)
        while "is in use" not in log_of(data_dir):
            assert not starting.done()
        file_sampler.stop()
        with starting.result(15) as sampler, connect(sampler.address) as client:
            assert list(client.list_runs()) == []


def log_of(data_dir: Path) -> str:
    log = data_dir / "embedded.log"
    return log.read_text() if log.exists() else ""


def test_one_in_which_another_process_takes_too_long_to_start(data_dir: Path) -> None:
    data_dir.mkdir()
    begin = time.monotonic()
    with FileLock(data_dir / "embedded.lock"), pytest.raises(EmbeddedSamplerError) as caught:
        start(data_dir, timeout=0.3)
    assert 0.3 <= time.monotonic() - begin < 5
    assert str(caught.value) == (
        f"data_dir is {str(data_dir)!r}, where another process has been starting the embedded sampler for too long: "
        f"see its log {data_dir / 'embedded.log'}"
    )
    with start(data_dir) as sampler:
        assert sampler.data_dir == data_dir


def test_one_that_holds_something_else(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "thesis.txt").write_text("ten years of work")
    with pytest.raises(EmbeddedSamplerError, match=r"holds other things than a sampler's data \(thesis.txt\)"):
        start(data_dir)
    assert (data_dir / "thesis.txt").read_text() == "ten years of work"


def test_one_that_was_left_by_a_process_that_was_cut_off(data_dir: Path) -> None:
    """Half a record, a lock that nobody holds, the log of a start that failed."""
    data_dir.mkdir()
    (data_dir / "embedded.json.new").write_text('{"grpc": "127.0')
    for name in ("embedded.lock", "lock", "embedded.log", "embedded.log.1"):
        (data_dir / name).write_text(
            '{"msg":"listening","grpc":"127.0.0.1:1"}\n' + "is in use by another sampler\n" * 9
        )
    with start(data_dir) as sampler, connect(sampler.address) as client:
        assert list(client.list_runs()) == []
    assert os.path.exists(data_dir / "embedded.json")
