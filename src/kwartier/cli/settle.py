"""``kwartier settle``: what each party answers for in the quarters of a day, version by version."""

import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, say
from kwartier.cli.progress import counting
from kwartier.cli.settlement import print_areas, print_difference, print_parties, say_areas
from kwartier.errors import InputError, KwartierError

if TYPE_CHECKING:
    from kwartier.gate.policy import Asking
    from kwartier.service.home import Home
    from kwartier.service.settling.run import Outcome
    from kwartier.service.settling.versions import Version, Versions

DAY_FORMAT = "%Y-%m-%d"
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in your own words; it is recorded.")]
DayOption = Annotated[datetime, typer.Option("--date", formats=[DAY_FORMAT], help="The local day.")]

app = typer.Typer(help="Settle the quarter hours of a day between the parties, again and again.", no_args_is_help=True)


def now() -> int:
    """UTC seconds."""
    return int(time.time())


@app.command("run")
def run(
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=[DAY_FORMAT], help="The local day (default: every day that is due)."),
    ] = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Settle a day from its latest validation and all that the market has said, and publish what adds up.

    Due is a day that was validated since it was last settled, or of which an area is held or stopped and the market has said
    something new, until it is closed. Exit 1: an area is held or stopped, or a day could not be settled; each says why.
    """
    from kwartier.clock import local_day
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.settling import telling
    from kwartier.service.settling.due import due

    told, fell_short = [], False
    with open_home(home_folder(home)) as opened:
        days = [day.date()] if day is not None else due(opened, local_day(now(), opened.settings.timezone))
        for one in _settled(opened, days, actor(opened), reason, is_named=day is not None):
            fell_short = fell_short or one is None or bool(one.not_settled)
            if one is None:
                continue
            told.append({**telling.publication(one.publication), **telling.settlement(one.settled)})
            if not as_json:
                print_areas(one.settled)
            _say_version(one)
    if as_json:
        print_json({"settlements": told})
    if not days:
        say("no day is due")
    if fell_short:
        raise typer.Exit(1)


def _settled(
    home: "Home", days: Sequence[date], who: "Asking", reason: str, *, is_named: bool
) -> "Iterator[Outcome | None]":
    """What came of each day; None of one that could not be settled, after which the others are, unless it is named."""
    from kwartier.service.settling.run import settle

    for day in days:
        try:
            with counting(f"meters of {day} held against their registers, twice") as show:
                done = settle(home, day, actor=who, reason=reason, at=now(), show=show)
        except KwartierError as error:
            if is_named:
                raise
            say(f"{day}: {error.sentence()}")
            yield None
        else:
            yield done


def _say_version(one: "Outcome") -> None:
    version = one.publication.version
    new = "" if one.publication.is_new else ", as before: nothing that it is made from has changed"
    say(f"{version.day}: version {version.version} ({version.name}), {version.state}{new}")
    say_areas(one.settled)


@app.command("show")
def show(
    day: DayOption,
    number: Annotated[int | None, typer.Option("--version", help="Which version (default: the last).")] = None,
    quarters: Annotated[bool, typer.Option("--quarters", help="Each quarter; needs --json.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Make it again from what it was made from, and compare.")
    ] = False,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what a version of a day says of each area and party. A sum may be of one connection, so who looks is recorded.

    With --again it is made once more, from the same inputs, and has to come out the same, bit for bit; where readings that it
    was made from are lawfully gone, it is shown as it was published, with a note.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.settling import telling
    from kwartier.service.settling.remaking import made_again
    from kwartier.service.settling.run import opened
    from kwartier.service.settling.versions import Versions

    if quarters and not as_json:
        raise InputError("bad-argument", "--quarters is for --json: no table is so wide")
    on, note = day.date(), None
    with open_home(home_folder(home)) as there:
        who, versions = actor(there), Versions(there.engine)
        version = _version(versions, on, number)
        if again:
            with counting(f"meters of {on} held against their registers, twice") as tell:
                made = made_again(there, on, version.version, actor=who, reason=reason, at=now(), show=tell)
            found, note = made.settled, {"made": made.is_made_again, "note": made.note}
        else:
            opened(there, on, actor=who, reason=reason, at=now())
            found = versions.settled(on, version.version)
    if as_json:
        print_json({**telling.version(version), **telling.settlement(found, quarters=quarters), "again": note})
    else:
        print_areas(found)
        print_parties(found)
        say(f"{on}: version {version.version} ({version.name}), {version.state}, made {telling.utc(version.made_at)}")
        if note is not None:
            say(f"{note['note']}")
    say_areas(found)


@app.command("versions")
def versions(
    day: Annotated[
        datetime | None, typer.Option("--date", formats=[DAY_FORMAT], help="Of this local day alone.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the versions in the order in which they were made, the oldest first, each with what it was made from. No sums."""
    from kwartier.service.home import open_home
    from kwartier.service.settling import telling
    from kwartier.service.settling.versions import Versions

    with open_home(home_folder(home)) as opened:
        found = Versions(opened.engine).versions(None if day is None else day.date())
    if as_json:
        print_json(telling.versions(found))
        return
    names = ("date", "version", "name", "state", "made", "validation_run", "market_revision", "digest")
    told = [telling.version(one) for one in found]
    print_many([tuple(str(one[name]) for name in names) for one in told], header=names)


@app.command("diff")
def diff(
    day: DayOption,
    earlier: Annotated[
        int | None, typer.Option("--from", help="The earlier version (default: the one before the later).")
    ] = None,
    later: Annotated[int | None, typer.Option("--to", help="The later version (default: the last).")] = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what a version says otherwise than an earlier one, sum by sum. Who looks is recorded."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.settling import telling
    from kwartier.service.settling.run import opened
    from kwartier.service.settling.versions import Versions
    from kwartier.settle.difference import difference

    on = day.date()
    with open_home(home_folder(home)) as there:
        versions = Versions(there.engine)
        last = _version(versions, on, later)
        if earlier is None and last.version == 1:
            raise InputError("no-such-version", f"there is none of {on} before version 1")
        first = versions.version(on, last.version - 1 if earlier is None else earlier)
        opened(there, on, actor=actor(there), reason=reason, at=now())
        found = difference(versions.settled(on, first.version), versions.settled(on, last.version))
    if as_json:
        print_json({"date": f"{on}", "from": first.version, "to": last.version, **telling.difference(found)})
        return
    print_difference(found)
    counted = f"{len(found.areas)} areas and {len(found.sums)} sums differ"
    say(f"{on}: version {last.version} against version {first.version}: {counted}")


def _version(versions: "Versions", day: date, number: int | None) -> "Version":
    if number is not None:
        return versions.version(day, number)
    latest = versions.latest(day)
    if latest is None:
        raise InputError("no-such-version", f"{day} was never settled")
    return latest
