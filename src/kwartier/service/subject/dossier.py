"""Everything that is known of a connection and some of its days, for the person it is about (AVG 12 to 15, 20).

In front stands what has to be told: in a few words first, then purpose by purpose. Then the readings, what validation made of
them and said of them, every use, and what was asked, held, claimed and remarked. As JSON it is one value, as CSV one table
whose first column says what a row is.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select

from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.gate.grant import Shown
from kwartier.gate.holds import Holds
from kwartier.gate.purposes import purposes
from kwartier.service.home import Home
from kwartier.service.readings import as_table
from kwartier.service.subject import validated
from kwartier.service.subject.history import Mine, Record, Use, uses
from kwartier.service.subject.moments import utc
from kwartier.service.subject.requests import Requests
from kwartier.service.subject.rules import Days, Rule, rights
from kwartier.service.subject.seeing import See
from kwartier.service.tracing.looking import without_values
from kwartier.service.validating.runs import Runs
from kwartier.tables import claims, findings, reading_ids

FORMAT = 1
LANGUAGES = ("nl", "en")
Table = list[dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What there is, as plain values; times are UTC in ISO 8601, energy is Wh."""

    ean: str
    days: Days
    made_at: int
    shown: Sequence[Shown] = field(repr=False)
    notice: Mapping[str, object] = field(repr=False)
    tables: Mapping[str, Table] = field(repr=False)
    """readings, volumes, substitutes, validation_findings, uses, claims, holds, requests, findings, traces."""


def collect(
    home: Home,
    see: See,
    ean: str,
    days: Days,
    *,
    wall: Callable[[], float],
    records: Iterable[Record] = (),
    mine: Mine | None = None,
) -> Dossier:
    """Everything of ``ean`` and the local days. ``wall``: UTC seconds; ``records`` are those of the audit log.

    This look is among the uses that are listed. Raises ``Denied``, ``InputError`` unknown-connection.
    """
    runs = {day: run.run for day, run in Runs(home.engine).days().items()}
    seen = see.all(ean, *days, runs)
    found = uses(home.engine, ean, days, records, mine)
    tables = {
        "readings": _readings(seen.readings),
        **validated.tables(home, ean, days, seen.volumes),
        "uses": [_use(one) for one in found],
        "claims": _claims(home, ean, days),
        "holds": _holds(home, ean),
        "requests": _requests(home, ean),
        "findings": _findings(home, ean, days),
        "traces": _traces(home, ean, days, int(wall())),
    }
    return Dossier(ean=ean, days=days, made_at=int(wall()), shown=seen.readings, notice=_notice(home), tables=tables)


def as_json(dossier: Dossier) -> str:
    """One JSON value."""
    start, end = dossier.days
    head = {
        "format": FORMAT,
        "connection": dossier.ean,
        "from": f"{start}",
        "to": f"{end}",
        "made_at": utc(dossier.made_at),
    }
    return json.dumps({**head, "notice": dossier.notice, **dossier.tables}, ensure_ascii=False, indent=1) + "\n"


def as_csv(dossier: Dossier) -> str:
    """One table: ``record`` says what a row is, and the columns of all kinds stand side by side."""
    names = list(dict.fromkeys(name for table in dossier.tables.values() for row in table for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["record", *names], lineterminator="\r\n")
    writer.writeheader()
    for kind, table in dossier.tables.items():
        writer.writerows(
            {"record": kind.removesuffix("s"), **{name: _cell(value) for name, value in row.items()}} for row in table
        )
    return out.getvalue()


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _readings(shown: Sequence[Shown]) -> Table:
    """A row for each stamp of a day of which anything is stored."""
    rows: Table = []
    for row in as_table(shown).to_pylist():
        if row["version"] is None:
            continue
        kept = {name: value for name, value in row.items() if name != "ean"}
        rows.append(
            {**kept, "quarter_end": utc(int(row["quarter_end"].timestamp())), "known_at": _iso(row["known_at"])}
        )
    return rows


def _iso(moment: object) -> str | None:
    return utc(int(moment.timestamp())) if isinstance(moment, datetime) else None


def _use(one: Use) -> dict[str, object]:
    return {
        "at": utc(one.at),
        "kind": one.kind,
        "actor": one.actor,
        "purpose": one.purpose,
        "ground": one.ground,
        "recipient": one.recipient,
        "from": f"{one.days[0]}",
        "to": f"{one.days[1]}",
        "verdict": one.verdict,
        "reference": one.reference,
    }


def _claims(home: Home, ean: str, days: Days) -> Table:
    """The one read that a connection may have on a day of visit; the readings are of the day before."""
    query = select(claims).where(claims.c.ean == ean, claims.c.date > days[0], claims.c.date <= days[1])
    with reading(home.engine) as connection:
        rows = connection.execute(query.order_by(claims.c.date, claims.c.meter)).all()
    return [{"date": f"{row.date}", "meter": row.meter, "state": row.state, "reads": row.reads} for row in rows]


def _holds(home: Home, ean: str) -> Table:
    with reading(home.engine) as connection:
        found = Holds(home.engine).of(connection, ean)
    return [
        {
            "hold": one.id,
            "kind": one.kind.value,
            "from": f"{one.start}",
            "to": f"{one.end}",
            "ground": one.ground,
            "at": utc(one.made_at),
            "ended_at": None if one.ended_at is None else utc(one.ended_at),
        }
        for one in found
    ]


def _requests(home: Home, ean: str) -> Table:
    return [
        {
            "request": one.id,
            "kind": one.kind.value,
            "at": utc(one.at),
            "from": f"{one.days[0]}",
            "to": f"{one.days[1]}",
            "state": one.state.value,
            "decision": one.decision,
            "ground": one.ground,
            "due_at": utc(one.due_at),
            "detail": dict(one.detail),
        }
        for one in Requests(home.engine).listed(ean)
    ]


def _findings(home: Home, ean: str, days: Days) -> Table:
    query = (
        select(findings.c.day, findings.c.code, findings.c.reason, findings.c.at, reading_ids.c.meter)
        .join(reading_ids, reading_ids.c.id == findings.c.reading)
        .where(reading_ids.c.ean == ean, findings.c.day >= days[0], findings.c.day < days[1])
    )
    with reading(home.engine) as connection:
        rows = connection.execute(query.order_by(findings.c.day, findings.c.id)).all()
    return [
        {"date": f"{row.day}", "meter": row.meter, "code": row.code, "reason": row.reason, "at": utc(row.at)}
        for row in rows
    ]


def _traces(home: Home, ean: str, days: Days, at: int) -> Table:
    """Visits that were traced: what was kept of them, with what may be readings or secrets masked."""
    found = []
    for one in home.traces.listed(at=at, ean=ean):
        if one.days is not None and one.days[0] < days[1] and one.days[1] > days[0]:
            told = {name: value for name, value in one.as_json().items() if name != "connection"}
            try:
                frames = without_values(home, one).frames
            except InputError:
                continue  # its file went while this was made
            told["frames"] = [{"way": frame.as_json()["way"], "octets": frame.octets} for frame in frames]
            found.append(told)
    return found


def _notice(home: Home) -> dict[str, object]:
    """What has to be told, in layers: in short, then each purpose, then each right."""
    return {
        "in_short": {language: rights().notice[language] for language in LANGUAGES},
        "operator": home.settings.dso,
        "purposes": [
            {
                "purpose": one.name,
                "text": {language: one.text[language] for language in LANGUAGES},
                "ground": one.article,
                "roles": sorted(one.who),
                "finest": one.resolution.value,
                "kept_days": one.retention_days,
            }
            for one in purposes().values()
        ],
        "rights": [_right(one) for one in rights().kinds.values()],
        "refusals": [_right(one) for one in rights().refusals.values()],
    }


def _right(rule: Rule) -> dict[str, object]:
    return {
        "right": rule.code,
        "article": rule.cited,
        "text": {language: rule.text[language] for language in LANGUAGES},
    }


def span_or_all(start: date | None, end: date | None, today: date) -> Days:
    """From the first day that there may be up to today, unless something else was said."""
    return start or date(today.year - 2, today.month, 1), end or today
