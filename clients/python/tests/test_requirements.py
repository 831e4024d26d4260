"""What the tests run on is pinned, and nothing that it needs is left to chance."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PACKAGE = Path(__file__).resolve().parents[1]
FILES = ["core.txt", "test.txt"]
# On Linux torch brings what it needs of CUDA where it was built for it, each in the one version that it names.
CUDA = re.compile(r"nvidia-|cuda-|triton$")


def applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def pinned() -> dict[str, str]:
    """The pins for this Python: name → version."""
    lines = [line for file in FILES for line in (PACKAGE / "requirements" / file).read_text().splitlines()]
    pins = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r core.txt"))]
    versions = {}
    for pin in filter(applies, pins):
        name = canonicalize_name(pin.name)
        assert name not in versions, f"{name} is pinned twice"
        assert re.fullmatch(r"==[\d.]+", str(pin.specifier)), f"{pin} is no exact version"
        versions[name] = str(pin.specifier)[2:]
    return versions


PINS = pinned()


def test_what_is_pinned_is_installed_and_what_it_needs_is_pinned() -> None:
    for name, version in PINS.items():
        assert Version(metadata.version(name)).public == version, name
        needed = [Requirement(text) for text in metadata.requires(name) or []]
        names = {canonicalize_name(requirement.name) for requirement in needed if applies(requirement)}
        assert {other for other in names - PINS.keys() if not CUDA.match(other)} == set(), name


def test_the_package_is_built_with_what_its_own_file_asks_for() -> None:
    build_system = (PACKAGE / "pyproject.toml").read_text().partition("[project]")[0]
    assert f'requires = ["hatchling=={PINS["hatchling"]}"]' in build_system


def test_the_oldest_python_can_install_the_package_from_its_sources() -> None:
    """It gets core.txt alone."""
    core = (PACKAGE / "requirements/core.txt").read_text()
    assert {f"hatchling=={PINS['hatchling']}", f"editables=={PINS['editables']}"} <= set(core.splitlines())
