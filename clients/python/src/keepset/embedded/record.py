"""What the processes of a machine know of the sampler of a data directory: the file `embedded.json` in it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple


class SamplerRecord(NamedTuple):
    """A sampler that was started. Whether it still runs, its lifeline tells."""

    grpc: str
    http: str
    lifeline: str
    pid: int
    version: str
    instance: str
    directory: str
    """The directory itself, whatever its name: a copy has the record too, but not the sampler."""


def _path(data_dir: Path) -> Path:
    return data_dir / "embedded.json"


def identity(data_dir: Path) -> str:
    """Tells a directory from its copies; it stays the same when the directory is renamed, or seen by another path."""
    status = data_dir.stat()
    return f"{status.st_dev}:{status.st_ino}"


def read_record(data_dir: Path) -> SamplerRecord | None:
    """None if there is no record of this directory, or none that can be read."""
    try:
        facts: Any = json.loads(_path(data_dir).read_text(encoding="utf-8"))
        pid = int(facts["pid"])
        others = {name: str(facts[name]) for name in SamplerRecord._fields if name != "pid"}
        record = SamplerRecord(pid=pid, **others)
        return record if record.directory == identity(data_dir) else None
    # OverflowError: a number without end. RecursionError: brackets without end.
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def write_record(data_dir: Path, record: SamplerRecord) -> None:
    """In one step: a reader sees the old record or the new one."""
    fresh = _path(data_dir).with_suffix(".json.new")
    fresh.write_text(json.dumps(record._asdict()) + "\n", encoding="utf-8")
    os.replace(fresh, _path(data_dir))
