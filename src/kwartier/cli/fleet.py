"""``kwartier fleet``: the meters that there are, what they are built from, and what happens to them."""

import time
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
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
    print_table,
    say,
)
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.fleet.history import Past
    from kwartier.model import Meter

SHOWN = 5
"""The last so many visits and changes of keys."""

REGISTRY = "registry"
"""The role that connections are shown to."""
TIMEZONE = "Europe/Amsterdam"


class Readout(StrEnum):
    """Whether a connection is read from afar."""

    REMOTE = "remote"
    OPTED_OUT = "opted-out"
    NOT_REMOTE = "not-remote"


OnOption = Annotated[str, typer.Option("--on", help="The local day from which it holds, as YYYY-MM-DD.")]
AsOfOption = Annotated[str | None, typer.Option("--on", help="As it is on this local day (YYYY-MM-DD).")]

app = typer.Typer(help="The meters that there are.", no_args_is_help=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("bad-day", f"{text[:20]!r} is no day such as 2026-01-31") from None


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="fleet.csv, or the same columns as Parquet.")],
    skip_bad: SkipBadOption = False,
    refused: RefusedOption = None,
    home: HomeOption = None,
) -> None:
    """Take in meters and their connections; a meter that is known is updated."""
    from kwartier.service.home import open_home

    aside = refused or file.with_suffix(file.suffix + ".refused.csv")
    with open_home(home_folder(home)) as opened:
        done = opened.registry.import_file(file, at=int(time.time()), skip_bad=skip_bad, refused=aside)
    say(f"{file.name}: {done.new} new, {done.updated} updated, {done.unchanged} unchanged, {done.refused} refused")
    if done.refused:
        say(f"refused rows are in {aside}")


@app.command("import-modules")
def import_modules(
    file: Annotated[Path, typer.Argument(help="modules.csv, or the same columns as Parquet.")],
    skip_bad: SkipBadOption = False,
    refused: RefusedOption = None,
    home: HomeOption = None,
) -> None:
    """Take in what meters are built from; a module replaces the earlier one of its kind from the day it was installed."""
    from kwartier.service.home import open_home

    aside = refused or file.with_suffix(file.suffix + ".refused.csv")
    with open_home(home_folder(home)) as opened:
        done = opened.registry.import_modules(file, at=int(time.time()), skip_bad=skip_bad, refused=aside)
    say(f"{file.name}: {done.stated} new or changed, {done.unchanged} unchanged, {done.refused} refused")
    if done.refused:
        say(f"refused rows are in {aside}")


@app.command("suppliers")
def suppliers(on: AsOfOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Count the modules that each supplier delivered, by kind."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        found = opened.registry.suppliers(None if on is None else _day(on))
    if as_json:
        print_json({"suppliers": [asdict(one) for one in found]})
        return
    print_many([(one.supplier, one.kind, str(one.modules)) for one in found], header=("supplier", "kind", "modules"))


@app.command("list")
def list_(on: AsOfOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the meters. Their connections are shown to the role registry."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    with open_home(home_folder(home)) as opened:
        rows = opened.registry.list(None if on is None else _day(on))
        if REGISTRY not in actor(opened).roles:
            say("connections are shown to the role registry, and you have not got it")
            rows = [(meter, "", address, companion) for meter, _, address, companion in rows]
    if as_json:
        print_json({"meters": [{"meter": meter, "ean": ean} for meter, ean, _, _ in rows]})
        return
    print_many(rows, header=("meter", "ean", "address", "companion"))
    say(f"{len(rows)} meters")


@app.command("exchange")
def exchange(
    ean: Annotated[str, typer.Argument(help="The connection's EAN.")],
    old: Annotated[str, typer.Option("--old", help="The meter that is taken out.")],
    new: Annotated[str, typer.Option("--new", help="The meter that is put in.")],
    new_file: Annotated[Path, typer.Option("--new-file", help="fleet.csv with one row: the new meter.")],
    on: Annotated[str, typer.Option("--on", help="The local day of the exchange, as YYYY-MM-DD.")],
    closing_import: Annotated[
        int, typer.Option("--closing-import", help="Last import register of the old one, in Wh.")
    ],
    opening_import: Annotated[
        int, typer.Option("--opening-import", help="First import register of the new one, in Wh.")
    ],
    closing_export: Annotated[int, typer.Option("--closing-export", help="Last export register, in Wh.")] = 0,
    opening_export: Annotated[int, typer.Option("--opening-export", help="First export register, in Wh.")] = 0,
    at: Annotated[str, typer.Option("--at", help="The local time of the exchange, as HH:MM.")] = "00:00",
    home: HomeOption = None,
) -> None:
    """Record that a meter was exchanged for another, with the registers of both at that moment."""
    from kwartier.fleet.mutations import Exchange
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        moment = _moment(on, at, opened.registry.meter(old).timezone)
        done = Exchange(
            ean=ean,
            old_meter=old,
            new_meter=new,
            moment=moment,
            closing_import_wh=closing_import,
            closing_export_wh=closing_export,
            opening_import_wh=opening_import,
            opening_export_wh=opening_export,
        )
        opened.registry.exchange(done, new_file, at=int(time.time()))
    say(f"{ean}: {old} was exchanged for {new} on {on}")


def _moment(on: str, at: str, timezone: str) -> int:
    """A local day and time in UTC seconds; a time that comes twice or never is no moment."""
    from kwartier import clock

    try:
        local = datetime.fromisoformat(f"{_day(on).isoformat()}T{at}")
    except ValueError:
        raise InputError("bad-day", f"{at[:20]!r} is no time such as 13:45") from None
    moments = set() if local.tzinfo is not None else set(clock.candidates(local, timezone))
    if len(moments) != 1:
        raise InputError("bad-day", f"{at[:20]} of {on} is not one moment in {timezone}")
    return moments.pop()


@app.command("move")
def move(
    meter: Annotated[str, typer.Argument(help="The meter's name.")],
    to: Annotated[str, typer.Option("--to", help="The EAN of the connection it comes to.")],
    on: OnOption,
    home: HomeOption = None,
) -> None:
    """Record that a meter is at another connection from a day on."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        opened.registry.move(meter, to=to, on=_day(on), at=int(time.time()))
    say(f"{meter} is at {to} from {on} on")


@app.command("switch")
def switch(
    ean: Annotated[str, typer.Argument(help="The connection's EAN.")],
    on: OnOption,
    supplier: Annotated[str | None, typer.Option("--supplier", help="The new supplier.")] = None,
    brp: Annotated[str | None, typer.Option("--brp", help="The new balance responsible party.")] = None,
    home: HomeOption = None,
) -> None:
    """Record another supplier or balance responsible party of a connection from a day on."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        opened.registry.switch(ean, supplier=supplier, brp=brp, on=_day(on), at=int(time.time()))
    say(f"{ean}: switched from {on} on")


@app.command("readout")
def readout(
    ean: Annotated[str, typer.Argument(help="The connection's EAN; without one: all that are not read.")] = "",
    mode: Annotated[Readout | None, typer.Argument(help="Whether its meters may be read from afar.")] = None,
    on: Annotated[str, typer.Option("--on", help="The local day from which it holds (default: today).")] = "",
    file: Annotated[Path | None, typer.Option(help="readouts.csv: ean, readout, valid_from.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Say that a connection is not read from afar any more ("administratief uit"), or is again; or list those that are not.

    What is stored stays. A meter that was planned already is not asked either.
    """
    from kwartier.fleet.readout import Mode
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    now = int(time.time())
    day = _day(on) if on else datetime.now(ZoneInfo(TIMEZONE)).date()
    with open_home(home_folder(home)) as opened:
        actor(opened).require([REGISTRY, "customer-desk", "privacy-officer"], "how connections are read")
        if file is not None:
            done = opened.registry.import_readouts(file, at=now)
            say(f"{file.name}: {done.changed} changed, {done.unchanged} unchanged")
        elif mode is not None:
            news = opened.registry.state_readout(ean, Mode(mode.value), on=day, at=now)
            say(f"{ean} is {mode.value} from {day} on" if news else f"{ean} was {mode.value} already")
        else:
            found = opened.registry.not_read(day, day + timedelta(days=1))
            rows = sorted((one, how.value) for one, how in found.items() if ean in ("", one))
            if as_json:
                print_json({"not_read": [{"ean": one, "readout": how} for one, how in rows]})
            else:
                print_many(rows, header=("ean", "readout"))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="METER|EAN", help="The meter's name, or a connection's EAN.")],
    on: AsOfOption = None,
    known: Annotated[str | None, typer.Option("--known", help="As it was known at the end of this day (UTC).")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what the fleet knows of one meter or connection: from when to when, its keys' changes, its last visits."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    day = None if on is None else _day(on)
    then = None if known is None else _end_of(_day(known))
    with open_home(home_folder(home)) as opened:
        actor(opened).require([REGISTRY], "what is known of a connection")
        past = opened.registry.history(name, known=then)
        facts: dict[str, object] = {"ean": name}
        keys: list[dict[str, object]] = []
        last: list[dict[str, object]] = []
        if past[0].thing == "meter" and past[0].name == name:
            facts = _facts(opened.registry.meter(name, day, known=then), opened.keyring.origin_of(name))
            changes, visits = opened.keyring.events_of(name)[-SHOWN:], opened.visits.of_meter(name)[:SHOWN]
            keys = [{"at": _utc(one.at), "action": one.action, "actor": one.actor} for one in changes]
            last = [
                {"started": one.started.isoformat(), "outcome": one.outcome, "purpose": one.purpose, "actor": one.actor}
                for one in visits
            ]
    held = [_shown(one) for one in past if day is None or one.start <= day < one.end]
    if as_json:
        print_json({**facts, "history": held, "key_changes": keys, "visits": last})
        return
    rows = [(label, "-" if value in (None, "") else str(value)) for label, value in facts.items()]
    rows += [
        (str(one["thing"]), f"{one['name']}  from {one['from'] or 'ever'} to {one['to'] or 'now'}  {_brief(one)}")
        for one in held
    ]
    rows += [("keys", "  ".join(map(str, change.values()))) for change in keys]
    rows += [("visit", "  ".join(map(str, visit.values()))) for visit in last]
    print_table(rows)


def _end_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC).timestamp())


def _shown(one: "Past") -> dict[str, object]:
    """A version as JSON has it; null: from ever, or until further notice."""
    facts = {name: value.hex().upper() if isinstance(value, bytes) else value for name, value in one.facts.items()}
    return {
        "thing": one.thing,
        "name": one.name,
        "from": None if one.start == date.min else one.start.isoformat(),
        "to": None if one.end == date.max else one.end.isoformat(),
        "known_at": _utc(one.known_at),
        "facts": facts,
    }


BRIEF = ("ean", "host", "port", "supplier", "brp", "type", "serial", "firmware")
"""What a line for people says of a version."""


def _brief(one: dict[str, object]) -> str:
    facts = one["facts"] if isinstance(one["facts"], dict) else {}
    return "  ".join(f"{name} {facts[name]}" for name in BRIEF if facts.get(name))


def _facts(meter: "Meter", origin: str | None) -> dict[str, object]:
    facts: dict[str, object] = {name: getattr(meter, name) for name in meter.__dataclass_fields__}
    facts["system_title"] = meter.system_title.hex().upper()
    facts["keys"] = origin
    return facts


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
