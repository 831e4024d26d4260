"""Where the embedded sampler keeps its runs unless told otherwise."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

_NAME = "keepset-data"


def default_data_dir() -> Path:
    """`keepset-data` beside the script that runs, so that the same script finds its runs again from whatever directory
    it is started.

    In the working directory where there is no script (a notebook, the prompt), or where it is an installed program
    (`pytest`, a launcher): nothing is to be written beside those.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None:
        return Path.cwd() / _NAME
    folder = Path(main).resolve().parent
    if _is_of_installed_programs(folder):
        return Path.cwd() / _NAME
    while not folder.is_dir():  # inside of an archive that Python runs
        folder = folder.parent
    return folder / _NAME


def _is_of_installed_programs(folder: Path) -> bool:
    # As any Python of this machine names them; a program may belong to another one than that which runs it.
    if {"site-packages", "dist-packages"}.intersection(folder.parts):
        return True
    scripts = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    if any(folder == place.resolve() for place in scripts):
        return True
    library = Path(sysconfig.get_path("stdlib")).resolve()
    return library == folder or library in folder.parents
