"""What commands print as JSON and the API answers, as plain fields: one shape for both, so that they cannot drift apart.

Settlements have theirs beside them (``settling/telling.py``).
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime

import pyarrow

from kwartier.collect.due import Counts, Gap
from kwartier.export.pictures.palette import Kind
from kwartier.gate.grant import Shown
from kwartier.gate.sums import Sum, Sums
from kwartier.model import Missing, Quality, Readings
from kwartier.service.validating.shown import Findings, OfOne

Fields = dict[str, object]
MOMENT = pyarrow.timestamp("s", "UTC")
CHANNELS = ("import_wh", "export_wh")
NAMES: Mapping[int, str] = {
    Quality.MEASURED: Kind.MEASURED.value,
    Quality.CALCULATED: Kind.CALCULATED.value,
    Quality.ESTIMATED: Kind.ESTIMATED.value,
    Quality.MISSING: Kind.MISSING.value,
    Quality.ABSENT: "absent",
}
"""What a quality of a volume is called, in figures as in pictures."""


def utc(seconds: int) -> str:
    """A moment as ISO 8601 has it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def night(day: date, counts: Counts, *, running: bool) -> Fields:
    """How a night stands: what is due, what was read, three rates, and why what is missing is."""
    reached = counts.due - counts.unreached
    return {
        "date": day.isoformat(),
        "due": counts.due,
        "read": counts.stored,
        "missed": counts.due - counts.stored,
        "coverage": {
            "installed": _rate(counts.stored, counts.due),
            "reachable": _rate(counts.stored, reached),
            "intervals": _rate(counts.present, counts.quarters),
        },
        "running": running,
        "forecast_end": _forecast(counts) if running else None,
        "causes": dict(counts.causes),
    }


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _forecast(counts: Counts) -> str | None:
    """When it would end at the pace so far."""
    first, last = counts.first_stored_at, counts.last_stored_at
    if first is None or last is None or last <= first or not counts.stored:
        return None
    left_s = counts.open * (last - first) / counts.stored
    return datetime.fromtimestamp(last + left_s).astimezone().isoformat(timespec="seconds")


def gap(one: Gap) -> Fields:
    """A day of a meter that is missing and may still be had."""
    return {
        "date": one.day.isoformat(),
        "meter": one.meter,
        "ean": one.ean,
        "state": one.state,
        "attempts": one.attempts,
        "cause": one.code or None,
        "nights_left": one.days_left,
    }


def readings(one: Shown) -> Fields:
    """The readings of one meter at one connection."""
    found = one.readings
    rows = [row_of(found, place) for place in range(len(found.times))]
    return {
        "ean": one.ean,
        "meter": found.meter,
        "opening": rows[0],
        "rows": rows[1:],
        "versions": {f"{day}": version for day, version in one.versions.items()},
        "known_at": {f"{day}": utc(at) for day, at in one.known_at.items()},
        "beside": [
            {"time": utc(row.time), "status": row.status, "clock_status": row.clock_status, **row.registers}
            for row in found.beside
        ],
        "findings": [
            {"code": finding.code, "start": utc(finding.start), "end": utc(finding.end), "reason": finding.reason}
            for finding in found.findings
        ],
    }


def row_of(found: Readings, place: int) -> Fields:
    """One stamp: status and registers, ``null`` with a reason where there is none."""
    why = {name: Missing(int(column[place])) for name, column in found.missing.items()}
    present = any(reason is Missing.PRESENT for reason in why.values())
    row: Fields = {
        "time": utc(int(found.times[place])),
        "status": int(found.status[place]) if present else None,
        "clock_status": int(found.clock_status[place]) if present else None,
    }
    for name, column in found.registers.items():
        row[name] = int(column[place]) if why[name] is Missing.PRESENT else None
    reasons = sorted(
        {reason.name.lower().replace("_", "-") for reason in why.values() if reason is not Missing.PRESENT}
    )
    if reasons:
        row["reason"] = ", ".join(reasons)
    return row


def volumes(several: list[OfOne]) -> Fields:
    """The validated volumes of a connection, day by day and meter by meter."""
    return {"volumes": [_volumes(one) for one in several]}


def _volumes(one: OfOne) -> Fields:
    """What is missing has no volume, whatever number stands in its place."""
    told: Fields = {"ean": one.ean, "meter": one.meter, "date": f"{one.day}", "run": one.run}
    quarters: list[Fields] = []
    for place, end in enumerate(one.ends):
        row: Fields = {"quarter_end": utc(end)}
        for name in CHANNELS:
            quality = one.quality[name][place]
            row[name] = None if quality == Quality.MISSING else one.energy_wh[name][place]
            row[f"{name.removesuffix('_wh')}_quality"] = NAMES[quality]
        quarters.append(row)
    return {**told, "quarters": quarters}


def volume_rows(several: list[OfOne]) -> pyarrow.Table:
    """The same as a table: a row for each quarter of each meter."""
    rows: list[Mapping[str, object]] = []
    for one in several:
        told = _volumes(one)
        quarters = told.pop("quarters")
        assert isinstance(quarters, list)
        rows += [{**told, **quarter} for quarter in quarters]
    names = ("ean", "meter", "date", "run", "quarter_end", "import_wh", "import_quality", "export_wh", "export_quality")
    numbers = {"run", *CHANNELS}
    columns = {
        name: pyarrow.array([row[name] for row in rows], pyarrow.int64() if name in numbers else pyarrow.string())
        for name in names
    }
    return pyarrow.table(columns)


def sums(found: Sums) -> Fields:
    """The sums of groups over one day; what is withheld has none."""
    return {"day": f"{found.day}", "by": found.by, "sums": [_sum(one) for one in (*found.rows, found.total)]}


def _sum(one: Sum) -> Fields:
    energy = None if one.energy_wh is None else {name: column.tolist() for name, column in one.energy_wh.items()}
    return {
        "group": one.group,
        "within": one.within,
        "connections": one.connections,
        "counted": one.counted,
        "withheld": one.withheld,
        "energy_wh": energy,
    }


def findings(found: Findings) -> Fields:
    """The findings and substitutes of a day."""

    def whose(reading: int) -> dict[str, str]:
        return {"ean": found.links[reading].ean, "meter": found.links[reading].meter}

    return {
        "date": f"{found.run.day}",
        "run": found.run.run,
        "findings": [
            {**whose(one.reading), **{k: v for k, v in one._asdict().items() if k != "reading"}} for one in found.found
        ],
        "substitutes": [
            {**whose(one.reading), **one._asdict(), "inputs": json.loads(one.inputs), "reading": None}
            for one in found.put
        ],
    }
