"""``kwartier read``: visit one meter now and show its quarters."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from kwartier.cli.curve import bar, curve
from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, say, stdout
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.model import Readings
    from kwartier.service.reading import Report

DAY_FORMAT = "%Y-%m-%d"
BAR_WIDTH = 24
CURVE_WIDTH = 48
REASONS_SHOWN = 5

EndOption = Annotated[
    datetime | None,
    typer.Option("--to", formats=[DAY_FORMAT], help="The first local day that is not wanted (default: the day after)."),
]


def read(
    meter: Annotated[str, typer.Argument(help="The meter's name in the fleet.")],
    start: Annotated[datetime, typer.Option("--from", formats=[DAY_FORMAT], help="The first local day.")],
    end: EndOption = None,
    purpose: Annotated[str, typer.Option(help="What the readings are for; it is recorded.")] = "validation",
    reason: Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")] = "",
    deadline_s: Annotated[
        float | None, typer.Option("--deadline", min=1.0, max=3600.0, help="Seconds that the visit may take in all.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Visit one meter and show its quarter-hour registers, one row for each quarter of the local days."""
    from kwartier.service.home import actor, open_home
    from kwartier.service.reading import Request
    from kwartier.service.reading import read as carry_out

    first = start.date()
    last = end.date() if end is not None else _day_after(first)
    request = Request(
        meter=meter, start=first, end=last, purpose=purpose, reason=reason, actor=actor(), deadline_s=deadline_s
    )
    with open_home(home_folder(home)) as opened:
        report = carry_out(opened, request)
    if report.delivery_keys:
        say(f"warning: meter {meter} is read under keys of origin delivery, which its supplier knows")
    if report.visit.error is not None:
        raise report.visit.error
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
    from kwartier.service.reading import findings_of

    result = report.visit.result
    if result is None:
        raise ValueError("a visit that failed has no table")
    readings = result.readings
    rows = [_row(readings, place) for place in range(len(readings.times))]
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
            **record.detail,
            "findings": [
                {"code": one.code, "start": _utc(one.start), "end": _utc(one.end), "reason": one.reason}
                for one in findings_of(report.visit)
            ],
        },
    }


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(readings: "Readings", place: int) -> dict[str, object]:
    """One stamp: status and registers, ``null`` with a reason where there is none."""
    from kwartier.model import Missing

    why = {name: Missing(int(column[place])) for name, column in readings.missing.items()}
    present = any(reason is Missing.PRESENT for reason in why.values())
    row: dict[str, object] = {
        "time": _utc(int(readings.times[place])),
        "status": int(readings.status[place]) if present else None,
        "clock_status": int(readings.clock_status[place]) if present else None,
    }
    for name, column in readings.registers.items():
        row[name] = int(column[place]) if why[name] is Missing.PRESENT else None
    reasons = sorted(
        {reason.name.lower().replace("_", "-") for reason in why.values() if reason is not Missing.PRESENT}
    )
    if reasons:
        row["reason"] = ", ".join(reasons)
    return row


def energies(readings: "Readings", name: str) -> list[int | None]:
    """The energy of each quarter in Wh: the difference of two registers that are both there."""
    there = readings.missing[name] == 0
    steps = readings.registers[name][1:] - readings.registers[name][:-1]
    return [
        int(step) if both else None
        for step, both in zip(steps.tolist(), (there[1:] & there[:-1]).tolist(), strict=True)
    ]


def show(report: "Report") -> None:
    """The table and its curve, for people."""
    from rich.table import Table

    result = report.visit.result
    if result is None:
        return
    readings = result.readings
    zone = ZoneInfo(report.meter.timezone)
    used = {name: energies(readings, name) for name in readings.registers}
    highest = {name: max((one or 0 for one in column), default=0) for name, column in used.items()}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("quarter ends")
    for name in used:
        table.add_column(name, justify="right")
        table.add_column("Wh", justify="right")
        table.add_column("", min_width=BAR_WIDTH)
    table.add_column("status")
    for place, seconds in enumerate(readings.times.tolist()):
        row = _row(readings, place)
        cells = [datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M %Z")]
        for name, column in used.items():
            energy_wh = column[place - 1] if place else None
            drawn = bar(energy_wh, highest[name], BAR_WIDTH) if place else "opening"
            register = row[name]
            cells += ["-" if register is None else f"{register}", "" if energy_wh is None else f"{energy_wh}", drawn]
        cells.append(str(row.get("reason") or _status_text(report, readings, place)))
        table.add_row(*cells)
    console = stdout()
    console.print(table)
    console.print()
    for name, column in used.items():
        total_wh = sum(one or 0 for one in column)
        console.print(f"{name:<10} {curve(column, CURVE_WIDTH)}  {total_wh / 1000:.3f} kWh")
    _remark(report)


def _status_text(report: "Report", readings: "Readings", place: int) -> str:
    from kwartier.cosem.status import bit_names

    status = int(readings.status[place])
    return ", ".join(bit_names(status, report.companion.status_bits)) if status else ""


def _remark(report: "Report") -> None:
    """What a reader has to know beside the numbers, on stderr."""
    from kwartier.service.reading import findings_of

    result, traffic = report.visit.result, report.visit.traffic
    if result is None:
        return
    readings = result.readings
    quarters = len(readings.times) - 1
    for name, column in readings.missing.items():
        gone = int((column[1:] != 0).sum())
        if gone:
            say(f"{gone} of {quarters} quarters have no {name}")
    for finding in findings_of(report.visit)[:REASONS_SHOWN]:
        say(f"finding {finding.code}: {finding.reason}")
    if report.companion.assumption:
        say(f"companion {report.companion.name} is an assumption: {report.companion.title}")
    drift = "" if result.drift_s is None else f", its clock {result.drift_s:+.0f} s"
    took_s = (report.visit.ended - report.visit.started).total_seconds()
    say(
        f"{quarters} quarters of {report.meter.meter} in {took_s:.2f} s: {traffic.messages_sent} messages,"
        f" {traffic.bytes_received} bytes received{drift}"
    )
