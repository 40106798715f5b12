"""``kwartier register`` and ``kwartier dictionary``: what is processed and why, and what is read of a meter."""

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, home_given, say

if TYPE_CHECKING:
    from kwartier.service.home import Home
    from kwartier.service.reports.facts import Facts
    from kwartier.service.reports.page import Report


class Format(StrEnum):
    """How a report is written."""

    MD = "md"
    JSON = "json"
    HTML = "html"


FormatOption = Annotated[Format, typer.Option("--format", help="Markdown, JSON, or a page for a browser.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Write it to this file instead.")]


def register(
    form: FormatOption = Format.MD, out: OutOption = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Print the register of processing (AVG art. 30) from the tables that this installation works by."""
    from kwartier.service.home import open_home
    from kwartier.service.reports.register import measures_of
    from kwartier.service.reports.register import register as made

    with open_home(home_folder(home)) as opened:
        report = made(_facts(opened), measures_of(opened))
    _write(report, Format.JSON if as_json else form, out)


def dictionary(
    form: FormatOption = Format.MD, out: OutOption = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Print what is read of a meter, how often and what for, and what is never read; without an installation, too."""
    from kwartier.service import settings
    from kwartier.service.home import named_home, open_home
    from kwartier.service.reports.dictionary import dictionary as made

    folder = home_folder(home)
    wanted = named_home(home_given(home)) or settings.there(folder)
    report = made()
    if wanted:
        with open_home(folder) as opened:
            report = made(_facts(opened))
    _write(report, Format.JSON if as_json else form, out)


def _facts(home: "Home") -> "Facts":
    from datetime import timedelta

    from kwartier.service.night import yesterday
    from kwartier.service.reports.facts import facts_of

    return facts_of(home, yesterday(time.time(), home.settings.timezone) + timedelta(days=1))


def _write(report: "Report", form: Format, out: Path | None) -> None:
    from kwartier.disk import write_whole
    from kwartier.errors import InputError
    from kwartier.service.reports.page import FORMATS

    text = FORMATS[form.value](report)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        write_whole(out, text.encode())
    except OSError as error:
        raise InputError("unwritable-file", f"{out}: {error.strerror}") from None
    say(f"{out} written")
