"""Where the embedded sampler keeps its runs unless told otherwise."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

_NAME = "keepset-data"


def default_data_dir() -> Path:
    """`keepset-data` beside the script that runs, so that the same script finds its runs again from whatever directory it is started.

    In the working directory where there is no script (a notebook, the prompt), or where it is an installed program
    (`pytest`, a launcher): nothing is to be written beside those.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None:
        return Path.cwd() / _NAME
    folder = Path(main).resolve().parent
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("scripts", "purelib", "platlib", "stdlib")]
    if any(folder == place or place in folder.parents for place in installed):
        return Path.cwd() / _NAME
    return folder / _NAME
