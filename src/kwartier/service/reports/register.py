"""The register of processing (AVG art. 30(1)), printed from the tables that the gate and the visits work by.

Letters in the headings are those of the article. What the program cannot know - who is responsible, whether an article was
read - is said to be unknown, never filled in.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from pydantic import ConfigDict, TypeAdapter

from kwartier.gate.purposes import Hold, Need, Purpose, purposes
from kwartier.service.auditing import log_folder, log_signer, witness_key
from kwartier.service.home import Home
from kwartier.service.reports.dictionary import yes_or_no
from kwartier.service.reports.facts import Facts, UseCase
from kwartier.service.reports.page import Column, Report, Said, Section

FILE = "register.toml"
UNKNOWN = "not said"
FOREVER_YEAR = 9999

_NEEDS: Mapping[Need, str] = {
    Need.USE_CASE: "a use case that was assessed under the code of conduct and has not expired",
    Need.MANDATE: "a mandate of the customer",
    Need.OWN_CONNECTION: "for a customer: that the connection is their own",
    Need.FOUR_EYES: "the approval of somebody else",
}
_HOLDS: Mapping[Hold, str] = {
    Hold.RESTRICTION: "a restriction (AVG art. 18)",
    Hold.OBJECTION: "an objection (AVG art. 21)",
    Hold.DISPUTE: "a dispute (AVG art. 16)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Whose data, which and where."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    persons: Mapping[str, str]
    what: Mapping[str, str]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is done for security."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    what: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The table ``register.toml``."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    data: tuple[Data, ...]
    recipients: Mapping[str, Mapping[str, str]]
    measures: tuple[Measure, ...]


@lru_cache(maxsize=1)
def texts() -> Texts:
    """What the register says beside the tables of the program."""
    table = tomllib.loads(files("kwartier.service.reports").joinpath(FILE).read_text("utf-8"))
    return TypeAdapter(Texts).validate_python(table)


def measures_of(home: Home) -> tuple[Measure, ...]:
    """The measures of one installation that its settings do not tell alone: its audit log, and who vouches for it."""
    decided = home.settings.encryption_decision
    found = (Measure(what="why readings are not encrypted", how=decided),) if home.day_keys is None else ()
    if not log_folder(home.path).exists():
        return (*found, Measure(what="audit log", how="nothing was looked at yet"))
    witness = witness_key(home.settings)
    told = "no witness" if witness is None else f"witness {witness.name}"
    key = log_signer(home.path, home.vault).verifier
    return (*found, Measure(what="audit log", how=f"{key.name}, every use a record before the first row; {told}"))


def register(facts: Facts, measures: Sequence[Measure] = ()) -> Report:
    """The register of this installation. ``measures``: what else is in force here, such as an audit log and its witness."""
    said = (
        Said(lang="nl", text="Register van verwerkingsactiviteiten (AVG art. 30, lid 1)."),
        Said(text=f"Register of processing activities (GDPR art. 30(1)), as it stands on {facts.day}."),
        Said(
            text="Articles are references; where it says so, their text has not been verified by this program's makers."
        ),
    )
    sections = (
        _controller(facts),
        Section(
            name="purposes",
            title="(b) Purposes",
            said=(
                Said(
                    text="Nobody sees a reading, and no meter is asked for one, for anything that does not stand here."
                ),
            ),
        ),
        *(purpose_section(one, level=3) for one in purposes().values()),
        _data(),
        _recipients(),
        Section(
            name="transfers",
            title="(e) Transfers to third countries",
            said=(
                Said(
                    text="None. The program sends readings to nobody by itself, and no supplier of meters has a way in."
                    " Where its machines stand is for whoever runs them to say."
                ),
            ),
        ),
        _retention(facts),
        _security(facts, measures),
        _use_cases(facts),
        _installation(facts),
    )
    return Report(name="register", title="Register of processing", said=said, sections=sections)


def purpose_section(one: Purpose, *, level: int = 2) -> Section:
    """Everything that the table says of a purpose."""
    return Section(
        name=f"purpose-{one.name}",
        title=one.name,
        said=(Said(lang="nl", text=one.text["nl"]), Said(text=one.text["en"])),
        columns=(Column(name="what", title="what"), Column(name="value", title="says the table")),
        rows=tuple(_purpose_rows(one)),
        level=level,
    )


def _purpose_rows(one: Purpose) -> Iterator[tuple[str, str]]:
    yield "ground", one.article
    yield "text of the ground verified", yes_or_no(one.verified)
    yield "rests on AVG art. 6(1)", one.avg if one.avg != "none" else "nothing: no person is concerned"
    yield "may act for it", ", ".join(sorted(one.who))
    yield "figures come from", ", ".join(sorted(f"the {source}" for source in one.sources))
    yield "registers", ", ".join(one.channels) or "none"
    yield "finest resolution", one.resolution if one.channels else "no consumption is shown"
    yield "shows one connection", yes_or_no(one.per_connection)
    reach = "the whole fleet" if one.fleet else "connections that are named"
    yield "reaches", reach + (f" whose EAN begins with {one.eans}" if one.eans else "")
    yield "days that one grant spans at most", f"{one.days}"
    yield "sums by", ", ".join(one.groups) or "none"
    yield "sums withheld below", _smallest(one)
    yield "kept for it", f"{one.retention_days} days" if one.retention_days else "not at all: shown and not kept"
    yield "needs", "; ".join(_NEEDS[need] for need in Need if need in one.needs) or "nothing besides"
    stopped = [_HOLDS[hold] for hold in Hold if hold is not Hold.DISPUTE and hold not in one.despite]
    yield "stopped by", ", ".join(stopped) or "no hold of a person"
    until = f" up to and not including {one.valid_to}" if one.valid_to.year < FOREVER_YEAR else ""
    yield "may be used", f"from {one.valid_from}{until}"


def _smallest(one: Purpose) -> str:
    if not one.groups:
        return "there are no sums"
    if one.minimum_group:
        return f"{one.minimum_group} connections"
    return f"no number of connections: {one.exempt}"


def _controller(facts: Facts) -> Section:
    missing = f"{UNKNOWN}: set `{{}}` in kwartier.toml"
    rows = (
        ("controller", facts.controller or missing.format("controller")),
        (
            "contact, and that of the data protection officer",
            facts.controller_contact or missing.format("controller_contact"),
        ),
        ("grid operator", facts.dso or "every one in the database"),
    )
    columns = (Column(name="what", title="what"), Column(name="value", title="who"))
    return Section(name="controller", title="(a) Controller", columns=columns, rows=rows)


def _data() -> Section:
    columns = (
        Column(name="persons_nl", title="wie", lang="nl"),
        Column(name="persons_en", title="who"),
        Column(name="what_nl", title="welke gegevens", lang="nl"),
        Column(name="what_en", title="which data"),
        Column(name="where", title="where"),
    )
    rows = tuple(
        (one.persons["nl"], one.persons["en"], one.what["nl"], one.what["en"], one.where) for one in texts().data
    )
    said = (Said(text="Each datum that is read of a meter stands in the data dictionary (kwartier dictionary)."),)
    return Section(name="data", title="(c) Persons and data", said=said, columns=columns, rows=rows)


def _recipients() -> Section:
    columns = (
        Column(name="purpose", title="purpose"),
        Column(name="recipients_nl", title="ontvangers", lang="nl"),
        Column(name="recipients_en", title="recipients"),
    )
    given = texts().recipients
    rows = tuple((name, given[name]["nl"], given[name]["en"]) for name in purposes())
    return Section(name="recipients", title="(d) Recipients", columns=columns, rows=rows)


def _retention(facts: Facts) -> Section:
    columns = (Column(name="purpose", title="purpose"), Column(name="days", title="days"))
    rows = tuple((one.name, f"{one.retention_days}") for one in purposes().values())
    said = (
        Said(text=f"Days of readings that the store of this installation keeps: {facts.kept_days}."),
        Said(text="For each purpose, how long what was shown may be kept; 0: it is shown and not kept."),
    )
    return Section(name="retention", title="(f) Retention", said=said, columns=columns, rows=rows)


def _security(facts: Facts, measures: Sequence[Measure]) -> Section:
    here = (
        Measure(what="readings on the disk", how=facts.encrypted),
        Measure(what="requests that were written down so far", how=f"{facts.requests}"),
    )
    columns = (Column(name="what", title="what"), Column(name="how", title="how"))
    rows = tuple((one.what, one.how) for one in (*texts().measures, *here, *measures))
    return Section(name="security", title="(g) Security", columns=columns, rows=rows)


def _use_cases(facts: Facts) -> Section:
    columns = tuple(
        Column(name=name, title=name.replace("_", " "))
        for name in ("id", "title", "state", *(one for one in UseCase.__slots__ if one not in ("id", "title", "state")))
    )
    rows = tuple(tuple(f"{getattr(one, column.name)}" for column in columns) for one in facts.use_cases)
    said = [
        Said(text="Under the code of conduct, each with its assessment. One that is not active is used for nothing.")
    ]
    if not facts.use_cases:
        said.append(Said(text="None has been registered."))
    if facts.more_use_cases:
        said.append(Said(text=f"{facts.more_use_cases} more are not shown."))
    return Section(name="use-cases", title="Use cases", said=tuple(said), columns=columns if rows else (), rows=rows)


def _installation(facts: Facts) -> Section:
    columns = (Column(name="what", title="what"), Column(name="value", title="here"))
    kinds = ((f"meters of kind {kind}", f"{count}") for kind, count in facts.kinds.items())
    rows = (
        ("connections", f"{facts.connections}"),
        *kinds,
        ("meters are visited", facts.window),
        ("clocks of meters", facts.clocks),
    )
    return Section(name="installation", title="This installation", columns=columns, rows=rows)
