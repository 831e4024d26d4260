"""What `import keepset` brings, and what it does not need."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["torch"] = None  # as where torch is not installed
import keepset
assert keepset.UCB().c == 1.0 and keepset.connect and keepset.client
try:
    keepset.Sampler
except ImportError as error:
    assert "torch" in str(error)
else:
    raise AssertionError
"""


def test_the_core_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)


def test_every_public_name_is_there() -> None:
    import keepset

    assert all(getattr(keepset, name) is not None for name in keepset.__all__)
    assert callable(keepset.collate) and callable(keepset.indexed)
