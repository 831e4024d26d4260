"""Fixtures of the examples' tests."""

from __future__ import annotations

import pytest
from example_files import SmallCheckout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> SmallCheckout:
    """A copy of the examples that the tests of a file share."""
    return SmallCheckout(tmp_path_factory.mktemp("checkout"))
