"""``kwartier night``: read the whole fleet for a local day, and see how that stands."""

import time
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli import alerts
from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, print_table, say
from kwartier.cli.progress import Shown

if TYPE_CHECKING:
    from kwartier.collect.due import Counts
    from kwartier.service.home import Home

DAY_FORMAT = "%Y-%m-%d"
MAX_WORKERS = 64
MAX_GAPS = 1_000_000

app = typer.Typer(help="Read every meter of the fleet for a local day, and see how that stands.", no_args_is_help=True)

app.command("alerts")(alerts.alerts)
app.command("worklist")(alerts.worklist)

DayOption = Annotated[
    datetime | None,
    typer.Option("--date", formats=[DAY_FORMAT], help="The local day that is read (default: yesterday)."),
]


def _day(given: datetime | None, opened: "Home") -> date:
    from kwartier.service.night import yesterday

    return yesterday(time.time(), opened.settings.timezone) if given is None else given.date()


@app.command("run")
def run(
    day: DayOption = None,
    workers: Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="How many processes do the reading.")] = 1,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the window, and try again after seconds.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")] = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Read every due meter, once, and store what they hold of the day.

    What an earlier run of the same night stored is not read again. Exit 1: something that might be had is missing, because a
    meter was not tried often enough. A meter that refused for good, or that gave nothing in all of its tries, is missed, too.
    """
    from kwartier.service import telling
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.night import Request
    from kwartier.service.night import run as carry_out

    with open_home(home_folder(home)) as opened, Shown() as shown:
        request = Request(day=_day(day, opened), workers=workers, at_once=now, actor=actor(opened), reason=reason)
        counts = carry_out(opened, request, show=shown.show, say=say)
    if as_json:
        print_json(telling.night(request.day, counts, running=False))
    else:
        sum_up(request.day, counts)
    if counts.short:
        raise typer.Exit(1)


@app.command("status")
def status(day: DayOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """How a night stands: what is due, what was read, what is missing and why."""
    from kwartier.errors import InputError
    from kwartier.service import telling
    from kwartier.service.home import open_home
    from kwartier.service.night import stands

    with open_home(home_folder(home)) as opened:
        wanted = _day(day, opened)
        found = stands(opened, wanted)
    if found is None:
        raise InputError("no-such-night", f"there was no night for {wanted}")
    counts, running = found
    if as_json:
        print_json(telling.night(wanted, counts, running=running))
    else:
        sum_up(wanted, counts)


@app.command("gaps")
def gaps(
    day: DayOption = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_GAPS, help="At most so many.")] = 1000,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """The days that are missing and may still be had, the oldest first, each with its cause."""
    from kwartier.collect.due import Dues
    from kwartier.service import telling
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        found = Dues(opened.engine, opened.settings.dso).gaps(_day(day, opened), limit=limit)
    if as_json:
        print_json([telling.gap(one) for one in found])
        return
    rows = [
        (f"{one.day}", one.meter, one.ean, one.state, f"{one.attempts}", one.code or "-", f"{one.days_left}")
        for one in found
    ]
    print_many(rows, ("date", "meter", "ean", "state", "tries", "cause", "nights left"))


@app.command("claims")
def claims(day: DayOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Prove that no connection was read more than once: --date is the local day of the visits (default: today).

    The claims are compared with the records of the visits. Exit 1 where more visits asked than were claimed.
    """
    from kwartier.collect.claims import Claims
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        wanted = _day(None, opened) + timedelta(days=1) if day is None else day.date()
        proof = Claims(opened.engine).proof(wanted)
    table = {
        "date": wanted.isoformat(),
        "claims": proof.claims,
        "fulfilled": proof.fulfilled,
        "unfulfilled": proof.unfulfilled,
        "repeats": dict(proof.repeats),
        "refused": dict(proof.refused),
        "visits_that_asked": proof.visits_that_asked,
        "at_most_once": not proof.beyond,
        "beyond": [{"ean": ean, "meter": meter, "visits": visits} for ean, meter, visits in proof.beyond],
    }
    if as_json:
        print_json(table)
    else:
        print_table([(name.replace("_", " "), _cell(value)) for name, value in table.items()])
    if proof.beyond:
        raise typer.Exit(1)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    if isinstance(value, list):
        return f"{len(value)}"
    return {True: "yes", False: "no"}.get(value, f"{value}") if isinstance(value, bool) else f"{value}"


def sum_up(day: date, counts: "Counts") -> None:
    """The same for people."""
    from kwartier.service import telling

    table = telling.night(day, counts, running=False)
    coverage = table["coverage"]
    rates = coverage.items() if isinstance(coverage, dict) else ()
    rows = [
        ("night", f"{day}"),
        ("due", f"{counts.due}"),
        ("read", f"{counts.stored}"),
        ("missed", f"{counts.due - counts.stored}"),
        *((f"coverage of {name}", "-" if rate is None else f"{rate:.2%}") for name, rate in rates),
        *((f"  {code}", f"{count}") for code, count in counts.causes.items()),
    ]
    print_table(rows)
