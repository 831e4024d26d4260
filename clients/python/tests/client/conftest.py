"""Fixtures of the core client's tests."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def unused_address() -> str:
    """An address of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"
