"""The wheel that users install: built from the tree, it holds its data, and its command works away from the source."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import kwartier
from tests.conftest import ROOT

COMMAND_S = 120
SOURCE = ROOT / "src" / "kwartier"


def call(*words: str, folder: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_S,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network and without isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    built = call(sys.executable, "-c", build, str(folder), folder=ROOT)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_it_is_pure_python_of_this_version(wheel: Path) -> None:
    assert wheel.name == f"kwartier-{kwartier.__version__}-py3-none-any.whl"


def test_it_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    files = [path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert held == {f"kwartier/{path.relative_to(SOURCE).as_posix()}" for path in files}
    assert {path.suffix for path in files} >= {".py", ".toml", ".mako", ".typed"}
    assert licences
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_its_command_works_from_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    """The smoke part: version, home, registry, capture and a visit, with the source out of reach."""
    target = tmp_path / "installed"
    words = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check", "--target", str(target), str(wheel))
    installed = call(sys.executable, "-m", "pip", "install", *words, folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    environment = {"PYTHONPATH": str(target), "KWARTIER_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "error"}

    def run(*words: str) -> str:
        done = call(str(target / "bin" / "kwartier"), *words, folder=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    origin = call(
        sys.executable, "-c", "import kwartier; print(kwartier.__file__)", folder=tmp_path, environment=environment
    )
    assert origin.stdout.startswith(str(target))
    assert run("--version") == f"kwartier {kwartier.__version__}\n"
    run("init")
    assert "companions" in run("doctor")
    assert "SNRM" in run("decode", "7EA0070321930F017E")
    assert (
        run("demo", "--meters", "1", "--faults", "none", "--no-serve").count("every one is what the meter counted") == 1
    )
    assert "noord-000001" in run("fleet", "list", "--json")
