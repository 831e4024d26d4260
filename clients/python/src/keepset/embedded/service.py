"""The sampler's files inside this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from keepset.embedded.errors import EmbeddedSamplerError

FOLDER = Path(__file__).resolve().parents[1] / "_service"


class Service(NamedTuple):
    """What Node runs."""

    main: Path
    version: str
    oldest_node: str
    """The oldest version of Node that runs it, for example "20.19"."""


def read_service() -> Service:
    """Raises EmbeddedSamplerError where this package was put together without a sampler."""
    try:
        facts = json.loads((FOLDER / "service.json").read_text(encoding="utf-8"))
        return Service(FOLDER / "keepset.mjs", facts["version"], facts["node"])
    except (OSError, ValueError, KeyError) as error:
        raise EmbeddedSamplerError(
            f"this installation of keepset has no sampler in {FOLDER} ({error}): install it again from a wheel, "
            "or in a checkout of the repository run `npm run setup:python`, or start a sampler and pass its address="
        ) from error
