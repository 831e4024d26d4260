"""What a process gets of `start()`, and shares with its own threads."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from nodes import Nodes
from programs import sampler_pid

from keepset.client import connect
from keepset.embedded import EmbeddedSampler, start
from keepset.policies import UCB, Full
from support.process_end import is_running, wait_for_end


def kept(sampler: EmbeddedSampler, run_id: str) -> int:
    """Plans the first epoch of a run, which is made if it is not there."""
    with connect(sampler.address) as client:
        return len(client.create_run(run_id, sample_count=10, policy=Full()).plan_epoch(0).indices)


def test_gives_a_sampler_that_works(data_dir: Path) -> None:
    with start(data_dir) as sampler, connect(sampler.address) as client:
        run = client.create_run("a", sample_count=100, policy=UCB(), prune_rate=0.5)
        for epoch in range(2):
            plan = run.plan_epoch(epoch)
            for batch in plan.batches(10):
                plan.report(batch, batch.astype(np.float32))
        assert len(plan.indices) == 50
        assert run.finish().progress.observations == 150
        with urllib.request.urlopen(f"http://{sampler.http}/readyz", timeout=10) as answer:
            assert answer.status == 200
        assert sampler.data_dir == data_dir.resolve()
        assert repr(sampler) == f"EmbeddedSampler(address={sampler.address!r}, data_dir={str(data_dir.resolve())!r})"
        pid = sampler_pid(data_dir)
    wait_for_end(pid)


def test_calls_in_one_process_share_a_sampler_and_are_counted(
    data_dir: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving())
    first, second, third = start(data_dir), start(data_dir), start(data_dir)
    assert first.address == second.address == third.address and len(nodes.launched) == 1
    second.close()
    for _ in range(5):  # lets go once, however often it is called
        first.close()
    assert kept(third, "a") == 10
    with start(data_dir) as fourth:
        assert fourth.address == third.address
    assert kept(third, "b") == 10
    third.close()
    wait_for_end(nodes.launched[0])
    with start(data_dir) as fifth:
        assert kept(fifth, "a") == 10
    assert len(nodes.launched) == 2


def test_another_name_of_a_directory_is_the_same_directory(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(data_dir)
    with start(data_dir) as sampler:
        for name in ("keepset-data", "link", f"{data_dir}/../link", Path("./keepset-data/")):
            with start(name) as other:
                assert other.address == sampler.address


def test_each_directory_has_a_sampler_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    others = tmp_path / "of others"
    with start(data_dir) as one, start(others) as other:
        assert kept(one, "a") == 10
        with connect(other.address) as client:
            assert list(client.list_runs()) == []
    wait_for_end(sampler_pid(others))


def test_threads_that_start_at_once_share_a_sampler(
    data_dir: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving())
    barrier = threading.Barrier(8)

    def begin(number: int) -> EmbeddedSampler:
        barrier.wait(10)
        sampler = start(data_dir)
        assert kept(sampler, f"run-{number}") == 10
        return sampler

    with ThreadPoolExecutor(8) as pool:
        samplers = list(pool.map(begin, range(8)))
        assert len({sampler.address for sampler in samplers}) == 1 and len(nodes.launched) == 1
        list(pool.map(EmbeddedSampler.close, samplers[1:]))
        assert kept(samplers[0], "still-there") == 10
        samplers[0].close()
    wait_for_end(nodes.launched[0])


def test_a_sampler_that_was_killed_is_started_again(data_dir: Path) -> None:
    with start(data_dir) as first:
        assert kept(first, "a") == 10
        os.kill(sampler_pid(data_dir), signal.SIGKILL)
        wait_for_end(sampler_pid(data_dir))
        with start(data_dir) as second, start(data_dir) as third:
            assert second.address == third.address == first.address
            with connect(second.address) as client:
                assert client.get_run("a").next_epoch == 1
            first.close()
            second.close()
            assert is_running(sampler_pid(data_dir)) and kept(third, "b") == 10


def test_a_directory_that_was_removed_is_begun_anew(data_dir: Path) -> None:
    with start(data_dir) as first:
        assert kept(first, "a") == 10
        pid = sampler_pid(data_dir)
        shutil.rmtree(data_dir)
        with start(data_dir) as second, connect(second.address) as client:
            assert list(client.list_runs()) == [] and kept(second, "a") == 10
    wait_for_end(pid)


@pytest.mark.parametrize("name", ["two words", "Daten für „mich“", "100 % $HOME 'quoted' \"twice\""])
def test_takes_any_name_for_a_directory(tmp_path: Path, name: str) -> None:
    with start(tmp_path / "made" / "for it" / name) as sampler:
        assert kept(sampler, "a") == 10
    wait_for_end(sampler_pid(sampler.data_dir))


def test_its_log_is_a_file_that_nobody_has_to_read(data_dir: Path) -> None:
    with start(data_dir) as sampler, connect(sampler.address) as client:
        log = data_dir / "embedded.log"
        # A pipe takes 64 KiB, and then blocks who writes.
        count = 0
        while log.stat().st_size < 70_000:
            client.create_run(f"run-{count}-{'long' * 25}", sample_count=10, policy=Full())
            count += 1
        assert len(list(client.list_runs())) == count
    wait_for_end(sampler_pid(data_dir))
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert entries[0]["msg"] == "listening" and entries[-1]["msg"] == "stopped"


def test_the_log_of_the_start_before_is_kept(data_dir: Path) -> None:
    logs = []
    for _ in range(3):
        with start(data_dir):
            pass
        wait_for_end(sampler_pid(data_dir))
        logs.append((data_dir / "embedded.log").read_text())
        if len(logs) > 1:
            assert (data_dir / "embedded.log.1").read_text() == logs[-2] != logs[-1]
