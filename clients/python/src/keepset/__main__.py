"""The command `keepset`, also `python -m keepset`: the command line of the sampler that comes with this package.

All arguments go to the sampler's own program, which takes the place of this process. One is of this command alone:
`keepset runs … --data-dir DIRECTORY` is about the runs of an embedded sampler, which it joins or starts.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from keepset.embedded import EmbeddedSamplerError, find_node, start
from keepset.embedded.errors import DataDirInUseError
from keepset.embedded.service import read_service


def main() -> int:
    """Returns the exit code, where this process is still there to end with it."""
    arguments, data_dir = sys.argv[1:], None
    if arguments[:1] == ["runs"]:
        arguments, data_dir = _take_data_dir(arguments)
    try:
        command = [find_node(), str(read_service().main), *arguments]
        if data_dir is None:
            return _become(command, os.environ)
        with start(data_dir) as sampler:
            sampler.keep_through_exec()
            return _become(command, {**os.environ, "KEEPSET_ADDRESS": sampler.address})
    except EmbeddedSamplerError as error:
        remedy = ", or pass the --address of that sampler" if isinstance(error, DataDirInUseError) else ""
        print(f"keepset: {error}{remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _take_data_dir(arguments: list[str]) -> tuple[list[str], str | None]:
    """The arguments of `keepset runs` without --data-dir, and what that is. Ends the process where it does not do."""
    usage = "keepset runs COMMAND --data-dir DIRECTORY ..."
    parser = argparse.ArgumentParser("keepset runs", usage=usage, add_help=False, allow_abbrev=False)
    parser.add_argument("--data-dir")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    known, others = parser.parse_known_args(arguments[:end])
    data_dir: str | None = known.data_dir
    if {"-h", "--help"}.intersection(others):
        print("With --data-dir DIRECTORY instead of --address: the runs of the embedded sampler there.\n", flush=True)
        data_dir = None
    if data_dir is None:
        return others + arguments[end:], None
    if any(other.partition("=")[0] == "--address" for other in others):
        parser.error("--address and --data-dir name a sampler each: give one of them")
    if not data_dir or not Path(data_dir).is_dir():
        parser.error(f"--data-dir is {data_dir!r}, and there is no such directory")
    try:
        names = set(os.listdir(data_dir))
    except OSError as error:
        parser.error(f"--data-dir is {data_dir!r}, which cannot be read ({error.strerror})")
    # Elsewhere no sampler is to leave its traces.
    if not {"version", "runs"} <= names and not (others[1:2] == ["import"] and _is_empty(names)):
        nearby = os.path.join(data_dir, "keepset-data")
        question = f"; did you mean {nearby}?" if os.path.isdir(nearby) else ""
        parser.error(f"no keepset data in {data_dir!r}{question}")
    return others + arguments[end:], data_dir


def _is_empty(names: set[str]) -> bool:
    """Whether a sampler takes a directory with these names in it for a new one of its own."""
    unfinished = {"lock", "version", "version.tmp", "lost+found"}  # a start that was cut short, a new file system
    return all(name.startswith((".", "embedded.")) for name in names - unfinished)


def _become(command: list[str], environment: Mapping[str, str]) -> int:
    """Runs a command in the place of this process: signals and exit code are its own."""
    if os.name == "nt":  # which has nothing of the kind
        return run_as_child(command, environment)
    os.execve(command[0], command, environment)


def run_as_child(command: list[str], environment: Mapping[str, str]) -> int:
    """Runs a command and returns its exit code. Ctrl-C, of which the console tells both, is for the command."""
    signal.signal(signal.SIGINT, _ignore)  # which the command does not inherit
    with subprocess.Popen(command, env=environment) as process:
        return process.wait()


def _ignore(*_: object) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
