"""What the Python pages say is so: their code runs, their links lead somewhere, the errors that they quote exist."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from example_files import SECONDS, example_paths

from support.sampler_process import REPOSITORY, SamplerProcess

# Several programs one after the other, on a machine that may be busy.
pytestmark = pytest.mark.timeout(600)

PAGES = [
    "README.md",
    "clients/python/README.md",
    "docs/guides/pytorch.md",
    "docs/guides/any-trainer.md",
    "docs/guides/choosing-a-policy.md",
    "examples/README.md",
]


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in (REPOSITORY / page).read_text()])
def test_the_code_of_a_page_runs(page: str, sampler: SamplerProcess, tmp_path: Path) -> None:
    # The program lies in a folder of its own, since the embedded sampler keeps its data beside it.
    program = shutil.copy(Path(__file__).with_name("page_blocks.py"), tmp_path)
    done = subprocess.run(
        [sys.executable, program, str(REPOSITORY / page), sampler.address],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"[1-9]\d* blocks ran", done.stdout)
    assert (tmp_path / "keepset-data").is_dir(), "a page is read by who has no sampler yet"


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (REPOSITORY / page).read_text())
    assert links
    for link in links:
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / file if file else REPOSITORY / page
        assert target.exists(), f"{page} links to {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{page} links to {link}"


def test_the_errors_of_the_guide_are_those_of_the_code() -> None:
    rows = (REPOSITORY / "docs/guides/pytorch.md").read_text().partition("| the text says |")[2].splitlines()
    quoted = [match[1] for row in rows if (match := re.match(r"\| `(.+?)` \|", row))]
    assert len(quoted) >= 10
    texts = [file.read_text() for file in (REPOSITORY / "services/sampler/src").rglob("*.ts")]
    texts += [text for file in (REPOSITORY / "clients/python/src").rglob("*.py") for text in strings_of(file)]
    unknown = [text for text in quoted if not any(text in known for known in texts)]
    assert not unknown


def strings_of(file: Path) -> list[str]:
    """The texts in a program, those that are written in several parts joined; {} for what is filled in."""
    nodes = ast.walk(ast.parse(file.read_text()))
    texts: list[str] = []
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            texts.append("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return texts


def test_the_list_of_examples_is_complete() -> None:
    text = (REPOSITORY / "examples/README.md").read_text()
    linked = re.findall(r"\]\(([^)]+)\)", text)
    for path in example_paths():
        name = path.removeprefix("examples/")
        assert any(name == link or name.startswith(f"{link}/") for link in linked), (
            f"{name} is not in examples/README.md"
        )
