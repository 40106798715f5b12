"""The documentation is held to the program: made pages are fresh, links lead somewhere, and the tutorial's commands run."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kwartier import cosem, dlms
from tests.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
TUTORIAL = DOCS / "tutorial.md"
PORT = "47590"
COMMAND_S = 60
EXPECTED_EXIT = re.compile(r"  # exit (\d+)$")


def generate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``python generate.py WORDS`` in a folder of documentation."""
    script = [sys.executable, str(folder / "generate.py"), *words]
    return subprocess.run(script, check=False, capture_output=True, text=True, timeout=COMMAND_S)


def test_the_pages_that_are_made_say_what_the_program_says() -> None:
    """``make docs`` would change nothing."""
    made = generate(DOCS, "--check")
    assert made.returncode == 0, made.stdout + made.stderr


def test_the_check_finds_a_page_that_is_out_of_date(tmp_path: Path) -> None:
    for script in DOCS.glob("*.py"):
        shutil.copy(script, tmp_path)
    assert generate(tmp_path).returncode == 0
    page = tmp_path / "errors.md"
    page.write_text(page.read_text("utf-8").replace("truncated", "shortened"), "utf-8")
    checked = generate(tmp_path, "--check")
    assert checked.returncode == 1
    assert "errors.md" in checked.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    missing = [one for one in targets if "://" not in one and not (page.parent / one).exists()]
    assert missing == []


def test_decisions_are_numbered_without_gaps_and_say_why_and_what_they_cost() -> None:
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert all(f"**{part}.**" in text for part in ("Decided", "Why", "Costs")), page.name


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    first = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert first is not None
    assert first[1].splitlines() == ["$ make demo", "$ make test"]


def test_the_rooms_in_the_design_are_those_that_exist() -> None:
    """Every folder of the package stands in the page that describes its shape."""
    text = (DOCS / "design.md").read_text("utf-8")
    package = Path(dlms.__file__).parent.parent
    assert package == Path(cosem.__file__).parent.parent
    rooms = [one.name for one in package.iterdir() if one.is_dir() and one.name != "__pycache__"]
    files = [one.name for one in package.glob("*.py") if not one.name.startswith("__")]
    assert [one for one in rooms if f"{one}/" not in text] == []
    assert [one for one in files if one not in text] == []


# The tutorial, as a reader follows it: one shell, one folder, and each command with the output that the page shows.


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command of a page, and the lines that it shows."""

    command: str
    shown: list[str] = field(default_factory=list)


def steps(page: Path) -> Iterator[Step]:
    """The commands of a page's consoles."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield Step(command=command, shown=[line for line in shown if line.strip() not in ("", "...")])


def pattern(line: str) -> re.Pattern[str]:
    """A shown line: spaces of any number, and anything for three dots."""
    parts = [r"\s+".join(re.escape(word) for word in part.split()) for part in line.split("...")]
    return re.compile(".*".join(rf"\s*{part}\s*" if part else "" for part in parts))


def free_port() -> str:
    """A port that is free together with the next one, below those that a system hands out by itself.

    Where it looks first depends on the process: two runs of the tests at once would else choose the same.
    """
    first = 20_000 + os.getpid() % 1000 * 10
    for port in range(first, first + 2000, 2):
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return str(port)
    raise RuntimeError("no two free ports in a row")


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("KWARTIER_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "KWARTIER_HOME": str(tmp_path / "home"),
        "COLUMNS": "160",
        # Days are local days of the meters: `date` has to be in the same, between their midnight and that of UTC, too.
        "TZ": "CET-1CEST,M3.5.0,M10.5.0/3",
    }
    port = free_port()
    background: list[subprocess.Popen[str]] = []
    count = 0
    try:
        for step in steps(TUTORIAL):
            count += 1
            command = step.command.replace(PORT, port)
            if command.endswith(" &"):
                background.append(_start(command.removesuffix(" &"), step, tmp_path, environment))
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                check=False,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
            )
            wanted = EXPECTED_EXIT.search(step.command)
            said = done.stdout + done.stderr
            assert done.returncode == (int(wanted[1]) if wanted else 0), f"{command}\n{said}"
            assert "Traceback" not in said
            for line in step.shown:
                assert pattern(line).search(said), f"{command}\nshould say: {line}\nsaid:\n{said}"
    finally:
        for one in background:
            one.send_signal(signal.SIGINT)
            one.communicate(timeout=COMMAND_S)
    assert count > 10


def _start(command: str, step: Step, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """The command in the background, once it has said all that the page shows of it."""
    running = subprocess.Popen(
        ["bash", "-c", f"exec {command} 2>&1"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    said = ""
    for line in running.stdout:
        said += line
        if all(pattern(shown).search(said) for shown in step.shown):
            return running
    running.communicate(timeout=COMMAND_S)
    raise AssertionError(f"{command} ended too early:\n{said}")
