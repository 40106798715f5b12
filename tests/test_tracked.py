"""What no file of the project may hold, whatever its kind; and what the locks and the project's own table have to say."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import kwartier
from tests.conftest import ROOT


def tracked_files() -> list[Path]:
    """The files that belong to the project: those that git knows, or all that lie here if this is an export."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]
    hidden = {".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "__pycache__", "build", "dist"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]


def _alternatives(*words: str) -> str:
    return "|".join(re.escape(word) for word in words)


# Put together from pieces, so that this file does not hold what it looks for.
DOT, SLASH = ".", "/"
FORBIDDEN = {
    "the host of a package registry": _alternatives(
        *(DOT.join(parts) for parts in (("pypi", "org"), ("pypi", "python", "org"), ("pythonhosted", "org"))),
        *(DOT.join(parts) for parts in (("registry", "npmjs", "org"), ("anaconda", "org"), ("crates", "io"))),
        "arti" + "factory",
        "nex" + "us/repository",
        "dev" + "pi",
    ),
    "an option that names an index": r"--(extra-)?" + r"index-url|--find" + r"-links\b(?!\s*\\?$)|--trusted" + r"-host",
    "a path of one machine": r"(?<![\w.$}])(?:"
    + _alternatives(*(SLASH + one + SLASH for one in ("work", "root", "home")))
    + ")",
    "a wheel by its address": r"https?://\S+\.(whl|tar\.gz)\b",
}
MAY_NAME_OPTIONS = {"Makefile"}
"""Here the options that keep addresses out of the locks are named."""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in tracked_files():
        if what == "an option that names an index" and path.name in MAY_NAME_OPTIONS:
            continue
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("the host of a package registry", "see https://" + "pypi" + ".org/simple"),
        ("an option that names an index", "--extra" + "-index-url https://somewhere"),
        ("an option that names an index", "--find" + "-links /opt/wheels"),
        ("a path of one machine", "cd /" + "work/main"),
        ("a wheel by its address", "https://somewhere/one-1.0-py3-none-any" + ".whl"),
    ],
)
def test_a_line_that_holds_it_is_found(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)


def test_every_requirement_of_a_lock_is_pinned_and_has_hashes() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert {"base.txt", "dev.txt", "build.txt"} <= {lock.name for lock in locks}
    for lock in locks:
        entries = re.sub(r"\\\n", " ", lock.read_text("utf-8")).splitlines()
        entries = [line for line in entries if line and not line.lstrip().startswith("#")]
        assert entries, lock.name
        for entry in entries:
            assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+.*--hash=sha256:[0-9a-f]{64}", entry), (
                f"{lock.name}: {entry[:60]}"
            )


def test_extras_are_only_for_what_not_everybody_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["optional-dependencies"]) == {"hsm", "postgres", "spark", "otel", "bench", "dev"}


def test_the_version_is_said_once_in_two_places() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == kwartier.__version__
