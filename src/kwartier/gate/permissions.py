"""What the rules have to know and the database tells: use cases, mandates, holds, and how connections are read."""

import secrets
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, insert, select, update

from kwartier.errors import InputError
from kwartier.gate.policy import Mandate, UseCase
from kwartier.gate.purposes import Resolution
from kwartier.tables import mandates, use_cases

MAX_WORDS = 4_000
"""Characters of one text of an assessment."""
MAX_ID = 64
MAX_FILE_BYTES = 1 << 20
MANDATE_KINDS = ("mandate", "own")
BATCH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """A use case with its assessment: the three tests of the code of conduct, who made them, and until when it holds."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: str
    title: str
    problem: str
    necessity: str
    subsidiarity: str
    proportionality: str
    assessor: str
    dpia: str
    channels: tuple[str, ...]
    resolution: Resolution
    area: str
    valid_from: date
    valid_to: date


def register(connection: Connection, case: Assessed, *, by: str, at: int) -> None:
    """Write a use case down. Raises ``InputError`` bad-use-case: nothing in it may be left empty but the area."""
    texts = ("title", "problem", "necessity", "subsidiarity", "proportionality", "assessor", "dpia")
    if not case.id or len(case.id) > MAX_ID or not case.id.isprintable():
        raise InputError("bad-use-case", f"its id is not 1 to {MAX_ID} characters")
    for name in texts:
        if not getattr(case, name).strip() or len(getattr(case, name)) > MAX_WORDS:
            raise InputError("bad-use-case", f"{case.id}: {name} is not 1 to {MAX_WORDS} characters")
    if case.valid_to <= case.valid_from:
        raise InputError("bad-use-case", f"{case.id}: it ends on {case.valid_to}, before it begins")
    if connection.execute(select(use_cases.c.id).where(use_cases.c.id == case.id)).first():
        raise InputError("bad-use-case", f"there is a use case {case.id} already: end it, and register another")
    row = {name: getattr(case, name) for name in (*texts, "id", "area", "valid_from", "valid_to")}
    row |= {"channels": " ".join(case.channels), "resolution": case.resolution.value}
    connection.execute(insert(use_cases), [{**row, "registered_at": at, "registered_by": by}])


def read(path: Path) -> Assessed:
    """A use case as it stands in a TOML file, a field a line. Raises ``InputError`` unreadable-file, bad-use-case."""
    try:
        with path.open("rb") as file:
            found = tomllib.loads(file.read(MAX_FILE_BYTES).decode())
    except OSError as error:
        raise InputError("unreadable-file", f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError("unreadable-file", f"{path.name} is not TOML: {error}") from None
    try:
        return TypeAdapter(Assessed).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError("bad-use-case", f"{path.name}, {where}: {first['msg']}") from None


def end_use_case(connection: Connection, name: str, *, at: int) -> None:
    """It may not be used any more. Raises ``InputError`` bad-use-case."""
    done = connection.execute(
        update(use_cases).where(use_cases.c.id == name, use_cases.c.ended_at.is_(None)).values(ended_at=at)
    )
    if not done.rowcount:
        raise InputError("bad-use-case", f"there is no use case {name[:MAX_ID]!r} that has not ended")


def use_case(connection: Connection, name: str) -> UseCase | None:
    """The use case called ``name``."""
    row = connection.execute(select(use_cases).where(use_cases.c.id == name)).one_or_none()
    return None if row is None else _use_case(row)


def all_use_cases(connection: Connection) -> list[UseCase]:
    """Every use case there ever was, the newest first."""
    query = select(use_cases).order_by(use_cases.c.registered_at.desc(), use_cases.c.id)
    return [_use_case(row) for row in connection.execute(query)]


def _use_case(row: Row[tuple[object, ...]]) -> UseCase:
    return UseCase(
        id=row.id,
        channels=tuple(row.channels.split()),
        resolution=Resolution(row.resolution),
        area=row.area,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        ended=row.ended_at is not None,
    )


def give_mandate(
    connection: Connection, ean: str, holder: str, kind: str, start: date, end: date, *, by: str, at: int
) -> str:
    """Write down that ``holder`` may see a connection up to ``end``; its id. Raises ``InputError`` bad-mandate."""
    if kind not in MANDATE_KINDS or not holder or end <= start:
        raise InputError(
            "bad-mandate", f"it takes a kind ({', '.join(MANDATE_KINDS)}), a holder, and an end after {start}"
        )
    row = {
        "id": secrets.token_hex(16),
        "ean": ean,
        "holder": holder,
        "kind": kind,
        "valid_from": start,
        "valid_to": end,
    }
    connection.execute(insert(mandates), [{**row, "registered_at": at, "registered_by": by}])
    return str(row["id"])


def withdraw_mandate(connection: Connection, name: str, *, at: int) -> None:
    """The customer has taken it back. Raises ``InputError`` bad-mandate."""
    done = connection.execute(
        update(mandates).where(mandates.c.id == name, mandates.c.withdrawn_at.is_(None)).values(withdrawn_at=at)
    )
    if not done.rowcount:
        raise InputError("bad-mandate", f"there is no mandate {name[:MAX_ID]!r} that was not withdrawn")


def withdraw_all(connection: Connection, holder: str, *, at: int) -> None:
    """Whatever ``holder`` might see of single connections, no more."""
    held = (mandates.c.holder == holder, mandates.c.withdrawn_at.is_(None))
    connection.execute(update(mandates).where(*held).values(withdrawn_at=at))


def mandates_of(connection: Connection, eans: Sequence[str]) -> dict[str, list[Mandate]]:
    """The mandates of some connections that were not withdrawn."""
    found: dict[str, list[Mandate]] = {}
    for first in range(0, len(eans), BATCH):
        query = select(mandates).where(
            mandates.c.ean.in_(eans[first : first + BATCH]), mandates.c.withdrawn_at.is_(None)
        )
        for row in connection.execute(query):
            one = Mandate(holder=row.holder, kind=row.kind, valid_from=row.valid_from, valid_to=row.valid_to)
            found.setdefault(row.ean, []).append(one)
    return found
