"""What a start makes of the record of an earlier one, which may be about a sampler that is gone."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from programs import Program, sampler_pid

from keepset.client import connect
from keepset.embedded import EmbeddedSamplerError, service, start
from keepset.embedded.lifeline import hold
from keepset.embedded.record import identity, read_record
from keepset.policies import Full
from support.process_end import is_running, wait_for_end

RECORD = {
    "grpc": "127.0.0.1:1",
    "http": "127.0.0.1:1",
    "lifeline": "127.0.0.1:1",
    "pid": 1,
    "version": "0.1.0",
    "instance": "of another life",
}
"""Of a sampler that is gone."""


def write_record(data_dir: Path, **facts: object) -> None:
    data_dir.mkdir(exist_ok=True)
    record = {**RECORD, "directory": identity(data_dir), **facts}
    (data_dir / "embedded.json").write_text(json.dumps(record))


def check_starts(data_dir: Path) -> None:
    with start(data_dir) as sampler, connect(sampler.address) as client:
        assert list(client.list_runs()) == []
        with start(data_dir) as other:
            assert other.address == sampler.address


@pytest.mark.parametrize(
    "text", [b"", b"\0\xff\xfe", b"no JSON", b"null", b"[]", b"3", b"{}", b'{"pid": 1}', b"[" * 100_000], ids=range(9)
)
def test_one_that_is_broken_tells_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "embedded.json").write_bytes(text)
    assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("pid", value) for value in (None, "many", [1], float("inf"))] + [("directory", "of another life")],
)
def test_one_with_a_wrong_value_tells_nothing(tmp_path: Path, name: str, value: object) -> None:
    write_record(tmp_path)
    assert read_record(tmp_path) is not None
    write_record(tmp_path, **{name: value})
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", [b'{"grpc": "127.0', json.dumps(RECORD).encode()], ids=["broken", "stale"])
def test_a_start_writes_it_anew(data_dir: Path, text: bytes) -> None:
    data_dir.mkdir()
    (data_dir / "embedded.json").write_bytes(text)
    check_starts(data_dir)


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1", ":", "::::", "127.0.0.1:x"] + [f"127.0.0.1:{port}" for port in (-1, 0, 1, 65536, 10**30)],
)
def test_nobody_answers_at_an_address(address: str) -> None:
    assert hold(address, 1) is None


@pytest.fixture
def other_program(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a program that is no sampler: it sends each connection the bytes that the test names, or closes
    it where they are None."""
    says: bytes | None = request.param
    connections: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connections.append(connection)
                if says is None:
                    connection.close()
                else:
                    connection.sendall(says)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in connections:
            connection.close()


OTHER_PROGRAMS = {
    "silent": b"",
    "closes": None,
    "without end": b"x" * 1_000_000,
    "SMTP": b"220 mail.example ESMTP\r\n",
    "no text": b"\xff\xfe\n",
    "object": b"{}\n",
    "list": b"[1]\n",
    "null": b"null\n",
    "deep": b"[" * 4000 + b"\n",
}


@pytest.mark.parametrize("other_program", OTHER_PROGRAMS.values(), indirect=True, ids=OTHER_PROGRAMS)
def test_another_program_is_not_taken_for_a_sampler(other_program: str) -> None:
    begin = time.monotonic()
    assert hold(other_program, 0.3) is None
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "other_program", [b"", b'{"instance": "another", "version": "0.1.0"}\n'], indirect=True, ids=["silent", "greets"]
)
def test_another_program_has_the_port_by_now(data_dir: Path, other_program: str) -> None:
    write_record(data_dir, lifeline=other_program)
    check_starts(data_dir)


def test_another_sampler_has_the_port_by_now(data_dir: Path, tmp_path: Path) -> None:
    """That one is not held either."""
    other = tmp_path / "other"
    with start(other) as first:
        record = json.loads((other / "embedded.json").read_text())
        write_record(data_dir, lifeline=record["lifeline"])
        with start(data_dir) as second:
            assert first.address != second.address
            first.close()
            wait_for_end(sampler_pid(other))
            assert is_running(sampler_pid(data_dir))


def test_a_copy_of_a_directory_has_a_sampler_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    with start(data_dir) as first, connect(first.address) as client:
        client.create_run("a", sample_count=10, policy=Full())
        copy = shutil.copytree(data_dir, tmp_path / "copy")
        with start(copy) as second, connect(second.address) as other:
            assert first.address != second.address
            other.delete_run("a")
        assert client.get_run("a").run_id == "a"
        wait_for_end(sampler_pid(copy))


def test_a_directory_that_is_renamed_keeps_its_sampler(data_dir: Path, tmp_path: Path) -> None:
    with start(data_dir) as first:
        data_dir.rename(tmp_path / "renamed")
        with start(tmp_path / "renamed") as second:
            assert first.address == second.address
    wait_for_end(sampler_pid(tmp_path / "renamed"))


def test_a_sampler_of_another_version_is_not_shared(data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "_service"
    shutil.copytree(service.FOLDER, other)
    for file in ("service.json", "packages/@keepset/sampler/package.json"):
        facts = json.loads((other / file).read_text())
        (other / file).write_text(json.dumps({**facts, "version": "9.8.7"}))
    program = """
import sys
from pathlib import Path
from keepset.embedded import service, start
service.FOLDER = Path(sys.argv[2])
sampler = start(sys.argv[1])
print("started", flush=True)
sys.stdin.readline()
print(start(sys.argv[1]).address == sampler.address, flush=True)
"""
    with Program(program, data_dir, other) as newer:
        assert newer.read() == "started"
        pid = sampler_pid(data_dir)
        with pytest.raises(EmbeddedSamplerError) as caught:
            start(data_dir)
        assert str(caught.value) == (
            f"data_dir is {str(data_dir)!r}, for which version 9.8.7 of the sampler runs (process {pid}), and this is "
            "version 0.1.0: end the training that uses it, or pass another data_dir="
        )
        newer.tell()
        assert newer.end() == (0, "True\n", "")
    wait_for_end(pid)
    check_starts(data_dir)
