"""The core on every protobuf and Python that it says it works with, each in an environment of its own.

Slow, and needs a package index: `pytest -k "not protobuf_versions"` leaves it out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.environments import make_environment
from support.sampler_process import SamplerProcess

SOURCES = Path(__file__).parents[2] / "src"

# protobuf keeps one registry of messages for the whole process: other packages' copies of google.rpc must not clash
# with ours.
PROGRAM = """
import sys
if sys.argv[3] == "google first":
    import google.rpc.error_details_pb2, google.rpc.status_pb2
import keepset
from keepset.client import RunExistsError, connect
from keepset._proto import error_details_pb2 as ours
import google.rpc.error_details_pb2 as theirs, google.rpc.status_pb2
import google.protobuf
import numpy as np

info = ours.ErrorInfo(reason="A", domain="keepset.dev")
assert theirs.ErrorInfo.FromString(info.SerializeToString()).reason == "A"
assert "torch" not in sys.modules
with connect(sys.argv[1]) as client:
    run = client.create_run(sys.argv[2], sample_count=100, policy=keepset.UCB(), prune_rate=0.5, metrics=["correct"])
    for epoch in range(2):
        plan = run.plan_epoch(epoch)
        for batch in plan.batches(8):
            plan.report(batch, batch / 2, {"correct": batch % 2 == 0})
    assert run.finish().progress.observations == 150
    assert client.statistics(run.run_id).metrics["correct"].sum() == 50
    try:
        client.create_run(sys.argv[2], sample_count=99, policy=keepset.Full())
    except RunExistsError as error:
        assert error.reason == "RUN_EXISTS"
    else:
        raise AssertionError("the run was there")
print(google.protobuf.__version__)
"""


def find_python(minor: int) -> str | None:
    """The Python 3.`minor` of this machine, on PATH or among pyenv's."""
    if sys.version_info[:2] == (3, minor):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python3.{minor}"), *map(str, root.glob(f"versions/3.{minor}.*/bin/python"))]
    for candidate in filter(None, candidates):
        # A shim of pyenv's is there for every version and works for the chosen ones only.
        ask = [candidate, "-c", "import sys; print(sys.version_info[1])"]
        found = subprocess.run(ask, capture_output=True, text=True)
        if found.stdout.strip() == str(minor):
            return candidate
    return None


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("minor", "packages"),
    [
        (sys.version_info[1], ["protobuf==5.29.*"]),
        (sys.version_info[1], ["protobuf==6.33.*"]),
        (sys.version_info[1], ["protobuf==7.36.*"]),
        (10, ["protobuf==5.29.0", "grpcio==1.62.*", "numpy==1.24.*", "filelock==3.12.*"]),
        (12, ["protobuf==6.33.*"]),
        (13, ["protobuf==7.36.*"]),
    ],
    ids=["protobuf 5", "protobuf 6", "protobuf 7", "Python 3.10 and the oldest of all", "Python 3.12", "Python 3.13"],
)
def test_the_core_works(sampler: SamplerProcess, run_id: str, tmp_path: Path, minor: int, packages: list[str]) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} on PATH or among pyenv's")
    packages = ["grpcio", "numpy", "filelock", "googleapis-common-protos", *packages]
    interpreter = make_environment(python, tmp_path / "environment", packages)
    for order in ("google first", "ours first"):
        done = subprocess.run(
            [interpreter, "-W", "error", "-c", PROGRAM, sampler.address, f"{run_id}-{order[:4]}", order],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        wanted = next(package for package in packages if package.startswith("protobuf=="))
        assert done.stdout.startswith(wanted.removeprefix("protobuf==").removesuffix(".*"))
