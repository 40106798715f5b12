"""``kwartier validate``: check the readings of a day, complete them, and see what was found."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, print_table, say
from kwartier.cli.progress import counting

if TYPE_CHECKING:
    from kwartier.export.pictures.forms import Picture
    from kwartier.service.home import Home
    from kwartier.service.validating.run import Outcome
    from kwartier.service.validating.runs import Checked
    from kwartier.service.validating.shown import Findings

DAY_FORMAT = "%Y-%m-%d"
SHOWN = 200
"""Findings that are printed at once, unless more are asked for."""
DEFAULT_DAYS = 14

app = typer.Typer(help="Check readings, complete them, and see what was found.", no_args_is_help=True)

DayOption = Annotated[
    datetime | None, typer.Option("--date", formats=[DAY_FORMAT], help="The local day (default: yesterday).")
]
ReasonOption = Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Write the picture to a file that ends in .png, .svg or .html.")
]


@app.command("run")
def run(
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=[DAY_FORMAT], help="The local day (default: every one that is due)."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With --date: all of its meters again, not those with something new.")
    ] = False,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Judge readings by every rule, and fill what is missing or refused; each quarter says how it came about.

    Without --date: every day of which something came since, the oldest first, and the meters of other days of which that says
    something. Readings themselves are never changed.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.validating.chosen import Again
    from kwartier.service.validating.due import validate_due
    from kwartier.service.validating.run import validate

    outcomes: list[Outcome] = []
    with open_home(home_folder(home)) as opened:
        who, now = actor(opened), int(time.time())
        with counting("meters judged") as show:
            if day is None:
                outcomes += validate_due(opened, actor=who, now=now, reason=reason, watch=lambda _: show)
            else:
                again = Again(whole=whole)
                one = validate(opened, day.date(), actor=who, now=now, reason=reason, again=again, show=show)
                outcomes += [] if one is None else [one]
        if as_json:
            print_json({"runs": [_as_json(one) for one in outcomes]})
        elif not outcomes:
            say("there is nothing new to be validated")
        else:
            for one in outcomes:
                _show(opened, one)


def _show(home: "Home", outcome: "Outcome") -> None:
    from kwartier.service.validating.runs import Runs

    run = outcome.run
    rows = [
        (one.code, f"{one.evaluated}", f"{one.not_evaluated}", f"{one.failed}", f"{one.warned}", one.reason)
        for one in sorted(Runs(home.engine).checks(run.run), key=_number)
    ]
    print_table(rows, header=("rule", "evaluated", "not evaluated", "failed", "warned", "remark"))
    parts = ", ".join(f"{count} {name}" for name, count in outcome.quarters.items() if count) or "none"
    say(f"{run.day}, run {run.run} by rules {run.rules}: {run.changed} of {run.rows} meters, quarters: {parts}")
    say(
        f"{run.findings} findings, {run.substitutes} substitutes; `kwartier validate findings --date {run.day}` shows them"
    )


def _number(check: "Checked") -> int:
    return int(check.code.partition("-")[0].removeprefix("V"))


def _as_json(one: "Outcome") -> dict[str, object]:
    run = one.run
    return {
        "date": f"{run.day}",
        "run": run.run,
        "rules": run.rules,
        "meters": run.rows,
        "changed": run.changed,
        "findings": run.findings,
        "substitutes": run.substitutes,
        "quarters": dict(one.quarters),
    }


@app.command("runs")
def runs(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the last run of each day, oldest day first."""
    from kwartier.service.home import open_home
    from kwartier.service.validating.runs import Runs

    with open_home(home_folder(home)) as opened:
        found = Runs(opened.engine).days().values()
    names = ("day", "run", "finished_at", "rules", "rows", "changed", "findings", "substitutes")
    told = [
        {**{name: getattr(one, name) for name in names}, "day": f"{one.day}", "finished_at": _utc(one.finished_at)}
        for one in found
    ]
    if as_json:
        print_json({"runs": told})
        return
    print_many([tuple(str(one[name]) for name in names) for one in told], header=names)


@app.command("findings")
def findings(
    day: DayOption = None,
    rule: Annotated[str, typer.Option(help="Of this rule alone: its code, or how that begins.")] = "",
    method: Annotated[str, typer.Option(help="Substitutes by this method alone, such as E3.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="So many lines of each.")] = SHOWN,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what the rules said of whom, and what was put in the place of what is missing or refused, without any volume."""
    from kwartier.service import telling
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.validating import shown

    with open_home(home_folder(home)) as opened:
        zone = opened.settings.timezone
        on = _chosen(day, zone)
        found = shown.findings(opened, on, actor=actor(opened), reason=reason, code=rule, method=method)
    if as_json:
        print_json(telling.findings(found))
        return
    for rows, header in (
        (_found_rows(found, zone), ("connection", "meter", "rule", "severity", "channel", "from", "up to")),
        (_put_rows(found, zone), ("connection", "meter", "method", "quality", "rule", "channel", "from", "up to")),
    ):
        if rows:
            print_many(rows[:limit], header=header)
            more = f", of which {limit} are shown" if len(rows) > limit else ""
            say(f"{len(rows)} {'findings' if header[2] == 'rule' else 'substitutes'}{more}")
    if not found.found and not found.put:
        say(f"nothing was found on {on}")


def _found_rows(found: "Findings", zone: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in found.found:
        link = found.links[one.reading]
        span = _span(found.run.day, zone, one.first, one.last)
        rows.append((link.ean, link.meter, one.code, one.severity, one.channel or "both", *span))
    return rows


def _put_rows(found: "Findings", zone: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in found.put:
        link = found.links[one.reading]
        span = _span(found.run.day, zone, one.first, one.last)
        rows.append((link.ean, link.meter, one.method, one.quality, one.rule, one.channel, *span))
    return rows


def _span(day: date, zone: str, first: int, last: int) -> tuple[str, str]:
    """From when up to when quarters are, by the local clock; where that shows an hour twice, the offset says which it is."""
    from kwartier.clock import quarter_ends

    times = quarter_ends(day, day + timedelta(days=1), zone)
    both = (datetime.fromtimestamp(int(times[place]), ZoneInfo(zone)) for place in (first, last + 1))
    starts, ends = (one.strftime("%H:%M%z") for one in both)
    return starts, ends.replace("00:00", "24:00", 1) if last + 2 == len(times) else ends


@app.command("curve")
def curve(
    day: DayOption = None,
    ean: Annotated[list[str] | None, typer.Option("--ean", help="Of this connection (may be repeated).")] = None,
    out: OutOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
) -> None:
    """Draw the curve of a day: what was measured, calculated, estimated, late and missing look different."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.validating import shown

    with open_home(home_folder(home)) as opened:
        on = _chosen(day, opened.settings.timezone)
        _give(shown.curve(opened, on, actor=actor(opened), reason=reason, eans=frozenset(ean or ())), out)


@app.command("coverage")
def coverage(
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=[DAY_FORMAT], help="The first local day (default: 14 days ago)."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=[DAY_FORMAT], help="Up to this day, not included (default: today)."),
    ] = None,
    out: OutOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
) -> None:
    """Draw how complete days are, hour by hour."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.validating import shown

    with open_home(home_folder(home)) as opened:
        last = end.date() if end is not None else _chosen(None, opened.settings.timezone) + timedelta(days=1)
        first = start.date() if start is not None else last - timedelta(days=DEFAULT_DAYS)
        _give(shown.coverage(opened, first, last, actor=actor(opened), reason=reason), out)


def _give(picture: "Picture", out: Path | None) -> None:
    if out is None:
        from kwartier.cli.pictures import print_picture

        print_picture(picture)
        return
    from kwartier.service.pictures import save

    save(picture, out)
    say(f"the picture is in {out}")


@app.command("manual")
def manual(
    file: Annotated[Path, typer.Argument(help="A CSV file: ean, meter, channel, quarter, energy_wh, reason.")],
    approval: Annotated[str, typer.Option("--approval", help="Under which request somebody else agreed.")] = "",
    home: HomeOption = None,
) -> None:
    """Put volumes that two persons agree on in the place of others. Without --approval it is asked for.

    The second person runs `kwartier access approve ID`; then this is done once, for exactly this file.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.validating.agreeing import ask, read_agreed, spend
    from kwartier.service.validating.run import validate

    with open_home(home_folder(home)) as opened:
        who, now = actor(opened), int(time.time())
        agreed = read_agreed(file, opened.settings.timezone)
        if not approval:
            name = ask(opened, agreed, who, at=now)
            say(f"asked for as {name}: another person approves it with `kwartier access approve {name}`")
            say(f"then: kwartier validate manual {file} --approval {name}")
            return
        spend(opened, agreed, approval, at=now)
        outcome = validate(opened, agreed.day, actor=who, now=now, reason=f"approval {approval}", manual=agreed.volumes)
        if outcome is not None:
            _show(opened, outcome)


def _chosen(day: datetime | None, zone: str) -> date:
    return day.date() if day is not None else datetime.now(ZoneInfo(zone)).date() - timedelta(days=1)


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
