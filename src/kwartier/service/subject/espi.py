"""Readings as Green Button data: an Atom feed of the entries that the Energy Services Provider Interface (NAESB REQ.21) names.

A usage point is the connection. Each meter and direction is a meter reading of it, with a reading type and one block of
intervals for each local day. Times are UTC seconds, so a day has 92, 96 or 100 intervals and nothing repeats; how local clocks
go stands beside them. The value of an interval is the energy of the quarter in Wh: the difference of two registers that are
both there. A quarter without one of them, and one in which a register went back, is left out.
"""

import calendar
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

from kwartier.clock import QUARTER_S, is_summer, local_day, midnight, offset_at, stretches
from kwartier.gate.grant import Shown
from kwartier.service.subject.moments import utc

ATOM = "http://www.w3.org/2005/Atom"
ESPI = "http://naesb.org/espi"
NAMESPACE = uuid.UUID("6f1d2f0a-6f56-4d1c-9d0c-6b7761727469")
"""Under which names of entries are made: the same connection has the same ones in every feed."""
FLOWS = {"import_wh": 1, "export_wh": 19}
"""Forward: delivered to the customer; reverse: received from the customer."""
ELECTRICITY_SERVICE = 0
READING_TYPE = (
    ("accumulationBehaviour", 4),  # delta data: each value is of its interval alone
    ("commodity", 1),  # electricity, secondary metered
    ("dataQualifier", 12),  # normal
    ("flowDirection", None),
    ("intervalLength", QUARTER_S),
    ("kind", 12),  # energy
    ("phase", 0),  # the sum of all phases there are
    ("powerOfTenMultiplier", 0),
    ("timeAttribute", 0),
    ("uom", 72),  # Wh
)
LAST_OF_MONTH = 7
"""In a rule of the clocks: the last such weekday of the month."""
ONE_DAY = timedelta(days=1)
NO_RULE = "FFFFFFFF"
"""A zone whose clocks are not changed."""


def feed(ean: str, shown: Sequence[Shown], *, made_at: int) -> bytes:
    """The feed, as UTF-8. ``made_at``: UTC seconds."""
    ET.register_namespace("", ATOM)
    ET.register_namespace("espi", ESPI)
    root = ET.Element(f"{{{ATOM}}}feed")
    _text(root, ATOM, "id", _name(ean, "feed"))
    _text(root, ATOM, "title", f"Connection {ean}")
    _text(root, ATOM, "updated", utc(made_at))
    point = f"UsagePoint/{ean}"
    clocks = {one.timezone: f"LocalTimeParameters/{number:02d}" for number, one in enumerate(_by_zone(shown))}
    usage = _entry(
        root, ean, point, "Connection", made_at, up="UsagePoint", related=[f"{point}/MeterReading", *clocks.values()]
    )
    service = ET.SubElement(_content(usage, "UsagePoint"), f"{{{ESPI}}}ServiceCategory")
    _text(service, ESPI, "kind", ELECTRICITY_SERVICE)
    for one in _by_zone(shown):
        _clock(root, ean, clocks[one.timezone], one, made_at)
    for one in shown:
        for channel in one.readings.registers:
            _reading(root, ean, point, one, channel, made_at)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _reading(root: ET.Element, ean: str, point: str, one: Shown, channel: str, made_at: int) -> None:
    """A meter reading, its type and its blocks."""
    number = f"{one.readings.meter}-{channel.removesuffix('_wh')}-{one.readings.start}"
    here, kind = f"{point}/MeterReading/{number}", f"ReadingType/{number}"
    title = f"Meter {one.readings.meter}, {channel.removesuffix('_wh')}"
    entry = _entry(root, ean, here, title, made_at, up=f"{point}/MeterReading", related=[f"{here}/IntervalBlock", kind])
    _content(entry, "MeterReading")
    said = _content(_entry(root, ean, kind, "Energy (Wh)", made_at, up="ReadingType"), "ReadingType")
    for name, value in READING_TYPE:
        _text(said, ESPI, name, FLOWS[channel] if value is None else value)
    for day, intervals in _days(one, channel):
        block = f"{here}/IntervalBlock/{day}"
        inside = _content(_entry(root, ean, block, f"{day}", made_at, up=f"{here}/IntervalBlock"), "IntervalBlock")
        first, last = midnight(day, one.timezone), midnight(day + ONE_DAY, one.timezone)
        _period(inside, "interval", first, last - first)
        for start, energy_wh in intervals:
            row = ET.SubElement(inside, f"{{{ESPI}}}IntervalReading")
            _period(row, "timePeriod", start, QUARTER_S)
            _text(row, ESPI, "value", energy_wh)


def _days(one: Shown, channel: str) -> Iterator[tuple[date, list[tuple[int, int]]]]:
    """By local day, the start and energy of every quarter that is known."""
    readings = one.readings
    there = readings.missing[channel] == 0
    steps = readings.registers[channel][1:] - readings.registers[channel][:-1]
    known = there[1:] & there[:-1] & (steps >= 0)
    found: dict[date, list[tuple[int, int]]] = {}
    for place in known.nonzero()[0].tolist():
        start = int(readings.times[place])
        found.setdefault(local_day(start, one.timezone), []).append((start, int(steps[place])))
    yield from sorted(found.items())


# How local clocks go.


def _by_zone(shown: Sequence[Shown]) -> Iterable[Shown]:
    return {one.timezone: one for one in shown}.values()


def _clock(root: ET.Element, ean: str, here: str, one: Shown, made_at: int) -> None:
    said = _content(_entry(root, ean, here, one.timezone, made_at, up="LocalTimeParameters"), "LocalTimeParameters")
    begin, end, saved_s, offset_s = clock_rules(one.timezone, one.readings.start.year)
    for name, value in (("dstEndRule", end), ("dstOffset", saved_s), ("dstStartRule", begin), ("tzOffset", offset_s)):
        _text(said, ESPI, name, value)


def clock_rules(timezone: str, year: int) -> tuple[str, str, int, int]:
    """When summer time begins and ends, as rules in hex; by how much clocks go ahead then, and winter's offset from UTC (s)."""
    first, last = midnight(date(year, 1, 1), timezone), midnight(date(year + 1, 1, 1), timezone)
    changes = stretches(timezone, first, last)[1:]
    offsets = [offset_at(timezone, moment) for moment in (first, *(one.start for one in changes))]
    winter_s, summer_s = min(offsets), max(offsets)
    if len(changes) != 2:
        return NO_RULE, NO_RULE, 0, winter_s
    begins, ends = sorted((one.start for one in changes), key=lambda moment: not is_summer(timezone, moment))
    return _rule(begins, winter_s), _rule(ends, summer_s), summer_s - winter_s, winter_s


def _rule(moment: int, offset_s: int) -> str:
    """Month (4 bits), which such weekday (3), day of month (5, none), weekday (3, Monday is 1), hour (5), second (12).

    The hour is what clocks show before they are changed.
    """
    local = datetime.fromtimestamp(moment + offset_s, UTC)
    is_last = local.day + 7 > calendar.monthrange(local.year, local.month)[1]
    # Of those that are not the last, 2 is the first of the month, 3 the second, and so on.
    which = LAST_OF_MONTH if is_last else 2 + (local.day - 1) // 7
    seconds = 60 * local.minute + local.second
    value = local.month << 28 | which << 25 | local.isoweekday() << 17 | local.hour << 12 | seconds
    return f"{value:08X}"


# How entries are made.


def _entry(
    root: ET.Element, ean: str, here: str, title: str, made_at: int, *, up: str, related: Sequence[str] = ()
) -> ET.Element:
    entry = ET.SubElement(root, f"{{{ATOM}}}entry")
    _text(entry, ATOM, "id", _name(ean, here))
    for kind, href in (("self", here), ("up", up), *(("related", one) for one in related)):
        ET.SubElement(entry, f"{{{ATOM}}}link", rel=kind, href=href)
    _text(entry, ATOM, "title", title)
    ET.SubElement(entry, f"{{{ATOM}}}content")
    for name in ("published", "updated"):
        _text(entry, ATOM, name, utc(made_at))
    return entry


def _content(entry: ET.Element, name: str) -> ET.Element:
    content = entry.find(f"{{{ATOM}}}content")
    assert content is not None
    return ET.SubElement(content, f"{{{ESPI}}}{name}")


def _period(parent: ET.Element, name: str, start: int, duration_s: int) -> None:
    period = ET.SubElement(parent, f"{{{ESPI}}}{name}")
    _text(period, ESPI, "duration", duration_s)
    _text(period, ESPI, "start", start)


def _text(parent: ET.Element, namespace: str, name: str, value: str | int) -> None:
    ET.SubElement(parent, f"{{{namespace}}}{name}").text = f"{value}"


def _name(ean: str, here: str) -> str:
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{ean}/{here}')}"
