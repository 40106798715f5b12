"""``kwartier readings``: what is stored of a connection, for a purpose."""

import sys
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from kwartier.cli.options import (
    ApprovalOption,
    HomeOption,
    ResolutionOption,
    UseCaseOption,
    home_folder,
    print_json,
    say,
)
from kwartier.cli.quarters import print_quarters
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.gate.grant import Shown

DAY_FORMAT = "%Y-%m-%d"
DEFAULT_DAYS = 7
TIMEZONE = "Europe/Amsterdam"


class Format(StrEnum):
    """How readings are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def readings(
    ean: Annotated[str, typer.Option("--connection", help="The EAN of the connection.")],
    purpose: Annotated[str, typer.Option(help="What the readings are for; it is recorded, and has to be given.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")] = "",
    recipient: Annotated[str, typer.Option(help="Who gets to see them, if not you; it is recorded.")] = "",
    resolution: ResolutionOption = None,
    use_case: UseCaseOption = "",
    approval: ApprovalOption = "",
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=[DAY_FORMAT], help="The first local day (default: seven days before the end)."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=[DAY_FORMAT], help="The first local day that is not wanted (default: today)."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How they are printed.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="A file to write to instead of stdout.")] = None,
    home: HomeOption = None,
) -> None:
    """Show what is stored of one connection: registers at the end of each quarter, latest version.

    Who looked, what for and at what is written down before anything is shown. Without a purpose nothing is shown.
    """
    from kwartier.gate.policy import Scope
    from kwartier.gate.purposes import Resolution
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.readings import look_up

    if form is Format.PARQUET and out is None and sys.stdout.isatty():
        raise InputError("bad-argument", "parquet is not for a terminal: give --out FILE, or send it elsewhere")
    last = end.date() if end is not None else datetime.now(ZoneInfo(TIMEZONE)).date()
    first = start.date() if start is not None else date.fromordinal(max(1, last.toordinal() - DEFAULT_DAYS))
    with open_home(home_folder(home)) as opened:
        scope = Scope(
            start=first,
            end=last,
            eans=(ean,),
            resolution=Resolution(resolution) if resolution else None,
            use_case=use_case,
            approval=approval,
        )
        shown = look_up(opened, scope, actor=actor(opened), purpose=purpose, reason=reason, recipient=recipient)
    _print(shown, form, out)
    if not shown:
        say(f"nothing is stored of connection {ean} from {first} up to {last}")


def _print(shown: "list[Shown]", form: Format, out: Path | None) -> None:
    if form in (Format.CSV, Format.PARQUET):
        _write(shown, form, out)
    elif out is not None:
        raise InputError("bad-argument", f"--out is for csv and parquet; {form} goes to stdout")
    elif form is Format.JSON:
        from kwartier.service import telling

        print_json([telling.readings(one) for one in shown])
    else:
        _show(shown)


def _write(shown: "list[Shown]", form: Format, out: Path | None) -> None:
    import pyarrow
    from pyarrow import csv

    from kwartier.rowfile import write_parquet
    from kwartier.service.readings import as_table

    table = as_table(shown)
    buffer = pyarrow.BufferOutputStream()
    if form is Format.CSV:
        csv.write_csv(table, buffer)
    else:
        write_parquet(table, buffer)
    octets = buffer.getvalue().to_pybytes()
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(octets)
        return
    try:
        out.write_bytes(octets)
    except OSError as error:
        raise InputError("unwritable-file", f"{out}: {error.strerror}") from None


def _show(shown: "list[Shown]") -> None:
    for one in shown:
        found = one.readings
        print_quarters(found, one.timezone, {})
        stored: list[date] = sorted(one.versions)
        say(
            f"meter {found.meter} at connection {one.ean}: {len(stored)} of {(found.end - found.start).days} days stored"
        )
        for day in stored:
            if one.versions[day] > 1:
                say(f"{day} is version {one.versions[day]}: the meter was heard to say something else before")
        for finding in found.findings:
            say(f"finding {finding.code}: {finding.reason}")
