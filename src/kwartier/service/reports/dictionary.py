"""The data dictionary: what is read of a meter, how fine, how often, for what and for how long; and what is never read.

The first part is printed from the closed list that everything is held against before it goes to a meter, joined with the
table of purposes that the gate evaluates. The second is a list of what meters register beside that; a test holds it against
every object that any companion knows.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from kwartier.cosem import companion as companions
from kwartier.cosem.allowed import Allowed, allowed
from kwartier.cosem.classes import attribute_name, class_name
from kwartier.cosem.toml_table import Table
from kwartier.dlms.obis import dotted, obis
from kwartier.gate.purposes import Purpose, Resolution, Source, purposes
from kwartier.service.reports.facts import Facts
from kwartier.service.reports.page import Column, Report, Said, Section

FILE = "not_read.toml"
LANGUAGES = ("nl", "en")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """What meters register and nobody asks for; the fields are explained at the head of the table."""

    name: str
    obis: tuple[bytes, ...]
    classes: tuple[int, ...]
    unit: str
    personal: bool
    source: str
    text: Mapping[str, str]
    why: Mapping[str, str]


@lru_cache(maxsize=1)
def not_read() -> Mapping[str, NotRead]:
    """The table, in its order."""
    table = tomllib.loads(files("kwartier.service.reports").joinpath(FILE).read_text("utf-8"))
    return MappingProxyType({name: _not_read(Table(FILE, name, row), name) for name, row in table.items()})


def _not_read(row: Table, name: str) -> NotRead:
    made = NotRead(
        name=name,
        obis=tuple(obis(code) for code in row.texts("obis")),
        classes=row.numbers("classes"),
        unit=row.text("unit"),
        personal=row.flag("personal"),
        source=row.choice("source", companions.SOURCES),
        text={language: row.table("text").text(language) for language in LANGUAGES},
        why={language: row.table("why").text(language) for language in LANGUAGES},
    )
    row.no_others()
    return made


def purposes_of(row: Allowed) -> tuple[Purpose, ...]:
    """For which purposes this is asked or shown: a register for those that reach it, what goes with it for the same ones."""
    if not row.personal:
        return tuple(one for one in purposes().values() if Source.METER in one.sources)
    shown = [one for one in purposes().values() if one.resolution is not Resolution.NONE]
    registers = {name for one in shown for name in one.channels}
    if row.name not in registers:
        return tuple(shown)
    return tuple(one for one in shown if row.name in one.channels)


def dictionary(facts: Facts | None = None) -> Report:
    """The data dictionary; with ``facts`` also what this installation decided."""
    said = (
        Said(
            lang="nl",
            text="Wat er van een meter wordt gelezen, hoe fijn, hoe vaak, waarvoor en hoe lang, en wat er nooit wordt gelezen.",
        ),
        Said(text="What is read of a meter, how fine, how often, for what and for how long, and what is never read."),
        Said(
            text="Articles are references; where it says so, their text has not been verified. A source of 'found' is public;"
            " 'memory' is our best knowledge without one."
        ),
    )
    sections = [_read(facts), _kinds(), _never()]
    if facts is not None:
        sections.append(_installation(facts))
    return Report(name="dictionary", title="Data dictionary", said=said, sections=tuple(sections))


def _read(facts: Facts | None) -> Section:
    columns = (
        Column(name="name", title="name"),
        Column(name="text_nl", title="wat het is", lang="nl"),
        Column(name="text_en", title="what it is"),
        Column(name="obis", title="OBIS"),
        Column(name="asked", title="class and attributes"),
        Column(name="unit", title="unit"),
        Column(name="resolution", title="resolution"),
        Column(name="frequency_nl", title="hoe vaak", lang="nl"),
        Column(name="frequency_en", title="how often"),
        Column(name="personal", title="personal"),
        Column(name="purposes", title="purposes"),
        Column(name="ground", title="ground"),
        Column(name="retention", title="retention, in days"),
        Column(name="kept", title="where it is kept"),
    )
    rows = tuple(_row(row, facts) for row in allowed().values())
    said = (
        Said(
            text="This list is closed. Every question is held against it before it goes to a meter; no companion can add to it,"
            " and no method is invoked. The days that are wanted are asked for at most once a local day for each connection."
        ),
        Said(text="Retention says for how long a purpose may keep what it was shown; 0: it is shown and not kept."),
    )
    return Section(name="read", title="What is read", said=said, columns=columns, rows=rows)


def _row(row: Allowed, facts: Facts | None) -> tuple[str, ...]:
    found = purposes_of(row)
    return (
        row.name,
        row.text["nl"],
        row.text["en"],
        dotted(row.obis),
        _asked(row),
        row.unit or "-",
        row.resolution,
        row.when["nl"],
        row.when["en"],
        yes_or_no(row.personal),
        ", ".join(_finest(one, row) for one in found),
        "; ".join(dict.fromkeys(one.article for one in found)),
        _retention(row, found, facts),
        row.kept["en"],
    )


def _finest(one: Purpose, row: Allowed) -> str:
    """A purpose, and how fine it shows this where that is less than it is read."""
    return one.name if not row.personal or one.resolution == row.resolution else f"{one.name} (each {one.resolution})"


def _asked(row: Allowed) -> str:
    """Class and attributes: which are asked for, and which are written."""
    class_id = row.classes[0]
    parts = []
    if row.column:
        parts.append("as a column")
    if row.get:
        parts.append("asked: " + ", ".join(attribute_name(class_id, one) for one in row.get))
    if row.set:
        parts.append("written: " + ", ".join(attribute_name(class_id, one) for one in row.set))
    return f"{_classes(row.classes)}; {'; '.join(parts)}"


def _classes(classes: Iterable[int]) -> str:
    return " or ".join(f"{one} {class_name(one)}" for one in classes)


def _retention(row: Allowed, found: tuple[Purpose, ...], facts: Facts | None) -> str:
    if not row.personal:
        return row.kept["en"]
    own = "" if facts is None else f"; in the store: {facts.kept_days}"
    return ", ".join(f"{one.name} {one.retention_days}" for one in found) + own


def _kinds() -> Section:
    """Which kinds of meter have what is read, and how we know."""
    kinds = [companions.load(name) for name in companions.companions()]
    columns = (
        Column(name="kind", title="kind of meter"),
        Column(name="title", title="called"),
        Column(name="assumption", title="rests on"),
        Column(name="read", title="read of it, and how we know where it is"),
    )
    rows = []
    for kind in kinds:
        objects = dict.fromkeys((kind.clock, *kind.quarter.columns, kind.invocation_counter))
        known = [f"{one.name} ({one.source})" for one in objects]
        known.append(f"{kind.quarter.name} profile ({kind.quarter.source})")
        basis = "an assumption of ours" if kind.assumption else "public sources, where it says found"
        rows.append((kind.name, kind.title, basis, ", ".join(known)))
    return Section(name="kinds", title="Of which meters", columns=columns, rows=tuple(rows))


def _never() -> Section:
    columns = (
        Column(name="name", title="name"),
        Column(name="text_nl", title="wat het is", lang="nl"),
        Column(name="text_en", title="what it is"),
        Column(name="obis", title="OBIS"),
        Column(name="classes", title="class"),
        Column(name="unit", title="unit"),
        Column(name="personal", title="personal"),
        Column(name="why_nl", title="waarom het niet wordt gelezen", lang="nl"),
        Column(name="why_en", title="why it is not read"),
        Column(name="source", title="source"),
    )
    rows = tuple(_never_row(row) for row in not_read().values())
    said = (
        Said(
            text="Meters register this as well. No plan can ask for it: it does not stand in the list above. If a meter adds it"
            " to the rows of its quarter profile by itself and cannot leave it out, it is dropped on arrival."
        ),
    )
    return Section(name="not_read", title="What meters register and is not read", said=said, columns=columns, rows=rows)


def _never_row(row: NotRead) -> tuple[str, ...]:
    return (
        row.name,
        row.text["nl"],
        row.text["en"],
        ", ".join(dotted(code) for code in row.obis),
        _classes(row.classes),
        row.unit or "-",
        yes_or_no(row.personal),
        row.why["nl"],
        row.why["en"],
        row.source,
    )


def _installation(facts: Facts) -> Section:
    rows = list(_decided(facts))
    columns = (Column(name="what", title="what"), Column(name="value", title="here"))
    return Section(name="installation", title="This installation", columns=columns, rows=tuple(rows))


def _decided(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "days of readings in the store", facts.kept_days
    yield "readings on the disk", facts.encrypted
    yield "clocks of meters", facts.clocks
    yield "meters are visited", facts.window
    yield "connections", f"{facts.connections}"
    for kind, count in facts.kinds.items():
        yield f"meters of kind {kind}", f"{count}"


def yes_or_no(value: bool) -> str:
    """As a cell."""
    return "yes" if value else "no"
