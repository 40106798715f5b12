"""What happens to meters and connections: an exchange, a move, another supplier. Each is one transaction.

On the day of an exchange both meters are at the connection, the old one up to the moment of it; only one at local midnight
parts the days cleanly. A move and a switch hold from the beginning of a local day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, insert, select

from kwartier import clock
from kwartier.errors import InputError
from kwartier.fleet.periods import OPEN, Change, Facts, Version, covering, ended, stated
from kwartier.fleet.versions import CONNECTIONS, METERS, Dated, Key, after, changing
from kwartier.rowfile import Value
from kwartier.tables import exchanges

_DSO, _TIMEZONE = (CONNECTIONS.facts.index(name) for name in ("dso", "timezone"))
_EAN = METERS.facts.index("ean")
MAX_REGISTER_WH = (1 << 63) - 1
MAX_SHOWN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """``new_meter`` took the place of ``old_meter`` at ``moment`` (UTC seconds), with what the registers of both then said."""

    ean: str
    old_meter: str
    new_meter: str
    moment: int
    closing_import_wh: int = field(default=0, repr=False)
    closing_export_wh: int = field(default=0, repr=False)
    opening_import_wh: int = field(default=0, repr=False)
    opening_export_wh: int = field(default=0, repr=False)


def exchange(engine: Engine, dso: str, done: Exchange, new: Mapping[str, Value], *, at: int) -> None:
    """The old meter ends, the new one begins, and the registers are kept.

    Raises ``InputError``: unknown-connection, unknown-meter, not-at-connection, period-taken, bad-exchange-register.
    """
    registers = (done.closing_import_wh, done.closing_export_wh, done.opening_import_wh, done.opening_export_wh)
    if not all(0 <= one <= MAX_REGISTER_WH for one in registers):
        raise InputError("bad-exchange-register", "a register counts whole watt-hours from 0 up")
    with changing(engine) as connection:
        place = _connection(connection, done.ean, dso)
        timezone = str(place[-1].facts[_TIMEZONE])
        day = clock.local_day(done.moment, timezone)
        at_midnight = clock.midnight(day, timezone) == done.moment
        last = day if at_midnight else day + timedelta(days=1)
        old_versions = _meter(connection, done.old_meter, dso)
        old = _at(old_versions, done.old_meter, done.ean, day)
        if old.start == last:
            raise InputError("not-at-connection", f"{done.old_meter} came to {done.ean} on {day} only")
        if old.end != OPEN:
            raise InputError("period-taken", f"of {done.old_meter} something is stated for {old.end} already")
        _agree(place, day, new)
        new_versions = METERS.of(connection, [done.new_meter]).get((done.new_meter,), [])
        if any(one.end > day for one in new_versions):
            raise InputError("period-taken", f"there is a meter {done.new_meter} on {day} or later already")
        facts = tuple(new[name] for name in METERS.facts)
        changes: dict[Key, list[Change]] = {
            (done.old_meter,): [ended(old, last)],
            (done.new_meter,): [stated(new_versions, day, facts)],
        }
        known_at = after(at, [*old_versions, *new_versions])
        METERS.apply(connection, changes, at=known_at)
        connection.execute(
            insert(exchanges).values(
                **{name: getattr(done, name) for name in Exchange.__dataclass_fields__}, day=day, known_at=known_at
            )
        )


def _agree(place: Sequence[Version], day: date, new: Mapping[str, Value]) -> None:
    """The new meter's row says nothing of the connection that is not known. Raises ``InputError`` bad-new-meter."""
    here = covering(place, day) or place[-1]
    for name, value in zip(CONNECTIONS.facts, here.facts, strict=True):
        if name != "timezone" and new[name] not in ("", value):
            raise InputError("bad-new-meter", f"column {name} says of the connection what is not known of it")


def move(engine: Engine, dso: str, meter: str, *, to: str, on: date, at: int) -> None:
    """``meter`` is at the connection ``to`` from the local day ``on`` up to what is stated for a later one.

    Raises ``InputError``: unknown-connection, unknown-meter, not-at-connection.
    """
    with changing(engine) as connection:
        place = _connection(connection, to, dso)
        if covering(place, on) is None:
            raise InputError("unknown-connection", f"{to} begins on {place[0].start} only")
        versions = _meter(connection, meter, dso)
        before = _installed(versions, meter, on)
        facts = _with(METERS, before.facts, {"ean": to})
        _state(METERS, connection, meter, versions, on, facts, at)


def switch(engine: Engine, dso: str, ean: str, *, supplier: str | None, brp: str | None, on: date, at: int) -> None:
    """The connection has another supplier, balance responsible party or both from the local day ``on``.

    Raises ``InputError``: unknown-connection, nothing-to-do.
    """
    said = {name: value for name, value in (("supplier", supplier), ("brp", brp)) if value is not None}
    if not said:
        raise InputError("nothing-to-do", "a switch names a supplier, a balance responsible party or both")
    for name, value in said.items():
        if len(value) > MAX_SHOWN or not value.isprintable():
            raise InputError("bad-party", f"the {name} is longer than {MAX_SHOWN} characters or cannot be shown")
    with changing(engine) as connection:
        versions = _connection(connection, ean, dso)
        before = covering(versions, on)
        if before is None:
            raise InputError("unknown-connection", f"{ean} begins on {versions[0].start} only")
        _state(CONNECTIONS, connection, ean, versions, on, _with(CONNECTIONS, before.facts, said), at)


def exchanges_at(connection: Connection, eans: Sequence[str]) -> list[Exchange]:
    """The exchanges at connections, in the order of their moments."""
    return _exchanges(connection, exchanges.c.ean.in_(eans))


def exchanges_on(connection: Connection, day: date, dso: str, known: int | None = None) -> list[Exchange]:
    """The exchanges of a local day at the connections of a grid operator - empty: of every one -, in the order of moments.

    ``known``: those that were known at that moment (UTC seconds).
    """
    wanted = exchanges.c.day == day
    if known is not None:
        wanted = and_(wanted, exchanges.c.known_at <= known)
    if dso:
        ours = select(CONNECTIONS.table.c.ean).where(CONNECTIONS.table.c.dso == dso)
        wanted = and_(wanted, exchanges.c.ean.in_(ours))
    return _exchanges(connection, wanted)


def _exchanges(connection: Connection, wanted: ColumnElement[bool]) -> list[Exchange]:
    names = list(Exchange.__dataclass_fields__)
    query = select(*(exchanges.c[name] for name in names)).where(wanted)
    rows = connection.execute(query.order_by(exchanges.c.moment)).mappings()
    return [Exchange(**row) for row in rows]


def _state(
    dated: Dated,
    connection: Connection,
    name: str,
    versions: Sequence[Version],
    day: date,
    facts: Facts,
    at: int,
) -> None:
    change: Change = stated(versions, day, facts)
    dated.apply(connection, {(name,): [change]}, at=after(at, versions))


def _with(dated: Dated, facts: Facts, said: Mapping[str, str]) -> Facts:
    return tuple(said.get(name, value) for name, value in zip(dated.facts, facts, strict=True))


def _connection(connection: Connection, ean: str, dso: str) -> list[Version]:
    """What is believed of a connection of this grid operator. Raises ``InputError`` unknown-connection."""
    versions = CONNECTIONS.of(connection, [ean]).get((ean,), [])
    if not versions or (dso and any(one.facts[_DSO] != dso for one in versions)):
        raise InputError("unknown-connection", f"there is no connection {ean[:MAX_SHOWN]!r} in the fleet")
    return versions


def _meter(connection: Connection, name: str, dso: str) -> list[Version]:
    """What is believed of a meter of this grid operator. Raises ``InputError`` unknown-meter."""
    versions = METERS.of(connection, [name]).get((name,), [])
    eans = sorted({str(one.facts[_EAN]) for one in versions})
    known = CONNECTIONS.of(connection, eans) if dso else {}
    if not versions or any(one.facts[_DSO] != dso for several in known.values() for one in several):
        raise InputError("unknown-meter", f"there is no meter {name[:MAX_SHOWN]!r} in the fleet")
    return versions


def _installed(versions: Sequence[Version], name: str, day: date) -> Version:
    found = covering(versions, day)
    if found is None:
        raise InputError("not-at-connection", f"{name} is at no connection on {day}")
    return found


def _at(versions: Sequence[Version], name: str, ean: str, day: date) -> Version:
    found = _installed(versions, name, day)
    if found.facts[_EAN] != ean:
        raise InputError("not-at-connection", f"{name} is not at {ean} on {day}")
    return found
