"""A companion says what a kind of meter has and how it misbehaves: as data, in TOML.

A companion may extend another: its tables are laid over the other's, key by key, and ``without`` takes away what the other
has and this kind has not. Versions of the companion standards differ by such files and by nothing else. An unknown key is
refused, because a misspelt one would otherwise change nothing in silence.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from kwartier.cosem import allowed
from kwartier.cosem.access import CaptureObject
from kwartier.cosem.quirks import Quirk
from kwartier.cosem.toml_table import Table, lay_over, without
from kwartier.dlms.events import Get
from kwartier.dlms.obis import dotted
from kwartier.errors import InputError

SUFFIX = ".toml"
MAX_EXTENDS = 8
"""How long a chain of companions may be."""
MAX_FILE_BYTES = 1 << 18
MAX_COMPANIONS = 256
ENCODINGS = ("array", "null-compressed", "compact-array")
CIPHERINGS = ("glo", "general-glo")
RELEASES = ("protected", "clear")
SOURCES = ("found", "memory")
CLOCK_CLASS = 8
PROFILE_CLASS = 7
REGISTER_CLASSES = (3, 4)
QUARTER = "quarter"
QUARTER_S = 900
CAPTURE_DELAY_S = 60
"""Unless a companion says otherwise: no public source tells how soon a meter shows a row, so this is ours."""
MAX_CAPTURE_DELAY_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class CosemObject:
    """One attribute of one object: what a profile captures, or what can be read by itself."""

    name: str
    class_id: int
    obis: bytes
    attribute: int = 2
    unit: int | None = None
    """The unit code of the Blue Book (30: Wh), for registers."""
    scaler: int = 0
    source: str = "found"
    """``found``: in a public source; ``memory``: our best knowledge, unverified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOf:
    """A profile generic (class 7) of this kind of meter. ``columns`` are its capture objects, in capture order."""

    name: str
    obis: bytes
    rows: int
    period_s: int
    """Seconds between captures; 0: captured by a schedule."""
    columns: tuple[CosemObject, ...]
    status: CosemObject | None = None
    """The column with the status byte of each row."""
    encoding: str = "array"
    """How this kind writes its buffer. A reader takes every form; a simulated meter uses this one."""
    source: str = "found"
    capture_delay_s: int = CAPTURE_DELAY_S
    """Seconds after the end of a period until its row stands in the buffer."""

    @property
    def channels(self) -> tuple[CosemObject, ...]:
        """The columns that hold registers."""
        return tuple(one for one in self.columns if one.class_id in REGISTER_CLASSES and one.attribute == 2)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels, in the order of the columns."""
        return tuple([one.name for one in self.channels])


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """An event log: a profile of (time, event code), read like any other."""

    name: str
    obis: bytes
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRegister:
    """A 32-bit alarm register and the names of its bits."""

    name: str
    obis: bytes
    bits: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityOf:
    """How this kind of meter is spoken to, unless the fleet says otherwise for one meter."""

    suite: int
    mechanism: int
    policy: str
    ciphering: str
    """``glo`` or ``general-glo``: the form it is first addressed in; it is answered in kind afterwards."""
    release: str
    """``protected`` or ``clear``: the form of release that it accepts."""
    recovery_pause_s: int
    response_timeout_s: int
    """How long it may take to answer one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """What a kind of meter has. Everything in it comes from one TOML file and those that it extends."""

    name: str
    title: str
    about: str
    assumption: bool
    """True: nothing public says that such meters are so. Reports that rest on it must say so too."""
    assumption_text: str
    quirks: frozenset[Quirk]
    objects: Mapping[str, CosemObject] = field(repr=False)
    profiles: Mapping[str, ProfileOf] = field(repr=False)
    status_bits: Mapping[int, str] = field(repr=False)
    event_logs: Mapping[str, EventLog] = field(repr=False)
    events: Mapping[int, str] = field(repr=False)
    alarms: Mapping[str, AlarmRegister] = field(repr=False)
    associations: Mapping[str, int]
    """Client addresses by name: at least ``public`` and ``management``."""
    security: SecurityOf

    @property
    def clock(self) -> CosemObject:
        """The clock (class 8)."""
        return self.objects["clock"]

    @property
    def invocation_counter(self) -> CosemObject:
        """What the public client reads to recover a lost invocation counter."""
        return self.objects["invocation_counter"]

    @property
    def quarter(self) -> ProfileOf:
        """The profile of quarter-hour registers."""
        return self.profiles[QUARTER]

    @property
    def release(self) -> str:
        """``protected`` or ``clear``: the form of release that this kind accepts."""
        return self.security.release

    @property
    def general_ciphering(self) -> bool:
        """Whether it is first spoken to with general-glo-ciphering."""
        return self.security.ciphering == "general-glo"

    @property
    def recovery_pause_s(self) -> int:
        """Seconds between reading the invocation counter and the next association."""
        return self.security.recovery_pause_s

    @property
    def response_timeout_s(self) -> int:
        """Seconds that one answer may take."""
        return self.security.response_timeout_s

    @property
    def counter_obis(self) -> bytes:
        """Where the public client finds the invocation counter (class 1, attribute 2)."""
        return self.invocation_counter.obis

    @property
    def public_client(self) -> int:
        """The client address that needs no key."""
        return self.associations["public"]

    @property
    def range_carries_deviation(self) -> bool:
        """Whether the date-times of a range are first tried with their deviation."""
        return Quirk.RANGE_WITHOUT_DEVIATION not in self.quirks


def companions(folder: Path | None = None) -> tuple[str, ...]:
    """The names that :func:`load` knows: those that come with kwartier and those in ``folder``, sorted."""
    found = {entry.name for entry in files("kwartier.cosem").joinpath("companions").iterdir()}
    if folder is not None and folder.is_dir():
        found |= {entry.name for entry in folder.iterdir()}
    return tuple(sorted(name[: -len(SUFFIX)] for name in found if name.endswith(SUFFIX)))[:MAX_COMPANIONS]


@lru_cache(maxsize=MAX_COMPANIONS)
def load(name: str, folder: Path | None = None) -> Companion:
    """The companion ``name``; a file in ``folder`` may extend those that come with kwartier, but not replace one.

    Raises ``InputError``: ``unknown-companion``, ``bad-companion`` (naming file and key), ``companion-cycle``.
    """
    chain: list[tuple[str, Table]] = []
    above: str | None = name
    while above is not None:
        names = [link for link, _ in chain]
        if above in names or len(chain) >= MAX_EXTENDS:
            raise InputError("companion-cycle", f"{above}{SUFFIX}: extends itself: {' > '.join([*names, above])}")
        table = _read(above, folder, wanted_by=names[-1] if names else None)
        chain.append((above, table))
        above = table.text("extends", "") or None
    merged: Mapping[str, object] = {}
    for _, table in reversed(chain):
        own = {key: value for key, value in table.values.items() if key not in ("extends", "without")}
        merged = without(lay_over(merged, own), table.texts("without"), table.file)
    return _companion(name, Table(f"{name}{SUFFIX}", "", merged))


def _read(name: str, folder: Path | None, wanted_by: str | None) -> Table:
    known = companions(folder)
    place = f"{wanted_by}{SUFFIX}: extends: " if wanted_by else ""
    if name not in known:
        raise InputError("unknown-companion", f"{place}'{name[:80]}' is none of {', '.join(known)}")
    shipped = files("kwartier.cosem").joinpath("companions").joinpath(name + SUFFIX)
    try:
        data = shipped.read_bytes() if shipped.is_file() else (folder or Path()).joinpath(name + SUFFIX).read_bytes()
    except OSError as error:
        raise InputError("bad-companion", f"{name}{SUFFIX}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise InputError("bad-companion", f"{name}{SUFFIX}: longer than {MAX_FILE_BYTES} bytes")
    try:
        return Table(f"{name}{SUFFIX}", "", tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("bad-companion", f"{name}{SUFFIX}: {error}") from error


def _companion(name: str, table: Table) -> Companion:
    objects = {key: _object(key, row) for key, row in table.table("objects").tables()}
    for needed in ("clock", "invocation_counter"):
        if needed not in objects:
            raise table.wrong("objects", f"has no '{needed}'")
    if objects["clock"].class_id != CLOCK_CLASS:
        raise table.wrong("objects.clock.class", "is not 8")
    profiles = {key: _profile(key, row, objects) for key, row in table.table("profiles").tables()}
    quarter = profiles.get(QUARTER)
    if quarter is None or quarter.period_s != QUARTER_S:
        raise table.wrong("profiles.quarter", f"is not there, or its period is not {QUARTER_S} seconds")
    if objects["clock"] not in quarter.columns or not quarter.channels:
        raise table.wrong("profiles.quarter.columns", "lack the clock or a register")
    associations = table.table("associations").wholes(low=1, high=0xFFFF)
    for needed in ("public", "management"):
        if needed not in associations:
            raise table.wrong("associations", f"has no '{needed}'")
    companion = Companion(
        name=name,
        title=table.text("title"),
        about=table.text("about"),
        assumption=table.flag("assumption"),
        assumption_text=table.text("assumption_text"),
        quirks=_quirks(table),
        objects=MappingProxyType(objects),
        profiles=MappingProxyType(profiles),
        status_bits=table.table("status_bits").numbered(7),
        event_logs=MappingProxyType({key: _event_log(key, row) for key, row in table.table("event_logs").tables()}),
        events=table.table("events").numbered(0xFFFF),
        alarms=MappingProxyType({key: _alarm(key, row) for key, row in table.table("alarms").tables()}),
        associations=MappingProxyType(associations),
        security=_security(table.table("security")),
    )
    if companion.assumption and not companion.assumption_text:
        raise table.wrong("assumption_text", "is empty although the companion is an assumption")
    table.no_others()
    _only_what_is_allowed(companion)
    return companion


def _only_what_is_allowed(companion: Companion) -> None:
    """Whatever a visit would ask of such a meter stands in the closed list: else nobody gets to visit one."""
    quarter, counter = companion.quarter, companion.invocation_counter
    try:
        allowed.check(Get(class_id=PROFILE_CLASS, obis=quarter.obis, attribute=2))
        allowed.check(Get(class_id=counter.class_id, obis=counter.obis, attribute=counter.attribute))
    except InputError as error:
        raise InputError(error.code, f"{companion.name}{SUFFIX}: {error.detail}") from None
    for one in (companion.clock, *([quarter.status] if quarter.status else ()), *quarter.channels):
        if not allowed.is_column(CaptureObject(class_id=one.class_id, obis=one.obis, attribute=one.attribute)):
            what = f"{one.name} ({dotted(one.obis)}, class {one.class_id}, attribute {one.attribute})"
            raise InputError(
                "never-asked", f"{companion.name}{SUFFIX}: profiles.quarter: {what} is never asked of a meter"
            )


def _quirks(table: Table) -> frozenset[Quirk]:
    known = {quirk.value for quirk in Quirk}
    for text in table.texts("quirks"):
        if text not in known:
            raise table.wrong("quirks", f"'{text[:80]}' is none of {', '.join(sorted(known))}")
    return frozenset(Quirk(text) for text in table.texts("quirks"))


def _object(name: str, table: Table) -> CosemObject:
    made = CosemObject(
        name=name,
        class_id=table.whole("class", low=0, high=0xFFFF),
        obis=table.obis("obis"),
        attribute=table.whole("attribute", 2, low=1, high=127),
        unit=table.whole("unit", low=1, high=255) if "unit" in table.values else None,
        scaler=table.whole("scaler", 0, low=-128, high=127),
        source=table.choice("source", SOURCES),
    )
    table.no_others()
    return made


def _profile(name: str, table: Table, objects: Mapping[str, CosemObject]) -> ProfileOf:
    columns = table.texts("columns")
    status = table.text("status", "")
    for column in (*columns, *([status] if status else ())):
        if column not in objects:
            raise table.wrong("columns", f"'{column[:80]}' is no object of this companion")
    if status and status not in columns:
        raise table.wrong("status", f"'{status[:80]}' is none of its columns")
    made = ProfileOf(
        name=name,
        obis=table.obis("obis"),
        rows=table.whole("rows", low=1, high=100_000),
        period_s=table.whole("period_s", low=0, high=366 * 86400),
        columns=tuple(objects[column] for column in columns),
        status=objects[status] if status else None,
        encoding=table.choice("encoding", ENCODINGS, "array"),
        source=table.choice("source", SOURCES),
        capture_delay_s=table.whole("capture_delay_s", CAPTURE_DELAY_S, low=0, high=MAX_CAPTURE_DELAY_S),
    )
    table.no_others()
    return made


def _event_log(name: str, table: Table) -> EventLog:
    made = EventLog(name=name, obis=table.obis("obis"), rows=table.whole("rows", low=1, high=100_000))
    table.no_others()
    return made


def _alarm(name: str, table: Table) -> AlarmRegister:
    made = AlarmRegister(name=name, obis=table.obis("obis"), bits=table.table("bits").numbered(31))
    table.no_others()
    return made


def _security(table: Table) -> SecurityOf:
    made = SecurityOf(
        suite=table.whole("suite", low=0, high=2),
        mechanism=table.whole("mechanism", low=0, high=7),
        policy=table.text("policy"),
        ciphering=table.choice("ciphering", CIPHERINGS),
        release=table.choice("release", RELEASES),
        recovery_pause_s=table.whole("recovery_pause_s", low=0, high=600),
        response_timeout_s=table.whole("response_timeout_s", low=1, high=600),
    )
    table.no_others()
    return made
