"""Programs that stand for Node."""

from __future__ import annotations

from pathlib import Path

from keepset.embedded import find_node


class Nodes:
    """Shell scripts for KEEPSET_NODE, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._launches = folder / "launches"

    def script(self, text: str, name: str = "node") -> str:
        """The path of a script."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def of_version(self, version: str, name: str = "node") -> str:
        """A Node of some version that can do nothing but tell it."""
        return self.script(f"echo {version}", name)

    def before_serving(self, text: str = "", *, then: str = "") -> str:
        """The real Node, which notes its process and runs `text` before it becomes the sampler; or `then` instead of
        it."""
        node = find_node()
        return self.script(
            f'if [ "$2" = serve ]; then\n'
            f'  echo $$ >> "{self._launches}"\n'
            f"  {text or ':'}\n"
            f"  {then}\n"
            f"fi\n"
            f'exec "{node}" "$@"'
        )

    @property
    def launched(self) -> list[int]:
        """The processes that were to become samplers, in their order."""
        return [int(line) for line in self._launches.read_text().split()] if self._launches.exists() else []
