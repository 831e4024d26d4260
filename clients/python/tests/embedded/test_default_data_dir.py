"""Where runs are kept unless told otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest
from programs import SOURCES, run

TELL = "from keepset.embedded.data_directory import default_data_dir as d; print(d())\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working directory that is not that of the script."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def run_python(*arguments: str | Path, cwd: Path, python: str | Path = sys.executable, standard_input: str = "") -> str:
    """What a Python prints."""
    done = subprocess.run(
        [str(argument) for argument in (python, *arguments)],
        cwd=cwd,
        env={"PYTHONPATH": f"{SOURCES}:{packages()}"},
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def packages() -> Path:
    """Where this Python has its packages."""
    import grpc

    return Path(grpc.__file__).parents[1]


def test_beside_the_script_from_whatever_directory(tmp_path: Path, elsewhere: Path) -> None:
    script = tmp_path / "project" / "train.py"
    script.parent.mkdir()
    script.write_text(TELL)
    expected = f"{script.parent / 'keepset-data'}\n"
    for cwd, path in ((elsewhere, script), (tmp_path, Path("project/train.py")), (script.parent, Path("train.py"))):
        assert run(path, cwd=cwd) == expected
    (elsewhere / "link.py").symlink_to(script)
    assert run(Path("link.py"), cwd=elsewhere) == expected


def test_beside_the_package_that_runs_as_a_program(tmp_path: Path) -> None:
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(TELL)
    assert run_python("-m", "training.train", cwd=tmp_path) == f"{package / 'keepset-data'}\n"


def test_beside_a_program_that_is_an_archive(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/__main__.py").write_text(TELL)
    zipapp.create_archive(tmp_path / "source", tmp_path / "train.pyz")
    assert run(tmp_path / "train.pyz", cwd=elsewhere) == f"{tmp_path / 'keepset-data'}\n"


@pytest.mark.parametrize(
    ("arguments", "standard_input"),
    [(["-c", TELL], ""), (["-"], TELL), (["-i"], TELL), (["-m", "code", "-q"], TELL)],
    ids=["-c", "from standard input", "prompt", "another prompt"],
)
def test_in_the_working_directory_where_there_is_no_script(
    elsewhere: Path, arguments: list[str], standard_input: str
) -> None:
    told = run_python(*arguments, cwd=elsewhere, standard_input=standard_input)
    assert f"{elsewhere / 'keepset-data'}\n" in told


def test_in_the_working_directory_of_pytest(elsewhere: Path) -> None:
    (elsewhere / "test_it.py").write_text(f"def test_it():\n    {TELL}")
    python = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
    command = shutil.which("pytest", path=str(Path(sys.executable).parent))
    assert command is not None
    for program in (python, [command, *python[3:]]):
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        done = subprocess.run(program, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=60)
        assert f"{elsewhere / 'keepset-data'}\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    "place",
    ["bin/train", "lib/python{}/site-packages/training/__main__.py", "lib/python{}/dist-packages/train.py"],
)
def test_in_the_working_directory_of_an_installed_program(tmp_path: Path, elsewhere: Path, place: str) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=60)
    program = environment / place.format(".".join(map(str, sys.version_info[:2])))
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(TELL)
    told = run_python(program, cwd=elsewhere, python=environment / "bin/python")
    assert told == f"{elsewhere / 'keepset-data'}\n"


def test_in_the_working_directory_of_a_program_that_another_python_installed_for_the_user(
    tmp_path: Path, elsewhere: Path
) -> None:
    """As of `pip install --user`, which an environment does not look into."""
    program = tmp_path / ".local/lib/python3.99/site-packages/launcher/__main__.py"
    program.parent.mkdir(parents=True)
    program.write_text(TELL)
    assert run(program, cwd=elsewhere) == f"{elsewhere / 'keepset-data'}\n"
