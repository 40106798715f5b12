"""``kwartier market``: who answers for which connection, and what flowed into each grid area."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from kwartier.cli.options import (
    HomeOption,
    JsonOption,
    RefusedOption,
    SkipBadOption,
    home_folder,
    print_json,
    print_many,
    say,
)
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.market.completeness import Inputs

DAY_FORMAT = "%Y-%m-%d"
TIMEZONE = "Europe/Amsterdam"
ROLES = ["registry", "settlement"]
"""Who may say what the market says."""

app = typer.Typer(help="Who answers for which connection, and what flowed into each grid area.", no_args_is_help=True)


class FileKind(StrEnum):
    """What a file is."""

    MARKET = "market"
    INFEED = "infeed"
    LOSSES = "losses"
    FRACTIONS = "fractions"


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="market.csv, infeed.csv, losses.csv, fractions.csv, or Parquet.")],
    kind: Annotated[
        FileKind | None, typer.Option(help="What the files are, where their columns and names do not say so.")
    ] = None,
    skip_bad: SkipBadOption = False,
    refused: RefusedOption = None,
    home: HomeOption = None,
) -> None:
    """Take in what the market says. A file that says something new is a revision; nothing that was said is overwritten."""
    from kwartier.market.columns import Kind
    from kwartier.market.importing import kind_of_file
    from kwartier.market.market import Market
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    if refused is not None and len(files) > 1:
        raise InputError("bad-argument", "--refused goes with one file")
    with open_home(home_folder(home)) as opened:
        who = actor(opened)
        who.require(ROLES, "to say what the market says")
        # Each is told before the first is taken in: what cannot be told is not found out half-way.
        kinds = [kind_of_file(file) if kind is None else Kind(kind.value) for file in files]
        for file, known in zip(files, kinds, strict=True):
            aside = refused or file.with_suffix(file.suffix + ".refused.csv")
            done = Market(opened.engine).import_file(
                file, kind=known, at=int(time.time()), actor=who.name, skip_bad=skip_bad, refused=aside
            )
            counted = f"{done.changed} new or changed, {done.unchanged} unchanged, {done.refused} refused"
            made = f"revision {done.revision}" if done.changed else "nothing new, so no revision"
            say(f"{file.name}: {done.kind.value}: {counted}: {made}")
            if done.refused:
                say(f"refused rows are in {aside}")


@app.command("show")
def show(
    day: Annotated[
        datetime | None, typer.Option("--day", formats=[DAY_FORMAT], help="The local day (default: yesterday).")
    ] = None,
    area: Annotated[str, typer.Option("--area", help="Of this grid area alone.")] = "",
    revision: Annotated[int | None, typer.Option(help="As of this revision (default: the last).")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show for a local day how many connections each grid area has by method, and whether all is there to settle it."""
    from kwartier import clock
    from kwartier.market.completeness import inputs
    from kwartier.market.market import Market
    from kwartier.service.home import open_home

    on = day.date() if day is not None else datetime.now(ZoneInfo(TIMEZONE)).date() - timedelta(days=1)
    with open_home(home_folder(home)) as opened:
        market = Market(opened.engine)
        known = market.revision() if revision is None else revision
        times = clock.quarter_ends(on, on + timedelta(days=1), TIMEZONE)[1:]
        found = [one for one in inputs(market, on, times, known) if area in ("", one.grid_area)]
    if as_json:
        areas = [{**asdict(one), "missing": list(one.missing)} for one in found]
        print_json({"day": on.isoformat(), "revision": known, "areas": areas})
        return
    rows = [(one.grid_area, *_methods(one), "; ".join(one.missing) or "nothing") for one in found]
    print_many(rows, header=("area", "connections", "by method", "missing"))
    say(f"{on}: {len(found)} areas as of revision {known}")


def _methods(one: "Inputs") -> tuple[str, str]:
    methods = ", ".join(f"{method} {count}" for method, count in one.connections.items())
    return str(sum(one.connections.values())), methods or "-"


@app.command("revisions")
def revisions(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the imports that said something new, oldest first."""
    from kwartier.market.market import Market
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        found = Market(opened.engine).revisions()
    told = [{**asdict(one), "known_at": datetime.fromtimestamp(one.known_at, UTC).isoformat()} for one in found]
    if as_json:
        print_json({"revisions": told})
        return
    names = ("revision", "kind", "known_at", "actor", "rows", "digest")
    print_many([tuple(str(one[name]) for name in names) for one in told], header=names)
