"""The command `keepset`: the sampler's own command line, and the runs of an embedded sampler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from nodes import Nodes
from programs import SOURCES, Program, sampler_pid

from keepset.client import connect
from keepset.embedded import start
from keepset.embedded.service import read_service
from keepset.policies import Full
from support.process_end import is_running, wait_for_end
from support.sampler_process import SamplerProcess

KEEPSET = "import sys; from keepset.__main__ import main; sys.exit(main())"


def keepset(*arguments: str | Path, cwd: Path | None = None) -> tuple[int, str, str]:
    """Runs `python -m keepset`. Its exit code, and what it wrote to both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "keepset", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def make_run(data_dir: Path, run_id: str) -> None:
    with start(data_dir) as sampler, connect(sampler.address) as client:
        client.create_run(run_id, sample_count=10, policy=Full())


def test_passes_arguments_and_exit_code_through() -> None:
    assert keepset("--version") == (0, f"{read_service().version}\n", "")
    code, _, errors = keepset("serve", "--limit", "two words")
    assert code == 2 and "unknown option '--limit'" in errors
    code, _, errors = keepset("runs", "show", "--address", "127.0.0.1:1", "--", "--data-dir")
    assert code == 1 and "no sampler answers at 127.0.0.1:1" in errors


def test_serves_in_its_own_process_which_signals_reach() -> None:
    free = "127.0.0.1:0"
    with Program(KEEPSET, "serve", "--listen", free, "--http", free, "--store", "memory") as process:
        listening = json.loads(process.read())
        assert (listening["msg"], listening["pid"]) == ("listening", process.pid)
        process.send_signal(signal.SIGTERM)
        code, output, _ = process.end()
    assert code == 0 and '"msg":"stopped"' in output


def test_lists_the_runs_of_a_directory_whether_its_sampler_runs_or_not(data_dir: Path, tmp_path: Path) -> None:
    make_run(data_dir, "first")
    wait_for_end(sampler_pid(data_dir))
    code, output, errors = keepset("runs", "list", "--json", "--data-dir", "keepset-data", cwd=tmp_path)
    assert (code, errors, [run["run_id"] for run in json.loads(output)]) == (0, "", ["first"])
    wait_for_end(sampler_pid(data_dir))

    with start(data_dir):
        pid = sampler_pid(data_dir)
        code, output, errors = keepset("runs", f"--data-dir={data_dir}", "show", "first")
        assert (code, errors) == (0, "") and "first" in output
        assert sampler_pid(data_dir) == pid and is_running(pid)


def test_holds_the_sampler_until_the_command_ends(
    data_dir: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = 'if [ "$2" = runs ]; then echo "$$ $KEEPSET_ADDRESS"; read line; exit 5; fi'
    node = nodes.before_serving()
    monkeypatch.setenv("KEEPSET_NODE", nodes.script(f'{waiting}\nexec "{node}" "$@"', "waiting"))
    data_dir.mkdir()
    with Program(KEEPSET, "runs", "import", "-", "--data-dir", data_dir) as process:
        pid, address = process.read().split()
        with start(data_dir) as sampler:
            assert (int(pid), address) == (process.pid, sampler.address)
        with pytest.raises(AssertionError, match="still runs"):
            wait_for_end(sampler_pid(data_dir), 1)
        process.tell()
        assert process.end() == (5, "", "")
    wait_for_end(sampler_pid(data_dir))
    assert len(nodes.launched) == 1


def test_an_argument_that_does_not_do(data_dir: Path) -> None:
    code, output, errors = keepset("runs", "list", "--data-dir", "", cwd=data_dir.parent)
    assert (code, output) == (2, "") and "--data-dir is ''" in errors
    code, output, errors = keepset("runs", "list", "--data-dir", data_dir)
    assert (code, output) == (2, "") and f"--data-dir is {str(data_dir)!r}, and there is no such directory" in errors
    assert not data_dir.exists()
    for address in (["--address", "127.0.0.1:1"], ["--address=127.0.0.1:1"]):
        code, output, errors = keepset("runs", "list", *address, "--data-dir", data_dir)
        assert (code, output) == (2, "") and "--address and --data-dir name a sampler each: give one" in errors
    code, output, errors = keepset("runs", "list", "--data-dir")
    assert (code, output) == (2, "") and "argument --data-dir: expected one argument" in errors


def test_a_directory_without_runs_is_left_as_it_is(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    for arguments in (["list"], ["show", "first"], ["import", "first.export"]):
        code, output, errors = keepset("runs", *arguments, "--data-dir", ".", cwd=tmp_path)
        assert (code, output) == (2, "") and errors.endswith("error: no keepset data in '.'\n")
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]

    data_dir.mkdir()
    code, output, errors = keepset("runs", "list", "--data-dir", ".", cwd=tmp_path)
    meant = os.path.join(".", "keepset-data")
    assert (code, output) == (2, "") and f"no keepset data in '.'; did you mean {meant}?\n" in errors
    code, output, errors = keepset("runs", "list", "--data-dir", data_dir)
    assert (code, output) == (2, "") and errors.endswith(f"error: no keepset data in {str(data_dir)!r}\n")
    assert not list(data_dir.iterdir())


def test_a_directory_that_cannot_be_read(data_dir: Path) -> None:
    data_dir.mkdir()
    # Not by its permissions: root, as tests in a container run, may read anything.
    unreadable = "import os\ndef listdir(path): raise PermissionError(13, 'Permission denied')\nos.listdir = listdir\n"
    with Program(unreadable + KEEPSET, "runs", "list", "--data-dir", data_dir) as process:
        code, output, errors = process.end()
    assert (code, output) == (2, "")
    assert errors.endswith(f"error: --data-dir is {str(data_dir)!r}, which cannot be read (Permission denied)\n")


def test_imports_into_an_empty_directory(data_dir: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    make_run(old, "first")
    export = tmp_path / "first.export"
    code, _, errors = keepset("runs", "export", "first", "--output", export, "--data-dir", old)
    assert code == 0, errors
    wait_for_end(sampler_pid(old))
    data_dir.mkdir()
    code, _, errors = keepset("runs", "import", export, "--data-dir", data_dir)
    assert code == 0, errors
    wait_for_end(sampler_pid(data_dir))
    code, output, errors = keepset("runs", "list", "--json", "--data-dir", data_dir)
    assert (code, errors, [run["run_id"] for run in json.loads(output)]) == (0, "", ["first"])


def test_a_directory_that_a_service_has(file_sampler: SamplerProcess) -> None:
    assert file_sampler.data_dir is not None
    code, output, errors = keepset("runs", "list", "--data-dir", file_sampler.data_dir)
    assert (code, output) == (1, "") and f"is in use by another sampler (process {file_sampler.pid})" in errors
    assert errors.endswith(" with --data-dir, or pass the --address of that sampler\n")


def test_help_names_the_directory_too(data_dir: Path) -> None:
    for arguments in (["list", "--help"], ["-h", "--data-dir", str(data_dir)]):
        code, output, errors = keepset("runs", *arguments)
        assert (code, errors) == (0, "") and output.startswith("With --data-dir DIRECTORY instead of --address")
        assert "Usage: keepset runs" in output
    assert not data_dir.exists()


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_bundle = "import pathlib; from keepset.embedded import service; service.FOLDER = pathlib.Path('nowhere')\n"
    with Program(without_bundle + KEEPSET, "--version") as process:
        code, output, errors = process.end()
    assert (code, output) == (1, "") and errors.startswith("keepset: this installation of keepset has no sampler in ")
    monkeypatch.setenv("KEEPSET_NODE", str(tmp_path / "node"))
    code, output, errors = keepset("--version")
    assert (code, output) == (1, "")
    assert errors.startswith(f"keepset: KEEPSET_NODE is {str(tmp_path / 'node')!r}, which is no program")


AS_CHILD = """
import os, sys
from keepset.__main__ import run_as_child
program = "import os, signal; os.kill(os.getppid(), signal.SIGINT); os._exit(int(os.environ['CODE']))"
sys.exit(run_as_child([sys.executable, "-c", program], {**os.environ, "CODE": "3"}))
"""


def test_where_a_process_cannot_be_replaced_its_child_ends_it_and_ctrl_c_does_not() -> None:
    with Program(AS_CHILD) as process:
        assert process.end() == (3, "", "")
