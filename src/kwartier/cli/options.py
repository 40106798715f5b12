"""Options that many commands share, and how they print."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The installation's folder (KWARTIER_HOME, else ~/.kwartier).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SkipBadOption = Annotated[bool, typer.Option("--skip-bad", help="Import the good rows and write the bad ones aside.")]
RefusedOption = Annotated[
    Path | None, typer.Option("--refused", help="Where --skip-bad writes the refused rows (FILE.refused.csv).")
]


class Fineness(StrEnum):
    """How fine readings are shown in time."""

    QUARTER = "quarter"
    DAY = "day"


ResolutionOption = Annotated[
    Fineness | None, typer.Option("--resolution", help="How fine, if not as far as the purpose goes.")
]
UseCaseOption = Annotated[str, typer.Option("--use-case", help="The use case, where the purpose takes one.")]
ApprovalOption = Annotated[str, typer.Option("--approval", help="What somebody else has approved, where it takes two.")]

NO_TERMINAL_WIDTH = 1000
"""Columns, so that no line of a file or pipe is broken."""

_root_home: list[Path] = []


def remember_home(folder: Path | None) -> None:
    """Keep what ``kwartier --home DIR COMMAND`` said for the command."""
    _root_home[:] = [] if folder is None else [folder]


def home_given(given: Path | None) -> Path | None:
    """The folder that the command line names: the command's own ``--home``, else the one before the command."""
    return given if given is not None else _root_home[0] if _root_home else None


def home_folder(given: Path | None) -> Path:
    """The folder of a command: the one that the command line names, else the default."""
    from kwartier.service.home import home_path

    return home_path(home_given(given))


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    # In one piece: writing it bit by bit takes many times as long.
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """A message on stderr."""
    print(text, file=sys.stderr)


def stdout() -> Console:
    """Where tables go; without a terminal they are as wide as they need to be."""
    return Console(width=None if sys.stdout.isatty() else NO_TERMINAL_WIDTH, highlight=False)


def print_table(rows: Iterable[Sequence[str | Text]], header: Sequence[str] = ()) -> None:
    """Rows in columns; the cells are text and nothing in them is an instruction to the terminal."""
    table = Table(*header, box=None, show_header=bool(header), header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    stdout().print(table)


def print_many(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """A table of any length: cells in columns and nothing else, so that a million rows take seconds."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
