"""An outbox and an inbox with a database behind them, and a day to tell."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from kwartier.export.codes import Code
from kwartier.export.document import Content
from kwartier.export.series import Series
from kwartier.service.exporting.inbox import Taken, take_answers
from kwartier.service.exporting.messages import Message, listed
from kwartier.service.exporting.outbox import Edition, Exported, export_day
from kwartier.settle.tables import Sum
from tests.export.days import CODES, CREATED, KNOWN, content, series, total
from tests.export.test_answer import written

ZON = "Zonnewende"
ALL = replace(CODES, parties={**CODES.parties, ZON: Code("2900000000087", "A10")})
AT = CREATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a test works with."""

    engine: Engine
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def inbox(self) -> Path:
        return self.folder / "in"

    def export(self, told: Content, kind: str = "validated", *, version: int = 1, at: int = AT) -> Exported:
        edition = Edition(kind=kind, version=version, known_at=KNOWN)
        return export_day(self.engine, told, edition, codes=ALL, out=self.out, at=at)

    def answer(self, octets: bytes, name: str = "answer.xml", *, at: int = AT) -> Taken:
        self.inbox.mkdir(exist_ok=True)
        (self.inbox / name).write_bytes(octets)
        (taken,) = take_answers(self.engine, self.inbox, ALL, at=at)
        return taken

    def message(self) -> Message:
        (one,) = listed(self.engine)
        return one

    def files(self) -> dict[str, bytes]:
        """Every file of the outbox but the twins, with what is in it."""
        found = (one for one in self.out.iterdir() if one.is_file())
        return {one.name: one.read_bytes() for one in found}


def two_suppliers(first_wh: int = 0) -> Content:
    """A document each for two suppliers."""
    rest = list(range(1, 96))
    return content(series(energy_wh=[first_wh, *rest]), series(ean="1" * 18, supplier=ZON))


def one_of_each() -> Iterator[tuple[str, Content]]:
    """A content for each format."""
    told: tuple[Series | Sum, ...] = (series(), total(energy_wh=5))
    for kind in ("validated", "aggregated", "account"):
        yield kind, content(*told)


def yes(message: Message, *, sender: str = "2900000000063") -> bytes:
    """An acknowledgement."""
    return written(message.id, "A01", sender=sender)


def no(message: Message, *, text: str = "unknown party") -> bytes:
    """A reject."""
    return written(message.id, "A02", sender="2900000000063", text=text)
