"""Fixtures that all tests share: real samplers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any module loads gRPC: it keeps gRPC's fork handlers out of loader workers, as in a user's program.
import keepset  # noqa: F401
from support.cutting_proxy import CuttingProxy
from support.sampler_process import SamplerProcess


@pytest.fixture(scope="session")
def sampler() -> Iterator[SamplerProcess]:
    """A sampler that all tests of the session share: give each run a name of its own. Do not stop it."""
    with SamplerProcess() as process:
        yield process


@pytest.fixture
def file_sampler(tmp_path: Path) -> Iterator[SamplerProcess]:
    """A sampler for this test alone, with a file store: free to kill and to start again."""
    with SamplerProcess(tmp_path / "keepset-data") as process:
        yield process


@pytest.fixture
def proxy(sampler: SamplerProcess) -> Iterator[CuttingProxy]:
    """A proxy in front of the shared sampler whose connections a test can cut."""
    with CuttingProxy(sampler.address) as proxy:
        yield proxy


@pytest.fixture
def run_id() -> str:
    """A name that no other run has."""
    return f"test-{uuid.uuid4()}"
