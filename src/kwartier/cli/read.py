"""``kwartier read``: visit one meter now and show its quarters."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, say
from kwartier.cli.quarters import print_quarters
from kwartier.errors import InputError, LinkLost

if TYPE_CHECKING:
    from kwartier.service.reading import Report

DAY_FORMAT = "%Y-%m-%d"
DAY = timedelta(days=1)
REASONS_SHOWN = 5

EndOption = Annotated[
    datetime | None,
    typer.Option("--to", formats=[DAY_FORMAT], help="The first local day that is not wanted (default: the day after)."),
]


def read(
    meter: Annotated[str, typer.Argument(help="The meter's name in the fleet.")],
    start: Annotated[datetime, typer.Option("--from", formats=[DAY_FORMAT], help="The first local day.")],
    end: EndOption = None,
    purpose: Annotated[str, typer.Option(help="What the readings are for (default: `read_purpose`); recorded.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")] = "",
    deadline_s: Annotated[
        float | None, typer.Option("--deadline", min=1.0, max=3600.0, help="Seconds that the visit may take in all.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Visit one meter, store its quarter-hour registers and show them, one row for each quarter of the local days.

    A connection is read at most once a day: what was read today is in `kwartier readings`.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.reading import Request
    from kwartier.service.reading import read as carry_out

    first = start.date()
    last = end.date() if end is not None else _day_after(first)
    with open_home(home_folder(home)) as opened:
        request = Request(
            meter=meter,
            start=first,
            end=last,
            purpose=purpose,
            reason=reason,
            actor=actor(opened),
            deadline_s=deadline_s,
        )
        report = carry_out(opened, request)
    if report.delivery_keys:
        say(f"warning: meter {meter} is read under keys of origin delivery, which its supplier knows")
    if report.visit.error is not None:
        raise report.visit.error
    if report.readings is None:
        raise LinkLost("not-closed-yet", f"the clock of meter {meter} has not come to the end of {last - DAY} yet")
    if as_json:
        print_json(as_table(report))
    else:
        show(report)


def _day_after(day: date) -> date:
    if day == date.max:
        raise InputError("bad-day", f"there is no day after {day}")
    return day + timedelta(days=1)


def as_table(report: "Report") -> dict[str, object]:
    """What ``--json`` prints: the opening, a row for each quarter, and the visit."""
    readings = report.readings
    if readings is None:
        raise ValueError("a visit that failed has no table")
    from kwartier.service.telling import row_of, utc

    rows = [row_of(readings, place) for place in range(len(readings.times))]
    record = report.record
    return {
        "meter": readings.meter,
        "opening": rows[0],
        "rows": rows[1:],
        "visit": {
            "id": record.id,
            "outcome": record.outcome,
            "started": record.started.isoformat(),
            "ended": record.ended.isoformat(),
            "purpose": record.purpose,
            "reason": record.reason,
            "actor": record.actor,
            "companion": report.companion.name,
            "assumption": report.companion.assumption,
            "from": readings.start.isoformat(),
            "to": readings.end.isoformat(),
            "attempts": report.visit.attempts,
            "bytes_sent": report.visit.traffic.bytes_sent,
            "bytes_received": report.visit.traffic.bytes_received,
            "messages_sent": report.visit.traffic.messages_sent,
            "drift_s": None if report.visit.result is None else report.visit.result.drift_s,
            "findings": [
                {"code": one.code, "start": utc(one.start), "end": utc(one.end), "reason": one.reason}
                for one in report.findings
            ],
        },
    }


def show(report: "Report") -> None:
    """The table and its curve, for people."""
    readings = report.readings
    if readings is None:
        return
    print_quarters(readings, report.meter.timezone, report.companion.status_bits)
    _remark(report)


def _remark(report: "Report") -> None:
    """What a reader has to know beside the numbers, on stderr."""
    result, readings, traffic = report.visit.result, report.readings, report.visit.traffic
    if result is None or readings is None:
        return
    quarters = len(readings.times) - 1
    for name, column in readings.missing.items():
        gone = int((column[1:] != 0).sum())
        if gone:
            say(f"{gone} of {quarters} quarters have no {name}")
    for finding in report.findings[:REASONS_SHOWN]:
        say(f"finding {finding.code}: {finding.reason}")
    if report.companion.assumption:
        say(f"companion {report.companion.name} is an assumption: {report.companion.title}")
    drift = "" if result.drift_s is None else f", its clock {result.drift_s:+.0f} s"
    took_s = (report.visit.ended - report.visit.started).total_seconds()
    say(
        f"{quarters} quarters of {report.meter.meter} in {took_s:.2f} s: {traffic.messages_sent} messages,"
        f" {traffic.bytes_received} bytes received{drift}"
    )
