"""What hatchling asks while it builds the package: whether the sampler is there, and what the package's page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_FILES = ["service.json", "keepset.mjs", "LICENSE", "THIRD-PARTY-LICENSES.txt"]


class SamplerBuildHook(BuildHookInterface[Any]):
    """Refuses to build without the bundle in src/keepset/_service. An editable install does not need it yet."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        folder = Path(self.root) / "src/keepset/_service"
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise RuntimeError(
                f"the sampler is missing in {folder} ({', '.join(missing)}): run `npm run setup:python`, or "
                "`node scripts/bundle-service.mjs clients/python/src/keepset/_service`, in the repository, and build "
                "again"
            )


class ReadmeMetadataHook(MetadataHookInterface):
    """The page is README.md without its links to other files of the repository, which lead nowhere outside of it: their
    text stays, and the path, from the repository's root."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = re.sub(r"\[([^\]]+)\]\((?:\.\./)+([^)\s]+)\)", r"\1 (`\2` in the repository)", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
