"""Keeps this process from forking while it starts another program.

A child that is forked off just then, as a DataLoader's worker is, would inherit the pipes between the two, and who
reads them would wait until that child ends.
"""

from __future__ import annotations

import os
import threading

# Re-entrant: a signal handler may fork at any line.
no_fork = threading.RLock()
"""To be held while a program is started, and while its output is read from a pipe."""


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)
