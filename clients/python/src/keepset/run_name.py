"""The name of a run that was given none."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_name(settings: Mapping[str, Any]) -> str:
    """`train-3fa2c1d0` for a script train.py: the script's name, and eight digits that stand for its path, its user
    and the run's settings.

    So a script that is started again finds its run, all ranks of a training find the same one, and a training with
    other settings is another run.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    path = str(Path(script).resolve()) if script else str(Path.cwd())
    stem = Path(script).stem if script else "notebook"
    text = json.dumps([path, _user(), settings], sort_keys=True, default=repr)
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", stem).lstrip("._-")[:100] or "run"
    return f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""
